"""Is it up? By the state of its systemd unit, asked by `systemctl show`.

`systemctl` and not D-Bus: it is there wherever systemd is, its `KEY=VALUE` answer is promised to stay, and it needs
neither a marshaller of our own nor a library. It costs a child of a few milliseconds per check.
"""

import subprocess
from typing import ClassVar

import msgspec

from exporter.checks.outcome import Check, CheckFailed, Outcome, Reading
from exporter.families import Metric

STATE = Metric(
    "nightshift_systemd_unit_state",
    "gauge",
    "1 for the state (ActiveState) that the unit is in, else 0.",
    ["service", "state"],
)
RESTARTS = Metric(
    "nightshift_systemd_unit_restarts_total", "counter", "Restarts by systemd itself (NRestarts).", ["service"]
)
METRICS = (STATE, RESTARTS)

STATES = ("active", "reloading", "inactive", "failed", "activating", "deactivating", "maintenance", "refreshing")
#: The states in which a unit does its work.
_GOOD = ("active", "reloading", "refreshing")
_PROPERTIES = "LoadState,ActiveState,SubState,NRestarts"
_MAX_BYTES = 4096

REASONS = ("not_running", "failed", "not_found", "no_systemd", "timeout", "error")


class SystemdRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A unit that must be active.

    Attributes:
        unit: e.g. `nginx.service`.
        command: what is run to ask; `[systemctl, --user]` for a user's own units.
    """

    reasons: ClassVar[tuple[str, ...]] = REASONS
    unit: str
    command: tuple[str, ...] = ("systemctl",)

    def __post_init__(self) -> None:
        if not self.unit or self.unit.startswith("-") or not self.unit.isprintable():
            raise ValueError(f"unit is {self.unit!r}; write e.g. nginx.service")
        if not self.command:
            raise ValueError("command is empty; write e.g. [systemctl]")

    def check(self, seconds: float) -> Check:
        """A check that the unit is active; systemd must say so within *seconds*."""

        def check() -> Outcome:
            return judged(self.unit, properties(self._ask(seconds)))

        return check

    def _ask(self, seconds: float) -> str:
        """What systemctl says.

        Raises:
            CheckFailed: it cannot be run, does not end, or has no systemd to talk to.
        """
        argv = [*self.command, "show", "--no-pager", f"--property={_PROPERTIES}", "--", self.unit]
        try:
            done = subprocess.run(argv, capture_output=True, stdin=subprocess.DEVNULL, timeout=seconds, check=False)
        except subprocess.TimeoutExpired:
            raise CheckFailed("timeout", f"{self.unit}: systemd does not answer within {seconds:g} s") from None
        except OSError as error:
            raise CheckFailed("no_systemd", f"{self.command[0]} cannot be run: {error.strerror}") from error
        if done.returncode:
            words = done.stderr[:200].decode("utf-8", "replace").strip()
            reason = "no_systemd" if "not been booted" in words or "connect to bus" in words else "error"
            raise CheckFailed(reason, f"{self.unit}: systemctl ended with {done.returncode}: {words}")
        return done.stdout[:_MAX_BYTES].decode("utf-8", "replace")


def properties(text: str) -> dict[str, str]:
    """The lines `KEY=VALUE` of *text*."""
    pairs = (line.partition("=") for line in text.splitlines())
    return {key: value for key, equals, value in pairs if equals}


def judged(unit: str, found: dict[str, str]) -> Outcome:
    """What the properties of a unit mean: down unless it is there and active."""
    state, sub_state = found.get("ActiveState", ""), found.get("SubState", "")
    if found.get("LoadState") == "not-found":
        return Outcome("not_found", f"{unit}: systemd knows no such unit")
    if state not in STATES:
        return Outcome("error", f"{unit}: systemd tells no state that is known: {state!r:.40}")
    readings: list[Reading] = [(STATE, state == name, (name,)) for name in STATES]
    if (restarts := found.get("NRestarts", "")).isdecimal():
        readings.append((RESTARTS, int(restarts[:18]), ()))
    if state in _GOOD:
        return Outcome(readings=tuple(readings))
    reason = "failed" if state == "failed" else "not_running"
    return Outcome(reason, f"{unit} is {state} ({sub_state:.40})", readings=tuple(readings))
