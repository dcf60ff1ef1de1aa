"""Reads what the stack knows: incidents from the alert handler, alerts and targets from Prometheus."""

import http.client
import json
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import TypeVar

import msgspec

Value = TypeVar("Value")

TIMEOUT_SECONDS = 5.0


class UnreachableError(RuntimeError):
    """A part of the stack does not answer, or answers with an error; the text says which and what."""


class Transition(msgspec.Struct, frozen=True):
    """One line of an incident's timeline; `at` in Unix seconds."""

    at: float
    stage: str
    outcome: str
    text: str = ""


class Attempt(msgspec.Struct, frozen=True):
    """One run of a remediation; times in Unix seconds."""

    remediation: str
    target: str
    state: str
    claimed_at: float
    started_at: float | None = None
    finished_at: float | None = None
    verdict: str = ""


class Message(msgspec.Struct, frozen=True):
    """One message to people; times in Unix seconds."""

    channel: str
    kind: str
    created_at: float
    sent_at: float | None = None
    state: str = ""


class Incident(msgspec.Struct, frozen=True):
    """One incident as the handler tells it, of all that it tells; the list leaves the last three fields empty.

    `received_at` and `starts_at` are those of the alert's last start: an incident may open again.
    """

    id: int
    alertname: str
    labels: dict[str, str]
    status: str
    state: str
    received_at: float
    starts_at: float
    severity: str = ""
    timeline: list[Transition] = []
    attempts: list[Attempt] = []
    messages: list[Message] = []


class Handler:
    """The alert handler's JSON API at `url`."""

    def __init__(self, url: str) -> None:
        self.url = url

    def incidents(self) -> list[Incident]:
        """Gives the incidents, newest first.

        Raises:
            UnreachableError: the handler does not answer with incidents.
        """
        return _decode(get(f"{self.url}/api/v1/incidents"), list[Incident])

    def incident(self, number: int) -> Incident:
        """Gives one incident with its timeline, attempts and messages.

        Raises:
            UnreachableError: the handler does not answer with an incident.
        """
        return _decode(get(f"{self.url}/api/v1/incidents/{number}"), Incident)


class Prometheus:
    """Prometheus' HTTP API at `url`."""

    def __init__(self, url: str) -> None:
        self.url = url

    def query(self, expression: str) -> list[tuple[Mapping[str, str], float]]:
        """Gives the series of an instant query as (labels, value).

        Raises:
            UnreachableError: Prometheus does not answer with a vector.
        """
        answer = json.loads(get(f"{self.url}/api/v1/query?{urllib.parse.urlencode({'query': expression})}"))
        try:
            return [(series["metric"], float(series["value"][1])) for series in answer["data"]["result"]]
        except (KeyError, TypeError, IndexError) as error:
            raise UnreachableError(f"{self.url}: no vector in the answer to {expression}: {error!r}") from error

    def firing(self, **labels: str) -> list[Mapping[str, str]]:
        """Gives the labels of the firing alerts that have all of `labels`."""
        wanted = "".join(f",{name}={json.dumps(value)}" for name, value in labels.items())
        return [found for found, _ in self.query(f'ALERTS{{alertstate="firing"{wanted}}}')]

    def active_since(self, **labels: str) -> float | None:
        """Gives since when (Unix seconds) an alert is pending or firing, None without such an alert."""
        wanted = ",".join(f"{name}={json.dumps(value)}" for name, value in labels.items())
        values = [value for _, value in self.query(f"ALERTS_FOR_STATE{{{wanted}}}")]
        return min(values) if values else None


def get(url: str) -> bytes:
    """Gives the body of a GET.

    Raises:
        UnreachableError: no answer, or not a 2xx.
    """
    try:
        with urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS) as response:
            body: bytes = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise UnreachableError(f"{url}: {error}") from error
    return body


def _decode(body: bytes, into: type[Value]) -> Value:
    """Decodes JSON into a type.

    Raises:
        UnreachableError: it does not fit.
    """
    try:
        return msgspec.json.decode(body, type=into)
    except msgspec.DecodeError as error:
        raise UnreachableError(f"not what was expected of the handler: {error}") from error
