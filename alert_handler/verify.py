"""Stage verify: is it fixed? The answer comes from Prometheus, is one of three, and takes its time.

`judge` is pure. It never looks before one full scrape and evaluation after the action; healthy must hold for a while;
no data is neither good nor bad; and that the alert was resolved is not asked at all, because killing the exporter
resolves it too.
"""

import logging
import math
from typing import Literal

from alert_handler.clock import Clock
from alert_handler.errors import PrometheusRejected, PrometheusUnavailable, RemediationRefused
from alert_handler.model import Attempt, Case, Labels, Note, Verdict, Verification
from alert_handler.playbooks import Playbook, Verify, fill
from alert_handler.prometheus_api import PrometheusApi
from chassis.logs import event

log = logging.getLogger(__name__)

Observation = Literal["healthy", "unhealthy", "no_data"]
#: How often to look while verifying.
LOOK_SECONDS = 2.0
#: The most that one look adds to the time that healthy has held: nobody looked in a longer gap (a restart, a jump of
#: the clock), so it proves nothing.
HELD_PER_LOOK_SECONDS = 2 * LOOK_SECONDS
_SHOWN = 3


class Conditions:
    """Asks Prometheus whether a playbook's fault is there."""

    def __init__(self, prometheus: PrometheusApi) -> None:
        self._prometheus = prometheus

    def look(self, verify: Verify, labels: Labels) -> tuple[Observation, str]:
        """What Prometheus shows now, and in words; an unreachable Prometheus shows no data, and NaN is none."""
        try:
            samples = self._prometheus.query(fill(verify.query, labels))
        except (PrometheusUnavailable, PrometheusRejected, RemediationRefused) as error:
            event(log, logging.WARNING, "the condition cannot be checked", error=error, query=verify.query)
            return "no_data", str(error)
        if not samples:
            return "no_data", "Prometheus has no such series now"
        values = ", ".join(f"{sample.value:.6g}" for sample in samples[:_SHOWN])
        text = f"{values} (healthy: {verify.healthy})"
        known = [sample.value for sample in samples if not math.isnan(sample.value)]
        if not all(verify.is_healthy(value) for value in known):
            return "unhealthy", text
        return ("healthy" if len(known) == len(samples) else "no_data"), text


def begin(attempt: Attempt, verify: Verify, settle_seconds: float, now: float) -> Verification:
    """A verification of *attempt*: when to look first, and until when."""
    ended = min(attempt.finished_at or now, now)
    return Verification(not_before=ended + settle_seconds, until=ended + settle_seconds + verify.within_seconds)


def begun_on_another_clock(verification: Verification, verify: Verify, settle_seconds: float, now: float) -> bool:
    """Whether it would still take longer than any verification does: the clock was set back since it began."""
    return verification.until - now > settle_seconds + verify.within_seconds


def observe(verification: Verification, seen: Observation, text: str, now: float) -> Verification:
    """The verification with one more look."""
    held = 0.0
    if seen == verification.last == "healthy" and verification.looked_at is not None:
        since_last = min(max(0.0, now - verification.looked_at), HELD_PER_LOOK_SECONDS)
        held = verification.held_seconds + since_last
    return verification.evolve(last=seen, text=text, held_seconds=held, looked_at=now)


def judge(verification: Verification, verify: Verify, now: float) -> Verdict | None:
    """The verdict, or None while it is too early to tell."""
    if verification.last == "healthy":
        held = verification.held_seconds
        if held < verify.hold_seconds:
            return None
        return Verdict(value="fixed", text=f"healthy for {held:.0f} s: {verification.text}", at=now)
    if now < verification.until:
        return None
    if verification.last == "unhealthy":
        return Verdict(value="not_fixed", text=f"still there: {verification.text}", at=now)
    return Verdict(value="inconclusive", text=f"nothing to see: {verification.text}", at=now)


class VerifyStage:
    """Looks again and again until there is a verdict; what was seen survives a restart."""

    def __init__(
        self, conditions: Conditions, playbooks: tuple[Playbook, ...], settle_seconds: float, clock: Clock
    ) -> None:
        self._conditions = conditions
        self._playbooks = {playbook.name: playbook for playbook in playbooks}
        self._settle = settle_seconds
        self._clock = clock

    def __call__(self, case: Case) -> Case:
        """The case with one more look, and with a verdict when there is one."""
        now = self._clock()
        if case.attempt is None:
            return case.evolve(stage="notify", note=Note(outcome="skipped", text="nothing was done"))
        playbook = self._playbooks.get(case.attempt.playbook)
        if playbook is None:
            text = f"playbook {case.attempt.playbook} is no longer configured"
            return self._settled(case, Verdict(value="inconclusive", text=text, at=now))
        known = case.verification
        if known is None or begun_on_another_clock(known, playbook.verify, self._settle, now):
            verification = begin(case.attempt, playbook.verify, self._settle, now)
            return case.evolve(stage="verify", due_at=verification.not_before, verification=verification)
        if now < known.not_before:
            return case.evolve(stage="verify", due_at=known.not_before)
        return self._look(case, known, playbook.verify)

    def _look(self, case: Case, verification: Verification, verify: Verify) -> Case:
        seen, text = self._conditions.look(verify, case.incident.labels)
        now = self._clock()
        verification = observe(verification, seen, text, now)
        verdict = judge(verification, verify, now)
        if verdict is None:
            return case.evolve(stage="verify", due_at=now + LOOK_SECONDS, verification=verification)
        return self._settled(case.evolve(verification=verification), verdict)

    def _settled(self, case: Case, verdict: Verdict) -> Case:
        attempt = case.attempt and case.attempt.evolve(verdict=verdict.value, verified_at=verdict.at)
        note = Note(outcome=verdict.value, text=verdict.text)
        return case.evolve(verdict=verdict, attempt=attempt, note=note)
