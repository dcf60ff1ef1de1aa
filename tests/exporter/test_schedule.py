import threading
from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.sampler import Source
from exporter.schedule import Agenda, Schedule
from tests.exporter.doubles import Clock, Until

DUES = st.lists(st.floats(0, 100), max_size=30)


def source(name: str, take: Callable[[], object] = lambda: None, interval: float = 3600) -> Source[object]:
    """A source that is asked once in the life of a test."""
    return Source(name, take, lambda _: interval)


@pytest.fixture
def schedule() -> Iterator[Schedule]:
    """A schedule of three workers."""
    it = Schedule("test", 3)
    yield it
    it.close()


@settings(deadline=None, max_examples=50)
@given(DUES)
def test_take_gives_what_is_due_in_order(dues: list[float]) -> None:
    """Sources come in the order of their times, equal ones in the order in which they were put down."""
    agenda = Agenda()
    for number, due in enumerate(dues):
        agenda.put(source(str(number)), due)
    taken = [int(found.name) for found in iter(lambda: agenda.take(100), None)]
    assert taken == sorted(range(len(dues)), key=lambda number: dues[number])


def test_take_nothing_before_its_time() -> None:
    """A source is given when it is due, not earlier; until then the agenda says how long."""
    agenda = Agenda()
    agenda.put(source("a"), 1010)
    assert agenda.take(1009.9) is None
    assert agenda.wait(1000) == 10
    assert agenda.late(1012) == 2
    assert agenda.take(1010) is not None


def test_put_says_who_is_first() -> None:
    """Only a source that is due before all others is reason to look at the clock anew."""
    agenda = Agenda()
    assert [agenda.put(source("x"), due) for due in (5.0, 6.0, 4.0, 4.0)] == [True, False, True, False]


def test_start_takes_a_thousand_sources_with_few_threads(schedule: Schedule, until: Until) -> None:
    """Every source is asked, by no more threads than there may be."""
    asked: set[str] = set()
    workers: set[str] = set()

    def take(name: str) -> None:
        workers.add(threading.current_thread().name)
        asked.add(name)

    for number in range(1000):
        schedule.start(source(str(number), lambda name=str(number): take(name)))  # type: ignore[misc]
    until(lambda: len(asked) == 1000)
    assert len(workers) <= 3


def test_start_hires_no_more_threads_than_are_occupied(schedule: Schedule, until: Until) -> None:
    """Sources that answer one after the other leave the second thread watching the clock, and no third."""
    for number in range(20):
        first = source(str(number))
        schedule.start(first)
        until(first.first.is_set)
    assert len(schedule._threads) <= 2


def test_start_hung_source_delays_no_other(schedule: Schedule, until: Until) -> None:
    """While a worker hangs the others go on."""
    let_go = threading.Event()
    schedule.start(source("hung", let_go.wait))
    quick = [source(str(number)) for number in range(5)]
    for one in quick:
        schedule.start(one)
    until(lambda: all(one.first.is_set() for one in quick))
    let_go.set()


def test_late_tells_that_every_worker_hangs(until: Until) -> None:
    """A source that waits for a worker makes the schedule late, by the clock."""
    clock = Clock()
    schedule = Schedule("test", 1, clock)
    entered, let_go = threading.Event(), threading.Event()
    schedule.start(source("hung", lambda: (entered.set(), let_go.wait())))
    until(entered.is_set)
    waiting = source("waiting")
    schedule.start(waiting)
    clock.now += 7
    assert schedule.late() == 7
    let_go.set()
    until(waiting.first.is_set)
    assert schedule.close()


def test_start_asks_again_after_the_interval(schedule: Schedule, until: Until) -> None:
    """A source whose interval is nothing is asked again and again."""
    turns: list[int] = []
    schedule.start(source("again", lambda: turns.append(1), interval=0))
    until(lambda: len(turns) > 5)


def test_start_earlier_source_wakes_who_watches(schedule: Schedule, until: Until) -> None:
    """A source that comes while the clock is watched for one that is due in an hour is asked at once."""
    for name in ("hourly", "new"):
        one = source(name)
        schedule.start(one)
        until(one.first.is_set)


def test_start_spreads_sources_over_their_interval(until: Until) -> None:
    """A hundred sources that were asked at once are due evenly from then on: no tenth of an interval is crowded."""
    clock = Clock()
    schedule = Schedule("spread", 2, clock)
    sources = [source(str(number), interval=100) for number in range(100)]
    for one in sources:
        schedule.start(one)
    until(lambda: len(schedule._agenda._heap) == 100 and all(one.first.is_set() for one in sources))
    dues = [due - 1000 for due, _, _ in schedule._agenda._heap]
    schedule.close()
    assert min(dues) >= 50
    assert max(dues) <= 150
    assert max(sum(low <= due < low + 10 for due in dues) for low in range(50, 150, 10)) <= 12


def test_settle_waits_for_first_turns(schedule: Schedule) -> None:
    """After settling every quick source has a sample."""
    found = [source(str(number), lambda: 1) for number in range(9)]
    for one in found:
        schedule.start(one)
    schedule.settle()
    assert all(one.sample is not None for one in found)


def test_close_ends_every_thread(until: Until) -> None:
    """After closing no thread is left, and a second time changes nothing."""
    schedule = Schedule("ended", 4)
    for number in range(8):
        schedule.start(source(str(number)))
    assert schedule.close()
    assert schedule.close()
    until(lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("source ended")])
