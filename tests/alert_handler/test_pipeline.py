import pytest

from alert_handler.model import Case, Note
from alert_handler.pipeline import STAGES, Pipeline
from tests.alert_handler.doubles import case


def passing(case: Case) -> Case:
    """A stage that has nothing to say."""
    return case


def test_stages_follow_each_other_in_order() -> None:
    """From triage to rest, one step at a time."""
    pipeline = Pipeline(dict.fromkeys(STAGES, passing))
    seen, current = [], case()
    while current.stage is not None:
        seen.append(current.stage)
        current = pipeline.step(current)
    assert tuple(seen) == STAGES


def test_stage_may_name_its_successor() -> None:
    """What a stage says goes before the order."""
    back = {**dict.fromkeys(STAGES, passing), "learn": lambda c: c.evolve(stage="decide", due_at=5.0)}
    after = Pipeline(back).step(case(stage="learn"))
    assert (after.stage, after.due_at) == ("decide", 5.0)


def test_notes_and_waits_of_the_last_stage_are_not_repeated() -> None:
    """Each stage begins without the last one's note, messages and due time."""
    dirty = case(note=Note(outcome="x", text="y"), due_at=9.0)
    after = Pipeline(dict.fromkeys(STAGES, passing)).step(dirty)
    assert (after.note, after.messages, after.due_at) == (None, (), 0.0)


@pytest.mark.parametrize("wrong", [STAGES[:-1], (*STAGES, "more")])
def test_pipeline_needs_exactly_its_stages(wrong: tuple[str, ...]) -> None:
    """A missing or an extra stage is a mistake at the start, not at night."""
    with pytest.raises(ValueError, match="exactly"):
        Pipeline(dict.fromkeys(wrong, passing))


def test_unknown_stage_of_another_version_raises() -> None:
    """The worker turns this into a retry with a line in the timeline."""
    with pytest.raises(KeyError):
        Pipeline(dict.fromkeys(STAGES, passing)).step(case(stage="approve"))
