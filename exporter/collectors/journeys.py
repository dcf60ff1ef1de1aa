"""Journeys through a site, walked in the background: over HTTP, or in a browser that is a child process.

`/journeys` shows the last failures of each with the request and the answer; `/journey?name=NAME` walks one at once.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Protocol
from urllib.parse import quote

import msgspec

from chassis.logs import event
from exporter.answers import Answer, Route, text_answer
from exporter.collector import CollectorConfig, collector
from exporter.families import Family, Metric
from exporter.sampler import Source
from exporter.schedule import Schedule
from exporter.scrape_timeout import scrape_seconds
from exporter.walks import on_demand
from exporter.walks.browser import BrowserJourney, BrowserRule, BrowserWalker
from exporter.walks.failures import FailureLog, Walk, timestamp
from exporter.walks.journey import HttpWalker, Journey
from exporter.walks.page import Entry, overview, query_of
from exporter.walks.plan import Plan

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

log = logging.getLogger(__name__)

_JOURNEY = ("journey",)
_STEP = ("journey", "step")
SUCCESS = Metric("nightshift_journey_success", "gauge", "1 if the last run succeeded, else 0.", _JOURNEY)
DURATION = Metric("nightshift_journey_duration_seconds", "gauge", "Seconds that the last run took.", _JOURNEY)
STEP_SUCCESS = Metric(
    "nightshift_journey_step_success",
    "gauge",
    "1 if the last run took this step, 0 if it failed or was not reached.",
    _STEP,
)
STEP_DURATION = Metric(
    "nightshift_journey_step_duration_seconds", "gauge", "Seconds that this step of the last run took.", _STEP
)
FAILED_STEP = Metric("nightshift_journey_failed_step", "gauge", "1 if the last run failed at this step, else 0.", _STEP)
VALUE = Metric(
    "nightshift_journey_captured_value", "gauge", "A number that the last run captured.", ["journey", "name"]
)
RUNS = Metric("nightshift_journey_runs_total", "counter", "Runs of the journey.", _JOURNEY)
FAILURES = Metric("nightshift_journey_failures_total", "counter", "Failed runs by step and reason.", (*_STEP, "reason"))
LAST_SUCCESS = Metric(
    "nightshift_journey_last_success_timestamp_seconds",
    "gauge",
    "Unix time in seconds of the last successful run's end, 0 before the first.",
    _JOURNEY,
)
LATE = Metric(
    "nightshift_journeys_late_seconds",
    "gauge",
    "Seconds for which a journey has been waiting for a worker; add workers if this grows.",
)
_OF_A_RUN = (SUCCESS, DURATION, STEP_SUCCESS, STEP_DURATION, FAILED_STEP, VALUE)

#: Runs at the request of `/journey` at one time, fewer than there are threads for requests; others shall come back.
MAX_ON_DEMAND = 2


class Config(CollectorConfig, frozen=True):
    """The journeys, by the name that their series carry.

    Attributes:
        journeys: name -> steps over HTTP.
        browser_journeys: name -> steps in a browser.
        browser: the browser.
        workers: journeys that are walked at one time, at most.
        keep_failures: failures kept of each journey.
    """

    journeys: dict[str, Journey] = msgspec.field(default_factory=dict)
    browser_journeys: dict[str, BrowserJourney] = msgspec.field(default_factory=dict)
    browser: BrowserRule = BrowserRule()
    workers: Annotated[int, msgspec.Meta(ge=1, le=100)] = 4
    keep_failures: Annotated[int, msgspec.Meta(ge=1, le=100)] = 10

    def __post_init__(self) -> None:
        if twice := sorted(self.journeys.keys() & self.browser_journeys.keys()):
            raise ValueError(f"the journey {twice[0]!r} is given with and without a browser")


class Walker(Protocol):
    """Walks one journey."""

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why a step can fail; the whole set."""

    def walk(self, seconds: float) -> Walk:
        """Take the steps once, within *seconds*."""


