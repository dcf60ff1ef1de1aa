"""Whether services and their dependencies are up: by process, pid file, TCP port or HTTP, asked in the background.

Every check has a thread of its own and a timeout, so one that hangs delays no other; one that has been waiting for
too long counts as down.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import ClassVar

import msgspec

from chassis.logs import event
from exporter.collector import CollectorConfig, collector
from exporter.families import Family, Metric
from exporter.sampler import Sampler, Source
from exporter.sources.checks import (
    Check,
    HttpRule,
    Outcome,
    ProcessRule,
    http_check,
    outcome_of,
    parse_port,
    pid_file_check,
    port_check,
    process_check,
)
from exporter.sources.fetch import Fetcher
from exporter.sources.processes import ProcessTable

log = logging.getLogger(__name__)

_CHECK = ("service", "check")
UP = Metric("nightshift_service_up", "gauge", "1 if the check of the service passed, else 0.", _CHECK)
DURATION = Metric("nightshift_service_check_duration_seconds", "gauge", "Seconds that the last check took.", _CHECK)
PROCESSES = Metric("nightshift_service_processes", "gauge", "Living processes that match.", ["service"])
LAST_CHECK = Metric(
    "nightshift_service_last_check_timestamp_seconds",
    "gauge",
    "Unix time in seconds of the last finished check.",
    _CHECK,
)
FAILURES = Metric(
    "nightshift_service_check_failures_total", "counter", "Failed checks by reason.", ["service", "check", "reason"]
)

#: The reasons that each kind of check can fail for; their series stand at 0 from the start.
_REASONS = {
    "process": ("not_running", "error"),
    "pid_file": ("not_running", "bad_pid_file", "error"),
    "port": ("refused", "timeout", "error"),
    "http": ("refused", "timeout", "status", "error"),
}


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A service or dependency, and how to tell that it is up; every check given is made.

    Attributes:
        process: processes that must run.
        pid_file: a file that names a process that must live.
        port: a TCP address that must accept connections, `HOST:PORT`.
        http: a URL that must answer.
        interval_seconds: between two checks.
        timeout_seconds: after which a port or URL is down.
    """

    process: ProcessRule | None = None
    pid_file: str = ""
    port: str = ""
    http: HttpRule | None = None
    interval_seconds: float = 5.0
    timeout_seconds: float = 2.0

    def __post_init__(self) -> None:
        if not (self.process or self.pid_file or self.port or self.http):
            raise ValueError("give at least one of process, pid_file, port, http")
        if self.port:
            parse_port(self.port)
        for name in ("interval_seconds", "timeout_seconds"):
            if not 0.05 <= getattr(self, name) <= 3600:
                raise ValueError(f"{name} is {getattr(self, name)}; write 0.05 to 3600")


class Config(CollectorConfig, frozen=True):
    """The services that are checked, by the name that their series carry.

    Attributes:
        services: name -> service.
        proc_root: the /proc in which processes are looked for.
    """

    services: dict[str, Target] = msgspec.field(default_factory=dict)
    proc_root: str = "/proc"


class Watch:
    """One check of one service, and how it went so far; *monotonic* and *wall* are clocks in seconds."""

    def __init__(
        self,
        labels: tuple[str, str],
        check: Check,
        target: Target,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.labels = labels
        self._check = check
        self._monotonic = monotonic
        self._late_seconds = 2 * target.timeout_seconds + 1
        # A service has one count of processes: that of its rule, where it has a rule and a pid file.
        self._counts_processes = labels[1] == "process" or target.process is None
        self._failures = dict.fromkeys(_REASONS[labels[1]], 0)
        self._duration = 0.0
        self._was_up = True
        self._lock = threading.Lock()
        self.source: Source[Outcome] = Source("/".join(labels), self.take, lambda _: target.interval_seconds, wall)

    def take(self) -> Outcome:
        """Make the check once and count it."""
        started = self._monotonic()
        outcome = outcome_of(self._check)
        with self._lock:
            self._duration = self._monotonic() - started
            if not outcome.up:
                reason = outcome.reason if outcome.reason in self._failures else "error"
                self._failures[reason] += 1
        if outcome.up != self._was_up:
            self._was_up = outcome.up
            service, check = self.labels
            text = "service is up again" if outcome.up else f"service is down: {outcome.detail}"
            level = logging.INFO if outcome.up else logging.WARNING
            event(log, level, text, service=service, check=check, reason=outcome.reason or "none")
        return outcome

    def show(self, families: dict[Metric, Family]) -> None:
        """Add what is known; a check that has been waiting for too long has failed."""
        sample = self.source.sample
        late = self.source.busy() > self._late_seconds
        if sample is not None:
            families[UP].add(sample.value.up and not late, *self.labels)
            families[LAST_CHECK].add(sample.taken, *self.labels)
            if sample.value.processes is not None and self._counts_processes:
                families[PROCESSES].add(sample.value.processes, self.labels[0])
        elif late:
            families[UP].add(0, *self.labels)
        with self._lock:
            families[DURATION].add(self.source.busy() if late else self._duration, *self.labels)
            for reason, count in self._failures.items():
                families[FAILURES].add(count, *self.labels, reason)


@collector("services")
class Services:
    """Shows the last outcome of every check."""

    config: ClassVar[type[CollectorConfig]] = Config
    metrics: ClassVar[tuple[Metric, ...]] = (UP, DURATION, PROCESSES, LAST_CHECK, FAILURES)

    def __init__(self, config: Config) -> None:
        table = ProcessTable(config.proc_root)
        self._fetchers: list[Fetcher] = []
        self._sampler = Sampler()
        self._watches = [
            Watch((service, kind), check, target)
            for service, target in sorted(config.services.items())
            for kind, check in self._checks(target, table).items()
        ]
        for watch in self._watches:
            self._sampler.start(watch.source)

    def collect(self) -> Iterator[Family]:
        """The last outcomes; the first scrape waits for the first ones."""
        self._sampler.settle()
        families = {metric: Family(metric) for metric in self.metrics}
        for watch in self._watches:
            watch.show(families)
        yield from families.values()

    def close(self) -> None:
        """End the checks."""
        self._sampler.close()
        for fetcher in self._fetchers:
            fetcher.close()

    def _checks(self, target: Target, table: ProcessTable) -> dict[str, Check]:
        """The checks that *target* asks for, by kind."""
        checks: dict[str, Check] = {}
        if target.process:
            checks["process"] = process_check(target.process, table)
        if target.pid_file:
            checks["pid_file"] = pid_file_check(target.pid_file, table)
        if target.port:
            checks["port"] = port_check(parse_port(target.port), target.timeout_seconds)
        if target.http:
            fetcher = Fetcher(target.timeout_seconds)
            self._fetchers.append(fetcher)
            checks["http"] = http_check(target.http, fetcher)
        return checks
