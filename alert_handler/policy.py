"""The whole safety policy: may Nightshift act on this now? A list of rules over facts.

`decide` is pure: facts, policy -> decision. The rules stand in the order in which they are asked; the first one that
objects wins, and only when none objects is the answer `act`. Strikes, cooldowns and budgets count attempts on
(remediation, target) in a window of time: neither `resolved` nor a new `startsAt` resets them.
"""

from collections.abc import Callable, Sequence
from typing import Annotated, Literal

import msgspec

from alert_handler.model import (
    Attempt,
    Decision,
    DecisionVerdict,
    Mode,
    Plan,
    Reason,
    Risk,
    Verdict,
)
from alert_handler.switches import SwitchState

HOUR = 3600.0
#: How soon to ask again while something that people or other incidents hold stands in the way.
RETRY_SECONDS = 5.0
KILL_RETRY_SECONDS = 15.0
RECOVERED_RETRY_SECONDS = 15.0
#: How long the condition may stay uncheckable before a person is called.
CHECK_PATIENCE_SECONDS = 300.0
#: How long any hold may last before people are told of it; it goes on.
HOLD_PATIENCE_SECONDS = 900.0

Condition = Literal["unhealthy", "healthy", "no_data"]
_RUNNING = ("claimed", "started")


class Policy(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The numbers of the policy; the defaults are DESIGN's."""

    strikes: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 3
    strike_window_seconds: Annotated[float, msgspec.Meta(ge=60, le=30 * 86400)] = HOUR
    per_remediation_and_hour: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 10
    total_per_hour: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 20
    max_risk: Risk = Risk.SAFE


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the policy may look at. `attempts` are those of the last hour (or strike window), all incidents.

    `plan` is None when there is nothing to run, `unplannable` then says why. `condition` is the playbook's verify query
    asked just now: is the fault still there? `before` is the last answer in this episode.
    """

    now: float
    mode: Mode
    switches: SwitchState
    resolved: bool = False
    playbook: str = ""
    remediation: str = ""
    cooldown_seconds: float = 300.0
    risk: Risk = Risk.SAFE
    idempotent: bool = True
    plan: Plan | None = None
    unplannable: str = ""
    condition: Condition = "unhealthy"
    attempts: Sequence[Attempt] = ()
    last_attempt: Attempt | None = None
    last_verdict: Verdict | None = None
    before: Decision | None = None


Rule = Callable[[Facts, Policy], Decision | None]


def decide(facts: Facts, policy: Policy) -> Decision:
    """The first objection of `RULES`, else permission to act."""
    for rule in RULES:
        decision = rule(facts, policy)
        if decision is not None:
            return decision
    text = f"{facts.plan.summary}: allowed" if facts.plan else "allowed"
    return _answer(facts, DecisionVerdict.ACT, Reason.ALLOWED, text)


def _answer(
    facts: Facts, verdict: DecisionVerdict, reason: Reason, text: str, retry_in: float | None = None
) -> Decision:
    retry_at = None if retry_in is None else facts.now + max(retry_in, 0.1)
    return Decision(
        verdict=verdict,
        reason=reason,
        text=text,
        at=facts.now,
        playbook=facts.playbook,
        plan=facts.plan,
        retry_at=retry_at,
        since=_held_since(facts, reason) if verdict is DecisionVerdict.HOLD else None,
    )


def _held_since(facts: Facts, reason: Reason) -> float:
    """When a hold for *reason* began: now, unless the last answer held for the same reason."""
    before = facts.before
    if before is None or before.since is None or before.reason is not reason:
        return facts.now
    return min(before.since, facts.now)


def told_late(decision: Decision, before: Decision | None) -> bool:
    """Whether people are to be told of a hold now: once, when it has lasted `HOLD_PATIENCE_SECONDS`."""
    if decision.since is None or before is None or before.since != decision.since:
        return False
    return before.at < decision.since + HOLD_PATIENCE_SECONDS <= decision.at


def monitoring_disabled(facts: Facts, _policy: Policy) -> Decision | None:
    """The master switch is off: alerts are stored and shown, nothing else."""
    if facts.switches.monitoring:
        return None
    text = "AUTONOMOUS_MONITORING_ENABLED is off: stored and shown only"
    return _answer(facts, DecisionVerdict.REFUSE, Reason.MONITORING_DISABLED, text)


def resolved(facts: Facts, _policy: Policy) -> Decision | None:
    """The alert stopped firing before anything was done."""
    if not facts.resolved:
        return None
    return _answer(facts, DecisionVerdict.REFUSE, Reason.RESOLVED, "the alert no longer fires")


def no_playbook(facts: Facts, _policy: Policy) -> Decision | None:
    """Nobody wrote down what to do about this alert."""
    if facts.playbook:
        return None
    return _answer(facts, DecisionVerdict.OBSERVE, Reason.NO_PLAYBOOK, "no playbook matches: left to people")


def observe_mode(facts: Facts, _policy: Policy) -> Decision | None:
    """Watching only."""
    if facts.mode is not Mode.OBSERVE:
        return None
    text = f"mode observe: playbook {facts.playbook} would apply" + (f": {facts.plan.summary}" if facts.plan else "")
    return _answer(facts, DecisionVerdict.OBSERVE, Reason.OBSERVE_MODE, text)


def recovered(facts: Facts, _policy: Policy) -> Decision | None:
    """The fault is gone although the alert still fires: nothing to repair as long as it stays gone."""
    if facts.condition != "healthy":
        return None
    text = "the condition is healthy although the alert still fires: waiting for either to change"
    return _answer(facts, DecisionVerdict.HOLD, Reason.RECOVERED, text, RECOVERED_RETRY_SECONDS)


def strikes(facts: Facts, policy: Policy) -> Decision | None:
    """Three verified failures on (remediation, target) in the window: a person, not a fourth try."""
    if facts.plan is None or strike_count(facts, policy) < policy.strikes:
        return None
    text = (
        f"{facts.plan.remediation} did not fix {facts.plan.target} {policy.strikes} times within "
        f"{policy.strike_window_seconds:.0f} s: a person must look"
    )
    return _answer(facts, DecisionVerdict.ESCALATE, Reason.STRIKES, text)


def outcome_unknown(facts: Facts, _policy: Policy) -> Decision | None:
    """A remediation that must not be repeated blindly was started, and nobody saw its end."""
    cut = [a for a in _cut_off(facts) if a.verdict != "fixed" and (a.verdict or _is_own(facts, a))]
    if not cut:
        return None
    text = f"{cut[0].remediation} on {cut[0].target} was cut off and the fault is still there: a person must look"
    return _answer(facts, DecisionVerdict.ESCALATE, Reason.OUTCOME_UNKNOWN, text)


def inconclusive(facts: Facts, _policy: Policy) -> Decision | None:
    """The last attempt's effect cannot be seen: acting again would be acting blind."""
    if not _verified(facts, "inconclusive"):
        return None
    text = "Prometheus cannot tell whether the last attempt helped: a person must look"
    return _answer(facts, DecisionVerdict.ESCALATE, Reason.INCONCLUSIVE, text)


def unplannable(facts: Facts, _policy: Policy) -> Decision | None:
    """The remediation cannot say what it would do: an undeclared target, a missing label, nothing to clean.

    Nothing to clean is good news while another alert's run of it has not been verified yet: that one is waited for.
    """
    if facts.plan is not None:
        return None
    if any(a.remediation == facts.remediation and a.started_at and not a.verdict for a in facts.attempts):
        text = f"{facts.unplannable}; waiting for the verdict on a run of {facts.remediation} before calling a person"
        return _answer(facts, DecisionVerdict.HOLD, Reason.UNPLANNABLE, text, RETRY_SECONDS)
    return _answer(facts, DecisionVerdict.ESCALATE, Reason.UNPLANNABLE, facts.unplannable)


def recommend_mode(facts: Facts, _policy: Policy) -> Decision | None:
    """Say what would be done, leave the doing to people."""
    if facts.mode is not Mode.RECOMMEND:
        return None
    return _answer(facts, DecisionVerdict.RECOMMEND, Reason.RECOMMEND_MODE, f"recommended: {_summary(facts)}")


def needs_trust(facts: Facts, policy: Policy) -> Decision | None:
    """A remediation of risk major while only safe ones are trusted."""
    if facts.risk is Risk.SAFE or policy.max_risk is Risk.MAJOR:
        return None
    text = f"risk {facts.risk}, trusted up to {policy.max_risk}; recommended: {_summary(facts)}"
    return _answer(facts, DecisionVerdict.RECOMMEND, Reason.NEEDS_TRUST, text)


def remediation_disabled(facts: Facts, _policy: Policy) -> Decision | None:
    """The switch for acting is off."""
    if facts.switches.remediation:
        return None
    text = f"AUTO_REMEDIATION_ENABLED is off; recommended: {_summary(facts)}"
    return _answer(facts, DecisionVerdict.RECOMMEND, Reason.REMEDIATION_DISABLED, text)


def kill_switch(facts: Facts, _policy: Policy) -> Decision | None:
    """Somebody pulled the emergency brake: wait until it is released."""
    if not facts.switches.killed:
        return None
    text = "the kill-switch file exists: nothing is started until it is removed"
    return _answer(facts, DecisionVerdict.HOLD, Reason.KILL_SWITCH, text, KILL_RETRY_SECONDS)


def cannot_check(facts: Facts, _policy: Policy) -> Decision | None:
    """Prometheus does not show the condition: never act on a fault that cannot be seen; soon call a person."""
    if facts.condition != "no_data":
        return None
    waited = facts.now - _held_since(facts, Reason.CANNOT_CHECK)
    if waited > CHECK_PATIENCE_SECONDS:
        text = f"Prometheus has not shown the condition for {waited:.0f} s: a person must look"
        return _answer(facts, DecisionVerdict.ESCALATE, Reason.CANNOT_CHECK, text)
    text = "Prometheus does not show the condition now: waiting"
    return _answer(facts, DecisionVerdict.HOLD, Reason.CANNOT_CHECK, text, RETRY_SECONDS)


def target_busy(facts: Facts, _policy: Policy) -> Decision | None:
    """One at a time per target; one that was cut off counts until it is verified."""
    busy = [a for a in _on_target(facts) if a.state in _RUNNING]
    busy += [a for a in _cut_off(facts) if not a.verdict]
    if not busy:
        return None
    text = f"{busy[0].remediation} is running on {busy[0].target}, or not verified yet: waiting"
    return _answer(facts, DecisionVerdict.HOLD, Reason.TARGET_BUSY, text, RETRY_SECONDS)


def cooldown(facts: Facts, _policy: Policy) -> Decision | None:
    """The target was acted on a moment ago: let that work."""
    ended = [a.finished_at or a.claimed_at for a in _on_target(facts) if a.started_at is not None]
    left = max(ended, default=float("-inf")) + facts.cooldown_seconds - facts.now
    if left <= 0:
        return None
    text = f"acted on the target less than {facts.cooldown_seconds:.0f} s ago: waiting {left:.0f} s"
    return _answer(facts, DecisionVerdict.HOLD, Reason.COOLDOWN, text, min(left, facts.cooldown_seconds))


def rate_action(facts: Facts, policy: Policy) -> Decision | None:
    """Too many runs of this remediation in the last hour, on whatever targets."""
    name = facts.plan.remediation if facts.plan else ""
    runs = [a.claimed_at for a in _last_hour(facts) if a.remediation == name]
    return _rate(facts, Reason.RATE_ACTION, runs, policy.per_remediation_and_hour, f"runs of {name}")


def rate_total(facts: Facts, policy: Policy) -> Decision | None:
    """Too many runs of anything in the last hour."""
    runs = [a.claimed_at for a in _last_hour(facts)]
    return _rate(facts, Reason.RATE_TOTAL, runs, policy.total_per_hour, "actions")


RULES: tuple[Rule, ...] = (
    monitoring_disabled,
    resolved,
    no_playbook,
    observe_mode,
    recovered,
    strikes,
    outcome_unknown,
    inconclusive,
    unplannable,
    recommend_mode,
    needs_trust,
    remediation_disabled,
    kill_switch,
    cannot_check,
    target_busy,
    cooldown,
    rate_action,
    rate_total,
)


def strike_count(facts: Facts, policy: Policy) -> int:
    """Verified failures of the planned (remediation, target) within the window."""
    if facts.plan is None:
        return 0
    since = facts.now - policy.strike_window_seconds
    same = [a for a in _on_target(facts) if a.remediation == facts.plan.remediation and a.claimed_at > since]
    return sum(a.verdict == "not_fixed" for a in same)


def _rate(facts: Facts, reason: Reason, runs: list[float], limit: int, what: str) -> Decision | None:
    if len(runs) < limit:
        return None
    wait = sorted(runs)[-limit] + HOUR - facts.now
    text = f"{len(runs)} {what} within an hour, the limit is {limit}: waiting {wait:.0f} s"
    return _answer(facts, DecisionVerdict.HOLD, reason, text, min(wait, HOUR))


def _on_target(facts: Facts) -> list[Attempt]:
    target = facts.plan.target if facts.plan else ""
    return [attempt for attempt in facts.attempts if attempt.target == target]


def _cut_off(facts: Facts) -> list[Attempt]:
    """Attempts like the planned one whose end nobody saw, unless repeating it does no harm."""
    if facts.idempotent or facts.plan is None:
        return []
    alike = [a for a in _on_target(facts) if a.remediation == facts.plan.remediation]
    known = [*alike, *([facts.last_attempt] if facts.last_attempt else [])]
    return [a for a in known if a.state == "unknown"]


def _is_own(facts: Facts, attempt: Attempt) -> bool:
    return facts.last_attempt is not None and attempt.id == facts.last_attempt.id


def _last_hour(facts: Facts) -> list[Attempt]:
    return [attempt for attempt in facts.attempts if attempt.claimed_at > facts.now - HOUR]


def _verified(facts: Facts, value: str) -> bool:
    return facts.last_verdict is not None and facts.last_verdict.value == value


def _summary(facts: Facts) -> str:
    return facts.plan.summary if facts.plan else facts.unplannable
