"""Prometheus' HTTP API, as far as the handler asks it: instant and range queries, typed, with timeouts.

API: https://prometheus.io/docs/prometheus/latest/querying/api/.
"""

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


class _Result(msgspec.Struct):
    metric: Labels = {}
    value: tuple[float, str] = (0.0, "NaN")
    values: list[tuple[float, str]] = []


class _Data(msgspec.Struct):
    resultType: str  # noqa: N815 -- the wire's name
    result: msgspec.Raw


class _Answer(msgspec.Struct):
    status: str
    data: _Data | None = None
    error: str = ""


_ANSWER = msgspec.json.Decoder(_Answer)
_VECTOR = msgspec.json.Decoder(list[_Result])
_SCALAR = msgspec.json.Decoder(tuple[float, str])


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
            moment, value = _SCALAR.decode(data.result)
            return [Sample({}, float(value), moment)]
        return [Sample(r.metric, float(r.value[1]), r.value[0]) for r in _VECTOR.decode(data.result)]

    def query_range(self, expression: str, start: float, end: float, step: float) -> list[Series]:
        """The answer of a range query.

        Raises:
            PrometheusUnavailable: no usable answer.
            PrometheusRejected: the expression is refused.
        """
        params = {"query": expression, "start": f"{start:.3f}", "end": f"{end:.3f}", "step": f"{step:.3f}"}
        data = self._get("/api/v1/query_range", params)
        return [Series(r.metric, tuple((t, float(v)) for t, v in r.values)) for r in _VECTOR.decode(data.result)]

    def _get(self, path: str, params: dict[str, str]) -> _Data:
        try:
            answer = self._http.get(self._url + path, params)
        except NoAnswer as error:
            raise PrometheusUnavailable(f"prometheus {self._url}: {error}") from error
        return self._data(answer.status, answer.body)

    def _data(self, status: int, body: bytes) -> _Data:
        try:
            answer = _ANSWER.decode(body)
        except (msgspec.MsgspecError, RecursionError) as error:
            raise PrometheusUnavailable(f"prometheus {self._url}: status {status}, no API answer") from error
        if status in (400, 422):
            raise PrometheusRejected(f"prometheus {self._url}: {answer.error}")
        if answer.status != "success" or answer.data is None:
            raise PrometheusUnavailable(f"prometheus {self._url}: status {status}: {answer.error}")
        return answer.data
