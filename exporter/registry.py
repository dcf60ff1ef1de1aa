"""The scrape: every collector that may have to wait in its own kept thread, all at once, none beyond the deadline.

A collector that raises or hangs costs its own families and nothing else: they are left out, its success is 0. While
it hangs it is not started again and not waited for again, so the number of threads stays what it was. A collector
that can leave out the part that blocks it (`leave_out`) is given a fresh thread to go on without that part. One that
says that it never waits (`waits`) answers in the scrape's own thread: to wake another up and wait for it takes as
long as to read the whole of /proc.
"""

import logging
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from queue import SimpleQueue

from chassis.logs import event
from exporter.client_metrics import ClientMetric, ClientMetrics
from exporter.collector import Collector
from exporter.errors import CollectorError
from exporter.families import Family, Metric
from exporter.sheets import Part, Sheet, Sheets

log = logging.getLogger(__name__)

SUCCESS = Metric("nightshift_collector_success", "gauge", "1 if the collector answered in time, else 0.", ["collector"])
DURATION = Metric(
    "nightshift_collector_duration_seconds", "gauge", "Seconds that the collector took (so far).", ["collector"]
)
LAST_SUCCESS = Metric(
    "nightshift_collector_last_success_timestamp_seconds",
    "gauge",
    "Unix time in seconds of the collector's last success, 0 before the first.",
    ["collector"],
)
METRICS = (SUCCESS, DURATION, LAST_SUCCESS)

#: Seconds after which a collector that has not answered is asked to leave out what blocks it.
PATIENCE_SECONDS = 0.5


@dataclass(slots=True)
class Run:
    """One call of a collector; parallel scrapes share it.

    Attributes:
        started: monotonic seconds.
        seconds: how long it took, once it is done.
        families: what it gave; None while it runs and when it failed.
        overdue: a scrape has given up waiting for it; no other scrape waits again.
    """

    started: float
    seconds: float = 0.0
    families: list[Part] | None = None
    overdue: bool = False
    done: threading.Event = field(default_factory=threading.Event)


