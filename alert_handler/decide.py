"""Stage decide: gathers the facts just now and asks the policy.

The facts are the plan (what exactly would be run), the condition (is the fault still there, asked of Prometheus less
than two seconds before an action), the switches, and every attempt of the last hour.
"""

from collections.abc import Mapping

import msgspec

from alert_handler.clock import Clock
from alert_handler.errors import RemediationRefused
from alert_handler.metrics import Metrics
from alert_handler.model import Case, Decision, DecisionVerdict, Labels, Mode, Note, Plan
from alert_handler.playbooks import Playbook, fill_all, first_match
from alert_handler.policy import HOUR, Facts, Policy, decide, told_late
from alert_handler.remediation import Remediation
from alert_handler.store.attempts import Attempts
from alert_handler.switches import Switches
from alert_handler.verify import Conditions

_MODES = (Mode.OBSERVE, Mode.RECOMMEND, Mode.ACT)


class Rulebook(msgspec.Struct, frozen=True):
    """What the decision is made by: the mode, the policy's numbers, the playbooks, the kinds that they name."""

    mode: Mode
    policy: Policy
    playbooks: tuple[Playbook, ...]
    remediations: Mapping[str, Remediation]
    switches: Switches


class DecideStage:
    """Asks the policy about one case."""

    def __init__(
        self, rulebook: Rulebook, attempts: Attempts, conditions: Conditions, metrics: Metrics, clock: Clock
    ) -> None:
        self._rulebook = rulebook
        self._attempts = attempts
        self._conditions = conditions
        self._metrics = metrics
        self._clock = clock

    def __call__(self, case: Case) -> Case:
        """The case with its decision: on to act, again later, or straight to notify."""
        newest = self._attempts.list(limit=1)
        facts = self._facts(case)
        decision = decide(facts, self._rulebook.policy).evolve(newest_attempt=newest[0].id if newest else 0)
        repeated = _same(decision, case.decision)
        if not repeated:
            self._metrics.decisions.labels(decision.verdict, decision.reason).inc()
        note = None if repeated else Note(outcome=f"{decision.verdict}:{decision.reason}", text=decision.text)
        decided = case.evolve(decision=decision, note=note)
        if decision.verdict is DecisionVerdict.HOLD:
            if told_late(decision, case.decision):
                return decided.evolve(stage="notify")
            return decided.evolve(stage="decide", due_at=decision.retry_at)
        if decision.verdict is DecisionVerdict.ACT:
            return decided
        if decision.verdict is DecisionVerdict.ESCALATE:
            self._metrics.escalations.labels(decision.reason).inc()
            decided = decided.evolve(verdict=None)
        return decided.evolve(stage="notify")

    def _facts(self, case: Case) -> Facts:
        rulebook, labels = self._rulebook, case.incident.labels
        playbook = first_match(rulebook.playbooks, labels)
        facts = Facts(
            now=self._clock(),
            mode=rulebook.mode,
            switches=rulebook.switches.read(),
            resolved=case.incident.status == "resolved",
            attempts=self._attempts.since(self._clock() - max(HOUR, rulebook.policy.strike_window_seconds)),
            last_attempt=case.attempt,
            last_verdict=case.verdict,
            before=case.decision,
        )
        return facts if playbook is None else self._with_playbook(facts, playbook, labels)

    def _with_playbook(self, facts: Facts, playbook: Playbook, labels: Labels) -> Facts:
        remediation = self._rulebook.remediations[playbook.remediation]
        plan, problem = plan_for(playbook, remediation, labels)
        condition, _ = self._conditions.look(playbook.verify, labels)
        return msgspec.structs.replace(
            facts,
            now=self._clock(),
            playbook=playbook.name,
            remediation=playbook.remediation,
            mode=min(facts.mode, playbook.mode, key=_MODES.index),
            cooldown_seconds=playbook.cooldown_seconds,
            risk=plan.risk if plan else remediation.risk,
            idempotent=remediation.idempotent,
            plan=plan,
            unplannable=problem,
            condition=condition,
        )


def plan_for(playbook: Playbook, remediation: Remediation, labels: Labels) -> tuple[Plan | None, str]:
    """What *playbook* would do about an alert with *labels*, or None and why it cannot say."""
    try:
        params = msgspec.convert(fill_all(playbook.params, labels), remediation.Params)
        return remediation.plan(params), ""
    except (RemediationRefused, msgspec.ValidationError) as error:
        return None, f"playbook {playbook.name}: {error}"


def _same(decision: Decision, before: Decision | None) -> bool:
    """Whether *before* said the same: a hold that goes on is told and counted once."""
    return (
        before is not None
        and (decision.verdict, decision.reason) == (before.verdict, before.reason)
        and (decision.verdict is DecisionVerdict.HOLD)
    )
