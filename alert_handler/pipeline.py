"""What happens to an incident, in order. This list is the product.

    triage     how bad, what kind, whose
    diagnose   evidence and the probable cause
    decide     may Nightshift act? pure policy
    act        run the remediation, at most once
    verify     ask Prometheus whether it is fixed
    notify     tell people
    learn      count what worked; close, wait, or ask the policy again

A stage takes a case and gives it back grown. Unless it says otherwise the next stage follows; it may name another
one, ask to be run again later (`stage` its own name, `due_at`), or end the round (`stage` None). Whatever it gives is
one commit, so the timeline is the table of transitions and a crash resumes at the next stage.
"""

from collections.abc import Callable, Mapping

from alert_handler.model import Case

Stage = Callable[[Case], Case]

STAGES = ("triage", "diagnose", "decide", "act", "verify", "notify", "learn")

_FOLLOWING: dict[str, str | None] = dict(zip(STAGES, (*STAGES[1:], None), strict=True))


class Pipeline:
    """The stages by name, each built with the tools that it needs."""

    def __init__(self, stages: Mapping[str, Stage]) -> None:
        if set(stages) != set(STAGES):
            raise ValueError(f"the pipeline needs exactly {STAGES}")
        self._stages = dict(stages)

    def step(self, case: Case) -> Case:
        """The case after its next stage, with the stage after that set."""
        name = case.stage or STAGES[0]
        return self._stages[name](case.evolve(stage=_FOLLOWING[name], due_at=0.0, note=None, messages=()))
