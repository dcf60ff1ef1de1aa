"""What a diagnoser is: the contract that every file in `diagnosers/` keeps."""

from typing import Protocol

import msgspec

from alert_handler.model import Evidence, Incident
from alert_handler.prometheus_api import PrometheusApi
from alert_handler.store.attempts import Attempts


class Sources(msgspec.Struct, frozen=True):
    """Where evidence comes from."""

    prometheus: PrometheusApi
    attempts: Attempts


class Diagnoser(Protocol):
    """One kind of evidence; built once."""

    def __init__(self, sources: Sources) -> None:
        """Take the sources that evidence is looked up in."""
        ...

    def look(self, incident: Incident, now: float) -> list[Evidence]:
        """What bears on *incident*, the most telling first; nothing is a good answer.

        Raises:
            UpstreamError: the source does not answer; the diagnosis goes on without it and says so.
        """
        ...
