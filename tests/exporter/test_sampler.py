import threading
from collections.abc import Iterator

import pytest

from exporter.sampler import Sampler, Source
from tests.exporter.doubles import Clock, Until


@pytest.fixture
def sampler() -> Iterator[Sampler]:
    """A sampler that is closed after the test."""
    it = Sampler()
    yield it
    it.close()


def test_turn_keeps_the_answer_and_when_it_came(clock: Clock) -> None:
    """The last good sample is kept with its time, and grows older."""
    source = Source("s", lambda: 7, lambda _: 30.0, clock)
    assert source.age() == float("inf")
    source.turn()
    clock.now += 12
    assert (source.sample.value, source.sample.taken, source.age()) == (7, 1000.0, 12.0)


def test_turn_interval_follows_the_answer() -> None:
    """The wait before the next turn depends on what the source said."""
    answers = iter(["well", "ill"])
    source = Source("s", lambda: next(answers), lambda value: 30.0 if value == "well" else 10.0)
    assert [source.turn(), source.turn()] == [30.0, 10.0]


def test_turn_of_a_raising_source_keeps_the_last_good_sample(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """A source that raises is asked again soon, its last good sample stays, and the log says why."""
    answers = iter([1])
    source = Source("s", lambda: next(answers), lambda _: 30.0, clock, retry_seconds=3.0)
    source.turn()
    assert source.turn() == 3.0
    assert source.sample.value == 1
    assert "source failed: StopIteration" in caplog.text


def test_busy_tells_how_long_a_question_waits(clock: Clock) -> None:
    """While a question is open its waiting time is known, afterwards it is 0."""
    seen = []

    def take() -> None:
        clock.now += 5
        seen.append(source.busy())

    source = Source("s", take, lambda _: 1.0, clock)
    source.turn()
    assert (seen, source.busy()) == ([5.0], 0.0)


def test_first_is_set_by_failure_too() -> None:
    """Whoever waits for the first answer does not wait for a source that cannot give one."""
    source = Source("s", lambda: 1 / 0, lambda _: 1.0)
    source.turn()
    assert source.first.is_set()
    assert source.sample is None


def test_sampler_slow_source_delays_no_other(sampler: Sampler, until: Until) -> None:
    """While one source hangs another takes its turns."""
    let_go, turns = threading.Event(), []
    sampler.start(Source("slow", let_go.wait, lambda _: 1.0))
    sampler.start(Source("quick", lambda: turns.append(1), lambda _: 0.001))
    until(lambda: len(turns) > 3)
    let_go.set()


def test_sampler_settle_waits_for_first_answers_only(
    sampler: Sampler, monkeypatch: pytest.MonkeyPatch, until: Until
) -> None:
    """The first scrape has what answers at once; a source that hangs is waited for once, and not for long."""
    monkeypatch.setattr(sampler, "_settled_by", 0.0)
    let_go = threading.Event()
    slow = sampler.start(Source("slow", let_go.wait, lambda _: 1.0))
    sampler.settle()
    assert slow.sample is None
    let_go.set()
    until(slow.first.is_set)
    monkeypatch.setattr(sampler, "_settled_by", float("inf"))
    sampler.settle()
    assert slow.sample is not None


def test_sampler_close_ends_every_thread(sampler: Sampler, until: Until) -> None:
    """After the end no thread of the sampler is left, even in the middle of a long wait."""
    source = sampler.start(Source("s", lambda: 1, lambda _: 3600.0))
    until(source.first.is_set)
    assert sampler.close(5)
    assert "source s" not in [thread.name for thread in threading.enumerate()]


def test_sampler_close_does_not_wait_for_a_hung_source(sampler: Sampler) -> None:
    """A source that hangs does not keep the process from ending, and is told."""
    let_go = threading.Event()
    sampler.start(Source("slow", let_go.wait, lambda _: 1.0))
    assert not sampler.close(0.01)
    let_go.set()