class Watch:
    """One journey and how it went so far; *wall* is a clock in seconds."""

    def __init__(
        self,
        name: str,
        walker: Walker,
        plan: Plan,
        kept: FailureLog,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self.plan = plan
        self.screenshot = b""
        self._walker = walker
        self._kept = kept
        self._wall = wall
        self._steps = plan.step_names()
        self._lock = threading.Lock()
        self._runs = 0
        self._failures = {(step, reason): 0 for step in self._steps for reason in walker.reasons}
        self._last_success = 0.0
        self._failing = ""
        self.source: Source[Walk] = Source(name, self.take, lambda _: plan.interval_seconds, wall)

    def take(self) -> Walk:
        """Walk once and count it."""
        walk = self.walk(self.plan.timeout_seconds)
        failure = walk.failure
        with self._lock:
            self._runs += 1
            if failure:
                self._failures[failure.step, failure.reason] += 1
            else:
                self._last_success = self._wall()
        if failure:
            self._kept.add(self.name, failure)
            self.screenshot = walk.screenshot
        self._tell(walk)
        return walk

    def walk(self, seconds: float) -> Walk:
        """Walk once, within *seconds*, without counting it."""
        return self._walker.walk(seconds)

    def show(self, families: Mapping[Metric, Family]) -> None:
        """Add what is known."""
        with self._lock:
            families[RUNS].add(self._runs, self.name)
            families[LAST_SUCCESS].add(self._last_success, self.name)
            for (step, reason), count in self._failures.items():
                families[FAILURES].add(count, self.name, step, reason)
        if self.source.sample:
            self.show_run(self.source.sample.value, families)

    def show_run(self, walk: Walk, families: Mapping[Metric, Family]) -> None:
        """Add how *walk* ended."""
        families[SUCCESS].add(walk.failure is None, self.name)
        families[DURATION].add(walk.seconds, self.name)
        taken = {step.name: step for step in walk.steps}
        for name in self._steps:
            families[STEP_SUCCESS].add(name in taken and taken[name].success, self.name, name)
            families[FAILED_STEP].add(walk.failure is not None and walk.failure.step == name, self.name, name)
            if name in taken:
                families[STEP_DURATION].add(taken[name].seconds, self.name, name)
        for name, value in walk.values.items():
            families[VALUE].add(value, self.name, name)

    def entry(self) -> Entry:
        """The journey on the page."""
        sample = self.source.sample
        walk = sample.value if sample else Walk((), 0.0, {})
        return Entry(
            name=self.name,
            state="not run yet" if sample is None else "failing" if walk.failure else "ok",
            last_run=timestamp(sample.taken) if sample else "",
            seconds=walk.seconds,
            runs=self._runs,
            failed_runs=sum(self._failures.values()),
            steps=walk.steps,
            values=walk.values,
            failures=self._kept.of(self.name),
            screenshot=f"journeys/screenshot?name={quote(self.name, safe='')}" if self.screenshot else "",
        )

    def _tell(self, walk: Walk) -> None:
        """Log a failure when it begins, changes or ends."""
        failure = walk.failure
        failing = f"{failure.step} {failure.reason}" if failure else ""
        if failing != self._failing:
            self._failing = failing
            text = f"journey failed: {failure.detail}" if failure else "journey succeeds again"
            level = logging.WARNING if failure else logging.INFO
            step, reason = (failure.step, failure.reason) if failure else ("", "none")
            event(log, level, text, journey=self.name, step=step, reason=reason)


@collector("journeys")
class Journeys:
    """Shows the last run of every journey."""

    config: ClassVar[type[CollectorConfig]] = Config
    metrics: ClassVar[tuple[Metric, ...]] = (*_OF_A_RUN, RUNS, FAILURES, LAST_SUCCESS, LATE)
    paths: tuple[str, ...] = ("/journey", "/journeys", "/journeys/screenshot")

    def __init__(self, config: Config) -> None:
        kept = FailureLog(config.keep_failures)
        walkers: dict[str, tuple[Walker, Plan]] = {}
        walkers |= {name: (HttpWalker(plan), plan) for name, plan in config.journeys.items()}
        walkers |= {name: (BrowserWalker(plan, config.browser), plan) for name, plan in config.browser_journeys.items()}
        self._watches = {name: Watch(name, *walkers[name], kept) for name in sorted(walkers)}
        self._on_demand = threading.BoundedSemaphore(MAX_ON_DEMAND)
        self._schedule = Schedule("journeys", config.workers)
        for watch in self._watches.values():
            if watch.plan.interval_seconds:
                self._schedule.start(watch.source)

    def collect(self) -> Iterator[Family]:
        """The last runs; the first scrape waits for the first ones."""
        self._schedule.settle()
        families = {metric: Family(metric) for metric in self.metrics}
        for watch in self._watches.values():
            watch.show(families)
        families[LATE].add(self._schedule.late())
        yield from families.values()

    def routes(self) -> Mapping[str, Route]:
        """The page of the last failures, a failed browser's last view, and a run at once."""
        return {
            "/journeys": Route(self._page, title="Journeys"),
            "/journeys/screenshot": Route(self._screenshot),
            "/journey": Route(self._walk_now, methods=("GET",)),
        }

    def close(self) -> None:
        """End the runs."""
        self._schedule.close()

    def _page(self, environ: "WSGIEnvironment") -> Answer:
        return overview("Journeys", [watch.entry() for watch in self._watches.values()], environ)

    def _screenshot(self, environ: "WSGIEnvironment") -> Answer:
        watch = self._watches.get(query_of(environ).get("name", ""))
        if watch is None or not watch.screenshot:
            return text_answer("404 Not Found", "No screenshot is kept of that journey; /journeys names them.")
        headers = (("Content-Type", "image/jpeg"), ("X-Content-Type-Options", "nosniff"))
        return Answer("200 OK", watch.screenshot, headers)

    def _walk_now(self, environ: "WSGIEnvironment") -> Answer:
        query = query_of(environ)
        watch = self._watches.get(query.get("name", ""))
        if watch is None:
            known = ", ".join(self._watches) or "none"
            return text_answer("400 Bad Request", f"Give the name of a journey: /journey?name=NAME (known: {known}).")
        if not self._on_demand.acquire(blocking=False):
            return text_answer(
                "503 Service Unavailable", f"{MAX_ON_DEMAND} journeys are being walked; come back later."
            )
        try:
            walk = watch.walk(scrape_seconds(environ.get("HTTP_X_PROMETHEUS_SCRAPE_TIMEOUT_SECONDS", "120")))
        finally:
            self._on_demand.release()
        families = {metric: Family(metric) for metric in _OF_A_RUN}
        watch.show_run(walk, families)
        return on_demand.answer(walk, list(families.values()), debug=query.get("debug") == "true")
