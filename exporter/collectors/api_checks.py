"""Endpoints of APIs, asked in the background by few threads: there, in time, valid, sensible.

An endpoint that does not answer passes none of its checks. `/api_checks` shows the last failures of each with the
request and the answer.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar

import msgspec

from chassis.logs import event
from exporter.answers import Answer, Route
from exporter.collector import CollectorConfig, collector
from exporter.families import Family, Metric
from exporter.sampler import Source
from exporter.schedule import Schedule
from exporter.walks.api_check import Api, ApiCheck, Endpoint, Verdict
from exporter.walks.failures import FailureLog, StepResult, timestamp
from exporter.walks.page import Entry, overview

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

log = logging.getLogger(__name__)

_ENDPOINT = ("service", "endpoint")
PASSED = Metric(
    "nightshift_api_check_passed", "gauge", "1 if the last run passed this check, else 0.", (*_ENDPOINT, "check")
)
DURATION = Metric("nightshift_api_check_duration_seconds", "gauge", "Seconds that the last request took.", _ENDPOINT)
RUNS = Metric("nightshift_api_check_runs_total", "counter", "Runs of the endpoint's checks.", _ENDPOINT)
FAILURES = Metric(
    "nightshift_api_check_failures_total", "counter", "Runs that did not pass this check.", (*_ENDPOINT, "check")
)
REASON = Metric(
    "nightshift_api_check_failure_reason_info",
    "gauge",
    "1 for why the last run failed, where it did.",
    (*_ENDPOINT, "check", "reason"),
)
LAST_RUN = Metric(
    "nightshift_api_check_last_run_timestamp_seconds", "gauge", "Unix time in seconds of the last run's end.", _ENDPOINT
)
LATE = Metric(
    "nightshift_api_checks_late_seconds",
    "gauge",
    "Seconds for which an endpoint has been waiting for a worker; add workers if this grows.",
)


class Config(CollectorConfig, frozen=True):
    """The APIs that are checked, by the name of their service.

    Attributes:
        services: name -> API.
        workers: requests that are made at one time, at most.
        keep_failures: failures kept of each endpoint.
    """

    services: dict[str, Api] = msgspec.field(default_factory=dict)
    workers: Annotated[int, msgspec.Meta(ge=1, le=100)] = 16
    keep_failures: Annotated[int, msgspec.Meta(ge=1, le=100)] = 5


class Watch:
    """One endpoint and how its checks went so far."""

    def __init__(
        self,
        labels: tuple[str, str],
        endpoint: Endpoint,
        run: Callable[[], Verdict],
        kept: FailureLog,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.labels = labels
        self._run = run
        self._kept = kept
        self._lock = threading.Lock()
        self._runs = 0
        self._failed_runs = 0
        self._failures = dict.fromkeys(endpoint.checks(), 0)
        self._failing = ""
        self.source: Source[Verdict] = Source("/".join(labels), self.take, lambda _: endpoint.interval_seconds, wall)

    def take(self) -> Verdict:
        """Run the checks once and count them."""
        verdict = self._run()
        with self._lock:
            self._runs += 1
            self._failed_runs += verdict.failure is not None
            for check, passed in verdict.passed.items():
                self._failures[check] += not passed
        if verdict.failure:
            self._kept.add(self.source.name, verdict.failure)
        self._tell(verdict)
        return verdict

    def show(self, families: Mapping[Metric, Family]) -> None:
        """Add what is known."""
        with self._lock:
            families[RUNS].add(self._runs, *self.labels)
            for check, count in self._failures.items():
                families[FAILURES].add(count, *self.labels, check)
        sample = self.source.sample
        if sample is None:
            return
        families[LAST_RUN].add(sample.taken, *self.labels)
        families[DURATION].add(sample.value.seconds, *self.labels)
        for check, passed in sample.value.passed.items():
            families[PASSED].add(passed, *self.labels, check)
        if failure := sample.value.failure:
            families[REASON].add(1, *self.labels, failure.step, failure.reason)

    def entry(self) -> Entry:
        """The endpoint on the page."""
        sample = self.source.sample
        verdict = sample.value if sample else Verdict({}, 0.0)
        state = "not run yet" if sample is None else "failing" if verdict.failure else "ok"
        return Entry(
            name=self.source.name,
            state=state,
            last_run=timestamp(sample.taken) if sample else "",
            seconds=verdict.seconds,
            runs=self._runs,
            failed_runs=self._failed_runs,
            steps=[StepResult(check, passed, verdict.seconds) for check, passed in verdict.passed.items()],
            values={},
            failures=self._kept.of(self.source.name),
        )

    def _tell(self, verdict: Verdict) -> None:
        """Log a failure when it begins, changes or ends."""
        failure = verdict.failure
        failing = f"{failure.step} {failure.reason}" if failure else ""
        if failing != self._failing:
            self._failing = failing
            service, endpoint = self.labels
            text = f"API check failed: {failure.detail}" if failure else "API check passes again"
            level = logging.WARNING if failure else logging.INFO
            check, reason = (failure.step, failure.reason) if failure else ("", "none")
            event(log, level, text, service=service, endpoint=endpoint, check=check, reason=reason)


@collector("api_checks")
class ApiChecks:
    """Shows the last outcome of every endpoint's checks."""

    config: ClassVar[type[CollectorConfig]] = Config
    metrics: ClassVar[tuple[Metric, ...]] = (PASSED, DURATION, RUNS, FAILURES, REASON, LAST_RUN, LATE)
    paths: tuple[str, ...] = ("/api_checks",)

    def __init__(self, config: Config) -> None:
        kept = FailureLog(config.keep_failures)
        self._watches = [
            Watch((service, name), endpoint, ApiCheck(api, endpoint).run, kept)
            for service, api in sorted(config.services.items())
            for name, endpoint in sorted(api.endpoints.items())
        ]
        self._schedule = Schedule("api_checks", config.workers)
        for watch in self._watches:
            self._schedule.start(watch.source)

    def collect(self) -> Iterator[Family]:
        """The last outcomes; the first scrape waits for the first ones."""
        self._schedule.settle()
        families = {metric: Family(metric) for metric in self.metrics}
        for watch in self._watches:
            watch.show(families)
        families[LATE].add(self._schedule.late())
        yield from families.values()

    def routes(self) -> Mapping[str, Route]:
        """The page of the last failures."""
        return {"/api_checks": Route(self._page, title="API checks")}

    def close(self) -> None:
        """End the checks."""
        self._schedule.close()

    def _page(self, environ: "WSGIEnvironment") -> Answer:
        return overview("API checks", [watch.entry() for watch in self._watches], environ)
