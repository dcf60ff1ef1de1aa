from collections.abc import Iterator
from itertools import pairwise

import pytest

from exporter.probing.attempt import Attempt, ProbeFailed
from exporter.probing.engine import Task
from exporter.probing.modules import Module
from exporter.probing.resolving import Resolver
from exporter.probing.run import Run
from exporter.probing.schedule import Schedule, Slot, first_due
from exporter.probing.targets import Wanted
from tests.exporter.doubles import Clock, Until

MODULE = Module("http")


def quick(run: Run) -> Task[None]:
    """A plan that succeeds at once."""
    run.enter("resolve")
    return
    yield


def failing(run: Run) -> Task[None]:
    """A plan that fails at once."""
    run.enter("resolve")
    raise ProbeFailed("resolve", "no such name")
    yield


def hanging(run: Run) -> Task[None]:
    """A plan that never ends by itself."""
    run.enter("connect")
    while True:
        yield None


def target(name: str, plan: object = quick, interval: float = 10, timeout: float = 5) -> Wanted:
    """A target whose probe is *plan*."""
    return Wanted(name, "m", MODULE, plan, interval, timeout)  # type: ignore[arg-type]


class Bench:
    """A schedule whose clock the test moves; it never waits."""

    def __init__(self, clock: Clock, most: int = 10) -> None:
        self.clock = clock
        self.ran: list[tuple[str, str, float]] = []
        self.schedule = Schedule(Resolver(), most, self.note, (clock, clock))
        self.schedule._until_next = lambda: 0.0  # type: ignore[method-assign]

    def note(self, slot: Slot, attempt: Attempt) -> None:
        """Write down what ended."""
        self.ran.append((slot.wanted.target, attempt.reason, self.clock.now))

    def order(self, *wanted: Wanted) -> None:
        """Give the schedule its targets without starting its thread."""
        self.schedule._ordered = wanted
        self.schedule.turn()

    def play(self, seconds: float, step: float = 1) -> None:
        """Let time go by."""
        for _ in range(int(seconds / step)):
            self.clock.now += step
            self.schedule.turn()


@pytest.fixture
def bench(clock: Clock) -> Iterator[Bench]:
    """A schedule at 1000 s."""
    it = Bench(clock)
    yield it
    it.schedule.close()


def test_schedule_runs_every_target_once_an_interval(bench: Bench) -> None:
    """Over ten intervals each target runs ten times, evenly apart."""
    bench.order(target("a"), target("b", interval=20))
    bench.play(100)
    times = [at for name, _, at in bench.ran if name == "a"]
    assert len(times) == 10
    assert {after - before for before, after in pairwise(times)} == {10}
    assert sum(name == "b" for name, *_ in bench.ran) == 5


def test_first_due_spreads_targets_and_stays() -> None:
    """1,000 targets fill every tenth of the interval; the place does not depend on when it is asked for."""
    dues = [first_due(target(str(number)), 1000.0) - 1000 for number in range(1000)]
    assert all(60 <= sum(tenth <= due < tenth + 1 for due in dues) <= 140 for tenth in range(10))
    again = [first_due(target(str(number)), 1010.0) - 1010 for number in range(1000)]
    assert again == pytest.approx(dues)


def test_schedule_hanging_target_delays_no_other(bench: Bench) -> None:
    """A target that never answers ends by its timeout, and the others run on time."""
    bench.order(target("hangs", hanging), target("a"))
    bench.play(30)
    assert [reason for name, reason, _ in bench.ran if name == "hangs"][:2] == ["timeout", "timeout"]
    assert sum(name == "a" for name, *_ in bench.ran) == 3


def test_schedule_runs_no_more_than_it_may(clock: Clock) -> None:
    """With one place, hanging targets run one after the other, and the late starts are counted."""
    bench = Bench(clock, most=1)
    bench.order(*(target(str(number), hanging) for number in range(4)))
    bench.play(9)
    assert len(bench.ran) <= 2
    bench.play(30)
    assert bench.schedule.delayed > 0
    bench.schedule.close()


def test_schedule_keeps_what_stays_and_drops_what_goes(bench: Bench) -> None:
    """New orders leave a known target's counts alone, and end those of a removed one."""
    bench.order(target("stays"), target("goes"))
    bench.play(20)
    bench.order(target("stays"), target("comes"))
    bench.ran.clear()
    bench.play(20)
    assert {name for name, *_ in bench.ran} == {"stays", "comes"}
    assert bench.schedule.slots["stays", "m"].runs == 4


def test_schedule_counts_failures_and_tells_the_listener(bench: Bench) -> None:
    """A failing target's runs and failures are counted, its last run is kept."""
    bench.order(target("bad", failing))
    bench.play(30)
    slot = bench.schedule.slots["bad", "m"]
    assert (slot.runs, slot.failures) == (3, 3)
    assert slot.last is not None
    assert slot.last.reason == "resolve"


def test_schedule_logs_changes_only(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """A target that stays down is told of once, not at every run."""
    bench.order(target("bad", failing))
    bench.play(50)
    assert sum("target is down" in record.getMessage() for record in caplog.records) == 1


def test_schedule_thread_ends_with_it(until: Until) -> None:
    """The real thread runs targets, takes new orders while it waits, and ends when told."""
    ran: list[str] = []
    schedule = Schedule(Resolver(), 10, lambda slot, _: ran.append(slot.wanted.target))
    schedule.replace([target("a", interval=0.1, timeout=0.1)])
    until(lambda: "a" in ran)
    schedule.replace([target("b", interval=0.1, timeout=0.1)])
    until(lambda: "b" in ran)
    schedule.close()
    schedule.close()
    assert schedule._thread is not None
    until(lambda: not schedule._thread.is_alive())  # type: ignore[union-attr]
