import logging
import threading
from collections.abc import Iterator

import pytest
from prometheus_client.core import GaugeMetricFamily

from exporter.errors import SourceUnavailable
from exporter.families import Family, Metric
from exporter.registry import Registry, Runner
from tests.exporter.doubles import Clock, Shown, Until

A = Metric("a", "gauge", "A.")
B = Metric("b", "gauge", "B.")


class Steady:
    """A collector that always answers."""

    closed = False

    def __init__(self, metric: Metric = A) -> None:
        self.metric = metric

    def collect(self) -> Iterator[Family]:
        """Answer one scrape."""
        yield Family(self.metric, 1)

    def close(self) -> None:
        """Note that it was closed."""
        self.closed = True


class Failing(Steady):
    """A collector that raises what it is given, after its first family."""

    def __init__(self, error: Exception | None) -> None:
        super().__init__(B)
        self.error = error

    def collect(self) -> Iterator[Family]:
        """Answer one scrape."""
        yield Family(B, 1)
        if self.error:
            raise self.error


class Hanging(Steady):
    """A collector that hangs until it is let go."""

    def __init__(self) -> None:
        super().__init__(B)
        self.let_go = threading.Event()
        self.calls = 0

    def collect(self) -> Iterator[Family]:
        """Answer one scrape."""
        self.calls += 1
        self.let_go.wait()
        yield Family(B, 1)


class Sidestepping(Hanging):
    """A collector that can leave out the part that hangs."""

    def __init__(self) -> None:
        super().__init__()
        self.left_out = False

    def collect(self) -> Iterator[Family]:
        """Answer one scrape."""
        self.calls += 1
        if not self.left_out:
            self.let_go.wait()
        yield Family(B, 2)

    def leave_out(self) -> bool:
        """Leave the part out from now on."""
        self.left_out = True
        return True


class Quick(Steady):
    """A collector that never waits, and notes which thread calls it."""

    thread = ""

    def waits(self) -> bool:
        """Never."""
        return False

    def collect(self) -> Iterator[Family]:
        """Answer one scrape."""
        self.thread = threading.current_thread().name
        yield Family(self.metric, 1)


class Reloading(Steady):
    """A collector that is replaced in the moment between being found and being started."""

    def __init__(self, registry: Registry, *, waits: bool) -> None:
        super().__init__()
        self._registry = registry
        self._waits = waits
        self.reload = threading.Thread(target=lambda: registry.replace(set(), {"a": Steady()}))

    def waits(self) -> bool:
        """Let the reload happen now, if it may."""
        self.reload.start()
        self.reload.join(0.05)
        return self._waits


class Undecided(Quick):
    """A collector that cannot tell whether it waits."""

    def waits(self) -> bool:
        """Raise."""
        raise SourceUnavailable("no mounts")


class QuickFailing(Failing):
    """A collector that never waits, and raises."""

    def waits(self) -> bool:
        """Never."""
        return False


@pytest.fixture
def registry() -> Iterator[Registry]:
    """A registry that is closed after the test."""
    it = Registry()
    yield it
    it.close()


def test_scrape_gives_families_and_meta_metrics(registry: Registry, shown: Shown) -> None:
    """A collector's samples come with its success, duration and last success."""
    registry.replace(set(), {"a": Steady()})
    found = shown(registry.scrape(5))
    assert found["a"] == 1
    assert found['nightshift_collector_success{collector="a"}'] == 1
    assert found['nightshift_collector_last_success_timestamp_seconds{collector="a"}'] > 1e9


@pytest.mark.parametrize("error", [SourceUnavailable("gone"), ZeroDivisionError("oops")])
def test_scrape_raising_collector_costs_only_itself(registry: Registry, shown: Shown, error: Exception | None) -> None:
    """What a raising collector gave before is dropped, all others stay."""
    registry.replace(set(), {"bad": Failing(error), "good": Steady()})
    found = shown(registry.scrape(5))
    assert "b" not in found
    assert found["a"] == 1
    assert found['nightshift_collector_success{collector="bad"}'] == 0


@pytest.mark.parametrize("given", ["text", None, 7, GaugeMetricFamily("my.metric", "M.", value=1)])
def test_scrape_collector_that_gives_nonsense_costs_only_itself(
    registry: Registry, shown: Shown, given: object
) -> None:
    """What nobody can render is found in the collector's own thread, not in the scrape of all."""
    bad = Steady()
    bad.collect = lambda: [given]
    registry.replace(set(), {"bad": bad, "good": Steady(B)})
    found = shown(registry.scrape(5))
    assert found["b"] == 1
    assert found['nightshift_collector_success{collector="bad"}'] == 0


def test_scrape_takes_metrics_of_prometheus_client(registry: Registry, shown: Shown) -> None:
    """A collector written for prometheus_client yields what it always did."""
    client = Steady()
    client.collect = lambda: [GaugeMetricFamily("heat", "Heat.", value=3)]
    registry.replace(set(), {"client": client})
    assert shown(registry.scrape(5))["heat"] == 3


def test_scrape_hung_collector_costs_only_itself(registry: Registry, shown: Shown) -> None:
    """A collector that hangs is reported at the deadline, the others' samples are there."""
    hanging = Hanging()
    registry.replace(set(), {"bad": hanging, "good": Steady()})
    found = shown(registry.scrape(0.05))
    assert found["a"] == 1
    assert found['nightshift_collector_success{collector="bad"}'] == 0
    assert found['nightshift_collector_duration_seconds{collector="bad"}'] > 0
    hanging.let_go.set()