class Runner:
    """Calls one collector in one kept thread; *monotonic* and *wall* are clocks in seconds."""

    def __init__(
        self,
        name: str,
        collector: Collector,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self.last_success = 0.0
        self._collector = collector
        self._monotonic = monotonic
        self._wall = wall
        self._lock = threading.Lock()
        self._current: Run | None = None
        self._failing = False
        self._client_metrics = ClientMetrics()
        self._orders: SimpleQueue[Run | None] = SimpleQueue()
        self._leave_out: Callable[[], bool] = getattr(collector, "leave_out", lambda: False)
        self._closed = False
        self._waits: Callable[[], bool] = getattr(collector, "waits", lambda: True)
        self._thread = self._hire()

    def waits(self) -> bool:
        """Whether it may have to wait for something in the next run; so may one that cannot tell."""
        try:
            return self._waits()
        except Exception as error:  # noqa: BLE001 -- one of the four edges: one collector's scrape
            event(log, logging.DEBUG, f"cannot tell whether it waits: {error}", collector=self.name)
            return True

    def start(self) -> Run:
        """The run in progress, else a new one."""
        with self._lock:
            if self._current is None:
                self._current = Run(started=self._monotonic())
                self._orders.put(self._current)
            return self._current

    def at_once(self) -> Run:
        """A run in the caller's thread, for a collector that never waits; the run in progress, if there is one."""
        with self._lock:
            run = self._current or Run(started=self._monotonic())
            if run is not self._current:
                run.families = [] if self._closed else self._collect()
                run.seconds = self._monotonic() - run.started
                run.done.set()
        return run

    def wait(self, run: Run, deadline: float) -> bool:
        """Wait for *run* until *deadline* (monotonic seconds); whether it is done."""
        while not run.overdue:
            remaining = deadline - self._monotonic()
            if run.done.wait(max(0.0, min(PATIENCE_SECONDS, remaining))):
                break
            if remaining <= PATIENCE_SECONDS:
                run.overdue = True
                event(log, logging.ERROR, "collector hangs: its families are left out", collector=self.name)
            elif self._leave_out():
                self._hand_over(run)
        return run.done.is_set()

    def close(self) -> None:
        """End the thread after the run in progress, then close the collector; does not wait."""
        self._orders.put(None)

    def _hire(self) -> threading.Thread:
        thread = threading.Thread(target=self._work, name=f"collector {self.name}", daemon=True)
        thread.start()
        return thread

    def _hand_over(self, run: Run) -> None:
        """Let a fresh thread do *run*; the one that is blocked ends when it comes back."""
        with self._lock:
            if self._current is run:
                self._orders.put(run)
                self._thread = self._hire()

    def _work(self) -> None:
        while (run := self._orders.get()) is not None:
            families = self._collect()
            with self._lock:
                if threading.current_thread() is not self._thread:
                    return
                run.families = families
                run.seconds = self._monotonic() - run.started
                self._current = None
            run.done.set()
        with self._lock:
            self._closed = True
            self._collector.close()

    def _collect(self) -> list[Part] | None:
        """The collector's families; None and a log line if it raises."""
        try:
            families = [self._part(part) for part in self._collector.collect()]
        except CollectorError as error:
            self._report(f"collector failed: {error}")
            return None
        except Exception as error:  # noqa: BLE001 -- one of the four edges: one collector's scrape
            self._report(f"collector failed: {type(error).__name__}: {error}", traceback=traceback.format_exc())
            return None
        self.last_success = self._wall()
        if self._failing:
            self._failing = False
            event(log, logging.INFO, "collector works again", collector=self.name)
        return families

    def _part(self, given: Part | ClientMetric) -> Part:
        """What a collector gave as one of our own; anything else fails here, in its thread, not in the rendering."""
        return given if isinstance(given, Family | Sheet) else self._client_metrics.family(given)

    def _report(self, text: str, **fields: str) -> None:
        """Log a failure: the first of a row loudly, the rest for those who ask for debug."""
        level = logging.DEBUG if self._failing else logging.ERROR
        event(log, level, text, collector=self.name, **fields)
        self._failing = True


class Registry:
    """The collectors that are scraped together; *monotonic* is the clock of deadlines and durations, in seconds."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        #: Nobody begins to scrape in the middle of a replacement.
        self._lock = threading.Lock()
        self._runners: dict[str, Runner] = {}
        self._sheets = Sheets(lambda names: [(metric, zip(names)) for metric in METRICS])

    def replace(self, keep: set[str], new: Mapping[str, Collector]) -> None:
        """Keep the collectors named in *keep*, add *new*, end the others; scrapes under way finish with the old."""
        added = {name: Runner(name, collector, self._monotonic) for name, collector in new.items()}
        with self._lock:
            before = self._runners
            kept = {name: runner for name, runner in before.items() if name in keep}
            self._runners = dict(sorted((kept | added).items()))
            for name, runner in before.items():
                if name not in kept:
                    runner.close()

    def waits(self) -> bool:
        """Whether a scrape may have to wait for any collector."""
        return any(runner.waits() for runner in list(self._runners.values()))

    def start(self) -> list[tuple[Runner, Run]]:
        """Let every collector begin, those that may wait first; `finish` has what they give."""
        with self._lock:
            runners = list(self._runners.values())
            runs = {runner: runner.start() for runner in runners if runner.waits()}
            return [(runner, runs.get(runner) or runner.at_once()) for runner in runners]

    def finish(self, runs: Sequence[tuple[Runner, Run]], seconds: float) -> list[Part]:
        """What every collector gives that answers within *seconds*, then how each one did."""
        deadline = self._monotonic() + seconds
        parts: list[Part] = []
        success: list[float] = []
        durations: list[float] = []
        for runner, run in runs:
            done = runner.wait(run, deadline)
            parts.extend(run.families or () if done else ())
            success.append(int(done and run.families is not None))
            durations.append(run.seconds if done else self._monotonic() - run.started)
        names = [runner.name for runner, _ in runs]
        last = [runner.last_success for runner, _ in runs]
        return [*parts, self._sheets.sheet(names, [*success, *durations, *last])]

    def scrape(self, seconds: float) -> list[Part]:
        """Both at once."""
        return self.finish(self.start(), seconds)

    def close(self) -> None:
        """End every collector."""
        self.replace(set(), {})
