"""What a check is and what it finds."""

from collections.abc import Callable
from dataclasses import dataclass

from exporter.errors import CollectorError, SourceUnavailable
from exporter.families import Metric

#: Why a check that talks over a connection can fail, whatever the protocol.
NETWORK = ("refused", "timeout", "tls", "closed", "protocol", "error")

LOGGED_IN = Metric(
    "nightshift_service_check_logged_in",
    "gauge",
    "1 if the server let the check in, 0 if it answered and wants (other) credentials.",
    ["service", "check"],
)
VERSION = Metric(
    "nightshift_service_version_info", "info", "The version that the server tells.", ["service", "check", "version"]
)
METRICS = (LOGGED_IN, VERSION)
#: A longer version is cut: it comes from the other side.
MAX_VERSION = 64

#: A metric whose first label is the service, a value, and the labels after the service.
Reading = tuple[Metric, float, tuple[str, ...]]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a check found.

    Attributes:
        reason: why it failed, one of the reasons of its kind; empty when all is well.
        detail: the same for people.
        processes: how many processes match; None for checks that look at none.
        readings: what else the check has measured.
    """

    reason: str = ""
    detail: str = ""
    processes: int | None = None
    readings: tuple[Reading, ...] = ()

    @property
    def up(self) -> bool:
        """Whether the check passed."""
        return not self.reason


Check = Callable[[], Outcome]


class CheckFailed(SourceUnavailable):
    """The end of a check that did not pass; the message says where and why, *reason* is the label."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message, reason)


def answered(kind: str, *, logged_in: bool, version: str = "") -> Outcome:
    """A server answered as a *kind* should; *logged_in* tells whether it let the check in."""
    readings: list[Reading] = [(LOGGED_IN, logged_in, (kind,))]
    if version:
        readings.append((VERSION, 1, (kind, version[:MAX_VERSION])))
    return Outcome(readings=tuple(readings))


def outcome_of(check: Check) -> Outcome:
    """The outcome of *check*; one that raises has failed for the reason of its error."""
    try:
        return check()
    except SourceUnavailable as error:
        return Outcome(error.reason, str(error))
    except CollectorError as error:
        return Outcome("error", str(error))
