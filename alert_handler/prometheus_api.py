"""Prometheus' HTTP API, as far as the handler asks it: instant and range queries, typed, with timeouts.

API: https://prometheus.io/docs/prometheus/latest/querying/api/.
"""

from typing import TypeVar

import msgspec

from alert_handler.errors import PrometheusRejected, PrometheusUnavailable
from alert_handler.http import HttpClient, NoAnswer
from alert_handler.model import Labels


class Sample(msgspec.Struct, frozen=True):
    """One series of an instant answer: its labels, its value and the time of evaluation."""

    labels: Labels
    value: float
    at: float


class Series(msgspec.Struct, frozen=True):
    """One series of a range answer, as (time, value) points."""

    labels: Labels
    points: tuple[tuple[float, float], ...]


class _Instant(msgspec.Struct):
    metric: Labels
    value: tuple[float, str]


class _Range(msgspec.Struct):
    metric: Labels
    values: list[tuple[float, str]] = []  # a native histogram has none


class _Data(msgspec.Struct):
    resultType: str  # noqa: N815 -- the wire's name
    result: msgspec.Raw


class _Answer(msgspec.Struct):
    status: str
    data: _Data | None = None
    error: str = ""


_Wanted = TypeVar("_Wanted")

_ANSWER = msgspec.json.Decoder(_Answer)
_VECTOR = msgspec.json.Decoder(list[_Instant])
_MATRIX = msgspec.json.Decoder(list[_Range])
_SCALAR = msgspec.json.Decoder(tuple[float, str])
#: What msgspec raises on bytes that are not JSON of the wanted shape (ValueError: not UTF-8).
_UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)
#: How much of Prometheus' own words is kept.
_MAX_WORDS = 500


class PrometheusApi:
    """Asks one Prometheus. No redirect is followed and no credential leaves for another host."""

    def __init__(self, url: str, timeout_seconds: float = 5.0) -> None:
        self._url = url.rstrip("/")
        self._http = HttpClient(timeout_seconds)

    def query(self, expression: str, at: float | None = None) -> list[Sample]:
        """The answer of an instant query at time *at* (default: Prometheus' now); a scalar is one sample.

        Raises:
            PrometheusUnavailable: no usable answer.
            PrometheusRejected: the expression is refused.
        """
        params: dict[str, str] = {"query": expression}
        if at is not None:
            params["time"] = f"{at:.3f}"
        data = self._get("/api/v1/query", params)
        if data.resultType == "scalar":
            moment, value = self._read(_SCALAR, data.result)
            return [Sample({}, self._number(value), moment)]
        if data.resultType != "vector":
            raise PrometheusRejected(
                f"prometheus {self._url}: the query gives a {data.resultType}, not one value a series"
            )
        return [Sample(r.metric, self._number(r.value[1]), r.value[0]) for r in self._read(_VECTOR, data.result)]

    def query_range(self, expression: str, start: float, end: float, step: float) -> list[Series]:
        """The answer of a range query.

        Raises:
            PrometheusUnavailable: no usable answer.
            PrometheusRejected: the expression is refused.
        """
        params = {"query": expression, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:.3f}"}
        data = self._get("/api/v1/query_range", params)
        if data.resultType != "matrix":
            raise PrometheusUnavailable(f"prometheus {self._url}: a range query was answered with a {data.resultType}")
        return [
            Series(r.metric, tuple((at, self._number(value)) for at, value in r.values))
            for r in self._read(_MATRIX, data.result)
        ]

    def _read(self, decoder: msgspec.json.Decoder[_Wanted], result: msgspec.Raw) -> _Wanted:
        try:
            return decoder.decode(result)
        except _UNREADABLE as error:
            raise PrometheusUnavailable(f"prometheus {self._url}: a result that is none: {error}") from error

    def _number(self, text: str) -> float:
        try:
            return float(text)
        except ValueError as error:
            raise PrometheusUnavailable(f"prometheus {self._url}: {text[:40]!r} is no value") from error

    def _get(self, path: str, params: dict[str, str]) -> _Data:
        try:
            answer = self._http.get(self._url + path, params)
        except NoAnswer as error:
            raise PrometheusUnavailable(f"prometheus {self._url}: {error}") from error
        return self._data(answer.status, answer.body)

    def _data(self, status: int, body: bytes) -> _Data:
        try:
            answer = _ANSWER.decode(body)
        except _UNREADABLE as error:
            raise PrometheusUnavailable(f"prometheus {self._url}: status {status}, no API answer") from error
        if status in (400, 422):
            raise PrometheusRejected(f"prometheus {self._url}: {answer.error[:_MAX_WORDS]}")
        if answer.status != "success" or answer.data is None:
            raise PrometheusUnavailable(f"prometheus {self._url}: status {status}: {answer.error[:_MAX_WORDS]}")
        return answer.data
