import logging
import threading
from collections.abc import Callable

import pytest

from alert_handler.errors import StoreUnavailable
from alert_handler.metrics import Metrics
from alert_handler.model import Case, Note
from alert_handler.pipeline import STAGES, Pipeline
from alert_handler.store.incidents import Incidents
from alert_handler.store.sqlite import Database
from alert_handler.worker import IDLE_SECONDS, RETRY_SECONDS, Bell, Worker
from tests.alert_handler.doubles import FakeClock, fill_up, make_room, stored_incident


class Line:
    """A worker over stages that note that they ran; a test replaces one of them."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        self.database = database
        self.clock = clock
        self.metrics = Metrics()
        self.incidents = Incidents(database)
        self.ran: list[tuple[int, str]] = []
        self.stages: dict[str, Callable[[Case], Case]] = {}
        steps = {name: self._stage(name) for name in STAGES}
        self.worker = Worker(self.incidents, Pipeline(steps), self.metrics, clock)

    def _stage(self, name: str) -> Callable[[Case], Case]:
        def run(case: Case) -> Case:
            self.ran.append((case.incident.id, name))
            noted = case.evolve(note=Note(outcome="ok", text=name))
            return self.stages.get(name, lambda same: same)(noted)

        return run

    def works(self) -> list[str]:
        """Turn until there is nothing to do; the stages that ran."""
        self.ran.clear()
        while self.worker.turn():
            pass
        return [name for _, name in self.ran]

    def notes(self, incident: int = 1) -> list[str]:
        """The outcomes in the timeline."""
        return [transition.outcome for transition in self.incidents.timeline(incident)]


@pytest.fixture
def line(database: Database, clock: FakeClock) -> Line:
    """A worker with one incident before it."""
    line = Line(database, clock)
    stored_incident(database)
    return line


def raising(error: Exception) -> Callable[[Case], Case]:
    """A stage that raises."""

    def run(_case: Case) -> Case:
        raise error

    return run


def test_turn_takes_an_incident_through_all_stages(line: Line) -> None:
    """Each stage is one commit and one line of the timeline; then it rests."""
    assert line.works() == list(STAGES)
    assert line.notes() == ["ok"] * len(STAGES)
    assert line.worker.turn() is False


def test_turn_waits_where_a_stage_says_so(line: Line) -> None:
    """A stage that wants to be run again later gets its time, to the second."""
    line.stages["verify"] = lambda case: case.evolve(stage="verify", due_at=line.clock() + 5)
    assert line.works() == ["triage", "diagnose", "decide", "act", "verify"]
    del line.stages["verify"]
    assert line.worker.next_due_in() == IDLE_SECONDS
    line.clock.advance(4.5)
    assert line.works() == []
    assert line.worker.next_due_in() == 0.5
    line.clock.advance(0.5)
    assert line.works() == ["verify", "notify", "learn"]


def test_turn_raising_stage_is_retried_and_stops_nobody(line: Line, database: Database) -> None:
    """One incident that raises waits; the next one is served; later it is tried again at the same stage."""
    stored_incident(database, {"alertname": "Other"})
    line.stages["decide"] = lambda case: raising(ValueError("odd"))(case) if case.incident.id == 1 else case
    line.works()
    assert (line.notes(1), line.notes(2)) == (["ok", "ok", "error"], ["ok"] * len(STAGES))
    line.clock.advance(RETRY_SECONDS)
    line.stages.clear()
    assert line.works()[0] == "decide"


def test_turn_raising_stage_is_told_in_timeline_and_metric(line: Line, caplog: pytest.LogCaptureFixture) -> None:
    """The timeline says what was raised, when it was, and when it is tried again."""
    # The report of a test under xdist cannot carry the lone surrogate that the log line would bring into it.
    caplog.set_level(logging.CRITICAL, "alert_handler.worker")
    line.stages["triage"] = raising(ValueError("odd \ud800 \x1b[31m"))
    line.works()
    [told] = line.incidents.timeline(1)
    assert (told.at, told.text) == (line.clock(), r"triage: ValueError: odd \ud800 \x1b[31m; again in 10 s")
    assert line.metrics.registry.get_sample_value("nightshift_stage_failures_total", {"stage": "triage"}) == 1


def test_turn_result_that_cannot_be_stored_is_like_a_stage_that_raises(line: Line) -> None:
    """A file name that is no UTF-8 in a stage's text must not strand the incident with its claim."""
    line.stages["triage"] = lambda case: case.evolve(note=Note(outcome="ok", text="file \udcff"))
    line.works()
    line.stages.clear()
    line.clock.advance(RETRY_SECONDS)
    assert line.works() == list(STAGES)