def test_scrape_never_starts_a_hung_collector_again(registry: Registry) -> None:
    """A thousand scrapes of a hung collector call it once and start no thread."""
    hanging = Hanging()
    registry.replace(set(), {"bad": hanging, "good": Steady()})
    registry.scrape(0.02)
    threads = threading.active_count()
    for _ in range(1000):
        registry.scrape(5)
    assert threading.active_count() == threads
    assert hanging.calls == 1
    hanging.let_go.set()


def test_scrape_uses_a_collector_that_came_back(registry: Registry, shown: Shown, until: Until) -> None:
    """Once a hung call has returned, the next scrape starts a new one."""
    hanging = Hanging()
    registry.replace(set(), {"bad": hanging})
    registry.scrape(0.02)
    hanging.let_go.set()
    until(lambda: shown(registry.scrape(5))['nightshift_collector_success{collector="bad"}'] == 1)


def test_scrape_goes_on_without_the_part_that_hangs(registry: Registry, shown: Shown) -> None:
    """A collector that can leave out what blocks it answers in the same scrape, from a fresh thread."""
    collector = Sidestepping()
    registry.replace(set(), {"bad": collector})
    assert shown(registry.scrape(9))["b"] == 2
    collector.let_go.set()


def test_scrape_lost_thread_changes_nothing_when_it_returns(registry: Registry, shown: Shown, until: Until) -> None:
    """The thread that was given up ends, and later scrapes are answered by the fresh one."""
    collector = Sidestepping()
    registry.replace(set(), {"bad": collector})
    registry.scrape(9)
    threads = threading.active_count()
    collector.let_go.set()
    until(lambda: threading.active_count() < threads)
    assert shown(registry.scrape(9))["b"] == 2


def test_scrape_parallel_scrapes_all_get_everything(registry: Registry, shown: Shown) -> None:
    """Scrapes at the same time share the collectors' runs and miss nothing."""
    registry.replace(set(), {"a": Steady(), "b": Steady(B)})
    results = []
    threads = [threading.Thread(target=lambda: results.append(shown(registry.scrape(5)))) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(found["a"] == 1 and found["b"] == 1 for found in results)


def test_scrape_what_never_waits_in_its_own_thread(registry: Registry, shown: Shown) -> None:
    """To wake another thread would take as long as the collector itself."""
    quick = Quick()
    registry.replace(set(), {"quick": quick})
    assert shown(registry.scrape(9))['nightshift_collector_success{collector="quick"}'] == 1
    assert quick.thread == threading.current_thread().name


def test_scrape_what_never_waits_may_raise(registry: Registry, shown: Shown) -> None:
    """It costs itself alone there too."""
    registry.replace(set(), {"bad": QuickFailing(ValueError("no")), "good": Quick()})
    found = shown(registry.scrape(9))
    assert (found["a"], found['nightshift_collector_success{collector="bad"}']) == (1, 0)


@pytest.mark.parametrize("waits", [True, False])
def test_scrape_in_the_middle_of_a_reload_misses_nothing(registry: Registry, shown: Shown, *, waits: bool) -> None:
    """A scrape gets either all of the old collectors or all of the new ones; it never asks one that has ended."""
    collector = Reloading(registry, waits=waits)
    registry.replace(set(), {"a": collector})
    found = shown(registry.scrape(0.2))
    assert (found["a"], found['nightshift_collector_success{collector="a"}']) == (1, 1)
    collector.reload.join()


def test_scrape_collector_that_cannot_tell_whether_it_waits_costs_only_itself(registry: Registry, shown: Shown) -> None:
    """It is asked in a thread of its own, as if it did."""
    registry.replace(set(), {"quick": Undecided()})
    assert shown(registry.scrape(5))["a"] == 1


def test_scrape_after_the_end_gives_nothing(until: Until) -> None:
    """A scrape that had begun before a reload asks no collector that is closed by then."""
    runner = Runner("quick", Quick())
    runner.close()
    until(lambda: runner._closed)
    assert runner.at_once().families == []


def test_scrape_no_data_is_a_success(registry: Registry, shown: Shown) -> None:
    """A collector with nothing to report has succeeded."""
    quiet = Steady()
    quiet.collect = list
    registry.replace(set(), {"quiet": quiet})
    assert shown(registry.scrape(5))['nightshift_collector_success{collector="quiet"}'] == 1


def test_last_success_is_kept_through_failures(clock: Clock) -> None:
    """After a failure the time of the last success is still told."""
    collector = Failing(None)
    runner = Runner("x", collector, wall=clock)
    assert runner.wait(runner.start(), 1e12)
    collector.error = ValueError("now it fails")
    clock.now += 60
    assert runner.wait(runner.start(), 1e12)
    assert runner.last_success == 1000.0
    runner.close()


def test_failures_are_logged_once_in_a_row(caplog: pytest.LogCaptureFixture, registry: Registry) -> None:
    """A collector that fails at every scrape does not fill the log, and its recovery is told."""
    caplog.set_level(logging.INFO)
    collector = Failing(ValueError("broken"))
    registry.replace(set(), {"bad": collector})
    for _ in range(3):
        registry.scrape(5)
    collector.error = None
    registry.scrape(5)
    messages = [record.message for record in caplog.records]
    assert messages == ["collector failed: ValueError: broken", "collector works again"]


def test_replace_keeps_some_and_closes_the_rest(registry: Registry, shown: Shown, until: Until) -> None:
    """A reload keeps the collectors it may keep and closes those that are gone."""
    kept, gone = Steady(), Steady(B)
    registry.replace(set(), {"kept": kept, "gone": gone})
    registry.replace({"kept"}, {})
    assert set(shown(registry.scrape(5))) >= {"a"}
    until(lambda: gone.closed)
    assert not kept.closed
