import math
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from alert_handler import diagnose
from alert_handler.diagnose import DiagnoseStage, probable_cause
from alert_handler.errors import PrometheusUnavailable
from alert_handler.model import Diagnosis, Evidence, Findings, Incident
from tests.alert_handler.doubles import NOW, FakeClock, case

Look = Callable[[Incident, float], list[Evidence]]


class Scripted:
    """A diagnoser that does what it was told."""

    def __init__(self, look: Look) -> None:
        self.look = look


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    """Threads for the diagnosers."""
    with ThreadPoolExecutor(max_workers=4) as threads:
        yield threads


def full(what: str, ratio: float = 0.95) -> Evidence:
    """A resource that is nearly used up."""
    return Evidence(source="saturation", text=f"{what} is full", value=ratio)


def run(pool: ThreadPoolExecutor, **looks: Look) -> Diagnosis:
    """The diagnosis by diagnosers with these looks."""
    diagnosers = {name: Scripted(look) for name, look in looks.items()}
    after = DiagnoseStage(diagnosers, pool, FakeClock())(case())  # type: ignore[arg-type]
    assert after.diagnosis is not None
    assert after.note is not None
    return after.diagnosis


def failing(error: Exception) -> Look:
    """A look that raises."""

    def look(_incident: Incident, _now: float) -> list[Evidence]:
        raise error

    return look


def test_evidence_of_all_diagnosers_is_gathered(pool: ThreadPoolExecutor) -> None:
    """Side by side, in the order of their names' configuration."""
    found = run(pool, b=lambda _i, _n: [full("disk")], a=lambda _i, now: [Evidence(source="x", text=f"{now:.0f}")])
    assert [evidence.text for evidence in found.evidence] == ["disk is full", f"{NOW:.0f}"]
    assert (found.missing, found.probable_cause) == ((), "disk is full")


@pytest.mark.parametrize("error", [PrometheusUnavailable("gone"), KeyError("bug"), RecursionError()])
def test_diagnoser_that_raises_is_missing_and_holds_nothing_up(pool: ThreadPoolExecutor, error: Exception) -> None:
    """An expected failure or a mistake in a diagnoser: the repair does not wait for understanding."""
    found = run(pool, bad=failing(error), good=lambda _i, _n: [full("disk")])
    assert (found.missing, len(found.evidence)) == (("bad",), 1)


def test_late_diagnoser_is_missing(pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that hangs costs the deadline, once."""
    monkeypatch.setattr(diagnose, "DEADLINE_SECONDS", 0.01)
    released = threading.Event()

    def hang(_incident: Incident, _now: float) -> list[Evidence]:
        released.wait(10)
        return []

    found = run(pool, slow=hang, good=lambda _i, _n: [])
    released.set()
    assert found.missing == ("slow",)


def test_note_names_what_is_missing_and_the_cause(pool: ThreadPoolExecutor) -> None:
    """The timeline says how much is known."""
    diagnosers = {"bad": Scripted(failing(PrometheusUnavailable("x"))), "good": Scripted(lambda _i, _n: [full("disk")])}
    note = DiagnoseStage(diagnosers, pool, FakeClock())(case()).note  # type: ignore[arg-type]
    assert note is not None
    assert note.outcome == "cause"
    assert note.text == "1 pieces of evidence; probable cause: disk is full; no answer from bad"


@pytest.mark.parametrize(
    ("evidence", "cause"),
    [
        ((), ""),
        ((full("disk"),), "disk is full"),
        ((full("disk", 0.89),), ""),
        ((full("disk"), full("memory", 0.5)), "disk is full"),
        ((full("disk"), full("memory")), ""),
        ((Evidence(source="history", text="x", value=1.0),), ""),
        ((Evidence(source="saturation", text="x"),), ""),
    ],
)
def test_cause_is_named_only_when_one_resource_stands_out(evidence: tuple[Evidence, ...], cause: str) -> None:
    """Better silent than wrong."""
    assert probable_cause(Diagnosis(evidence=evidence)) == cause


def test_evidence_that_json_cannot_say_is_left_out(pool: ThreadPoolExecutor) -> None:
    """NaN and infinity would be stored as null, and no incident could be claimed any more because of this one."""
    points = ((1.0, math.nan), (2.0, 0.5), (3.0, math.inf))
    found = run(pool, x=lambda _i, _n: [Evidence(source="x", text="y", value=math.nan, series=points)])
    stored = msgspec.json.decode(msgspec.json.encode(Findings(diagnosis=found)), type=Findings)
    assert stored.diagnosis is not None
    assert (stored.diagnosis.evidence[0].value, stored.diagnosis.evidence[0].series) == (None, ((2.0, 0.5),))


def test_no_diagnoser_is_no_evidence(pool: ThreadPoolExecutor) -> None:
    """The stage passes at once."""
    assert run(pool) == Diagnosis()