@pytest.mark.parametrize("stage", STAGES)
def test_turn_store_that_fails_in_the_middle_is_resumed_without_a_restart(
    line: Line, database: Database, stage: str
) -> None:
    """R14: the disk is full when a stage wants to be saved; with room again the stage is run again and all goes on."""

    def full(case: Case) -> Case:
        fill_up(database)
        return case.evolve(note=Note(outcome="ok", text="x" * 100_000))

    line.stages[stage] = full
    with pytest.raises(StoreUnavailable):
        line.works()
    with pytest.raises(StoreUnavailable):
        line.works()
    line.stages.clear()
    make_room(database)
    assert line.works() == list(STAGES[STAGES.index(stage) :])


def test_turn_store_that_fails_at_the_claim_holds_nothing(line: Line, database: Database) -> None:
    """A claim that was not committed is no claim."""
    fill_up(database)
    database._connection().execute("PRAGMA query_only = ON")
    with pytest.raises(StoreUnavailable):
        line.worker.turn()
    database._connection().execute("PRAGMA query_only = OFF")
    make_room(database)
    assert line.works() == list(STAGES)


def test_stop_finishes_the_stage_and_starts_no_other(line: Line) -> None:
    """R19: what runs is saved; the act that was about to follow is left for the next start."""
    line.stages["decide"] = lambda case: (line.worker.stop(), case)[1]
    assert line.works() == ["triage", "diagnose", "decide"]
    case = line.incidents.get(1)
    assert case is not None
    assert case.stage == "act"
    successor = Line(line.database, line.clock)
    assert successor.works() == ["act", "verify", "notify", "learn"]


def test_crash_in_a_stage_is_resumed_at_that_stage(line: Line) -> None:
    """A process that dies leaves its claim; the next start takes it back and runs the stage again."""
    line.stages["verify"] = raising(KeyboardInterrupt())  # type: ignore[arg-type]
    with pytest.raises(KeyboardInterrupt):
        line.works()
    successor = Line(line.database, line.clock)
    assert successor.works() == []
    assert successor.incidents.release_all() == 1
    assert successor.works() == ["verify", "notify", "learn"]


def test_next_due_in_is_within_an_idle_second(line: Line) -> None:
    """Something due is 0, nothing to do is one idle second."""
    assert line.worker.next_due_in() == 0.0
    line.works()
    assert line.worker.next_due_in() == IDLE_SECONDS


def test_turn_of_many_workers_runs_each_stage_once(line: Line, database: Database) -> None:
    """Workers share incidents without ever doing one twice."""
    for number in range(10):
        stored_incident(database, {"n": str(number)})
    threads = [threading.Thread(target=lambda: [None for _ in iter(line.worker.turn, False)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(line.ran) == sorted((incident, name) for incident in range(1, 12) for name in STAGES)


def test_bell_rung_between_look_and_wait_is_not_missed() -> None:
    """Whoever read the count before looking for work does not sleep through a ring since."""
    bell = Bell()
    rung = bell.rung
    bell.ring()
    bell.wait(rung, 3600.0)
    assert bell.rung == rung + 1


def test_bell_wakes_everybody_who_waits() -> None:
    """One ring, all workers."""
    bell = Bell()
    threads = [threading.Thread(target=bell.wait, args=(bell.rung, 3600.0)) for _ in range(3)]
    for thread in threads:
        thread.start()
    bell.ring()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
