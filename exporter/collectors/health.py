"""The health that services tell of themselves, polled in the background: every 30 s, every 10 s in trouble.

When a service's endpoints fail, the readings of the exporter's own machine stand in for its memory, disk and
processors (the service is assumed to run here: switch that off with `fallback: none`), and
`nightshift_health_source` says so.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import msgspec

from chassis.logs import event
from exporter.collector import CollectorConfig, collector
from exporter.errors import CollectorError, SourceUnavailable
from exporter.families import Family, Histogram, Metric
from exporter.sampler import Sampler, Source
from exporter.sources.fetch import Fetcher, check_url
from exporter.sources.health_report import STATUSES, Readings, parse_resources, parse_status
from exporter.sources.local import LocalReadings

log = logging.getLogger(__name__)

_SERVICE = ("service",)
UP = Metric("nightshift_health_up", "gauge", "1 if the service's health endpoints answered well-formed.", _SERVICE)
SOURCE = Metric(
    "nightshift_health_source", "gauge", "1 for where the readings come from: remote or local.", ["service", "source"]
)
STATUS = Metric("nightshift_health_status", "gauge", "1 for the status that the service tells.", ["service", "status"])
MEMORY = Metric("nightshift_health_memory_used_ratio", "gauge", "Memory in use, 0 to 1, polled.", _SERVICE)
DISK = Metric("nightshift_health_disk_used_ratio", "gauge", "Disk space in use, 0 to 1, polled.", _SERVICE)
CPU = Metric("nightshift_health_cpu_used_ratio", "gauge", "Processor time in use, 0 to 1, polled.", _SERVICE)
INTERVAL = Metric("nightshift_health_poll_interval_seconds", "gauge", "Seconds until the next poll.", _SERVICE)
CHECKS = Metric("nightshift_health_checks_total", "counter", "Polls of the service.", _SERVICE)
FAILURES = Metric("nightshift_health_check_failures_total", "counter", "Polls without a good answer.", _SERVICE)
DURATION = Metric("nightshift_health_check_duration_seconds", "histogram", "Seconds that a poll took.", _SERVICE)
LAST_SUCCESS = Metric(
    "nightshift_health_last_success_timestamp_seconds",
    "gauge",
    "Unix time in seconds of the last good answer, 0 before the first.",
    _SERVICE,
)

#: A time that makes sense between two polls, or for one.
Seconds = Annotated[float, msgspec.Meta(ge=0.05, le=3600)]


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A service whose health is polled.

    Attributes:
        url: where it is, e.g. `http://127.0.0.1:8000`.
        resources_path: answers memory and disk as JSON.
        system_path: answers the status word as JSON; empty where the service has no such endpoint.
        interval_seconds: between two polls.
        trouble_interval_seconds: between two polls while it fails, is not healthy, or is above *trouble_above_ratio*.
        timeout_seconds: bounds each wait for the service.
        trouble_above_ratio: memory or disk above this is trouble.
        fallback: what stands in when the endpoints fail: this machine's readings, or nothing.
        local_path: a path on the file system that the local disk reading is of.
    """

    url: str
    resources_path: str = "/health/resources"
    system_path: str = "/health/system"
    interval_seconds: Seconds = 30.0
    trouble_interval_seconds: Seconds = 10.0
    timeout_seconds: Seconds = 5.0
    trouble_above_ratio: float = 0.75
    fallback: Literal["local", "none"] = "local"
    local_path: str = "/"

    def __post_init__(self) -> None:
        check_url(self.url)


class Config(CollectorConfig, frozen=True):
    """The services that are polled, by the name that their series carry.

    Attributes:
        services: name -> service.
        proc_root: the /proc of the local readings.
    """

    services: dict[str, Target] = msgspec.field(default_factory=dict)
    proc_root: str = "/proc"


@dataclass(frozen=True, slots=True)
class Health:
    """What one poll found.

    Attributes:
        up: both endpoints answered well-formed.
        status: one of `STATUSES`.
        origin: "remote", "local", or "" where nothing is known.
        readings: None where nothing is known.
    """

    up: bool
    status: str = "unknown"
    origin: str = ""
    readings: Readings | None = None


#: Stands for a service whose poll has been waiting for too long.
LOST = Health(up=False)


class Poll:
    """Polls one service and counts how that went; *wall* and *monotonic* are clocks in seconds."""

    def __init__(
        self,
        name: str,
        target: Target,
        local: LocalReadings,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self._target = target
        self._local = local
        self._wall = wall
        self._monotonic = monotonic
        self._hurried = min(target.interval_seconds, target.trouble_interval_seconds)
        self._fetcher = Fetcher(target.timeout_seconds)
        self._lock = threading.Lock()
        self._checks = 0
        self._failures = 0
        self._durations = Histogram()
        self._last_success = 0.0
        self.source: Source[Health] = Source(name, self.take, self.interval, wall, retry_seconds=self._hurried)

    def take(self) -> Health:
        """Ask the service once, count it and log the required line."""
        started = self._monotonic()
        readings, problem = self._resources()
        status, status_problem = self._status()
        problem = problem or status_problem
        up = not problem
        with self._lock:
            self._checks += 1
            self._failures += not up
            self._durations.observe(self._monotonic() - started)
            if up:
                self._last_success = self._wall()
        health = Health(up, status, "remote", readings) if readings else self._fall_back(up=up, status=status)
        self._log(health, problem)
        return health

    def interval(self, health: Health) -> float:
        """Seconds until the next poll: fewer while there is trouble."""
        readings, limit = health.readings, self._target.trouble_above_ratio
        full = readings is not None and max(readings.memory, readings.disk) > limit
        calm = health.up and health.status in ("healthy", "unknown") and not full
        return self._target.interval_seconds if calm else self._hurried

    def health(self) -> Health | None:
        """The last answer; `LOST` while a poll has been waiting for too long, None before the first."""
        if self.source.busy() > 2 * self._target.timeout_seconds + 1:
            return LOST
        return self.source.sample.value if self.source.sample else None

    def counts(self, checks: Family, failures: Family, durations: Family, last_success: Family) -> None:
        """Add the counts of all polls so far to these families."""
        with self._lock:
            checks.add(self._checks, self.name)
            failures.add(self._failures, self.name)
            durations.add_histogram(self._durations, self.name)
            last_success.add(self._last_success, self.name)

    def close(self) -> None:
        """Give back the descriptors."""
        self._local.close()

    def _resources(self) -> tuple[Readings | None, str]:
        """The service's own readings, or None and what is wrong with them."""
        try:
            body, where = self._get(self._target.resources_path, (200,))
            return parse_resources(body, where), ""
        except CollectorError as error:
            return None, str(error)

    def _status(self) -> tuple[str, str]:
        """The service's own status word; "unknown" and what is wrong where it has none."""
        if not self._target.system_path:
            return "unknown", ""
        try:
            body, where = self._get(self._target.system_path, (200, 503))
            return parse_status(body, where), ""
        except CollectorError as error:
            return "unknown", str(error)

    def _get(self, path: str, statuses: tuple[int, ...]) -> tuple[bytes, str]:
        url = self._target.url.rstrip("/") + path
        response = self._fetcher.get(url)
        if response.status not in statuses:
            raise SourceUnavailable(f"{url}: HTTP {response.status}", "status")
        return response.body, url

    def _fall_back(self, *, up: bool, status: str) -> Health:
        if self._target.fallback == "none":
            return Health(up, status)
        try:
            return Health(up, status, "local", self._local.read())
        except CollectorError as error:
            event(log, logging.ERROR, f"local readings failed: {error}", service=self.name)
            return Health(up, status)

    def _log(self, health: Health, problem: str) -> None:
        memory, disk = (health.readings.memory, health.readings.disk) if health.readings else (None, None)
        text = f"📊 Health check: Memory {_percent(memory)}, Disk {_percent(disk)}, Status: {health.status}"
        fields = {"service": self.name, "source": health.origin or "none"}
        if problem:
            fields["problem"] = problem
        event(log, logging.WARNING if problem else logging.INFO, text, **fields)


def _percent(ratio: float | None) -> str:
    return "unknown" if ratio is None else f"{ratio * 100:.1f}%"


@collector("health")
class HealthCollector:
    """Shows the last answer of every polled service."""

    config: ClassVar[type[CollectorConfig]] = Config
    metrics: ClassVar[tuple[Metric, ...]] = (
        UP,
        SOURCE,
        STATUS,
        MEMORY,
        DISK,
        CPU,
        INTERVAL,
        CHECKS,
        FAILURES,
        DURATION,
        LAST_SUCCESS,
    )

    def __init__(self, config: Config) -> None:
        self._sampler = Sampler()
        self._polls = [
            Poll(name, target, LocalReadings(target.local_path, config.proc_root))
            for name, target in sorted(config.services.items())
        ]
        for poll in self._polls:
            self._sampler.start(poll.source)

    def collect(self) -> Iterator[Family]:
        """The last answers; the first scrape waits for the first ones."""
        self._sampler.settle()
        families = {metric: Family(metric) for metric in self.metrics}
        for poll in self._polls:
            poll.counts(*(families[metric] for metric in (CHECKS, FAILURES, DURATION, LAST_SUCCESS)))
            health = poll.health()
            if health is not None:
                families[INTERVAL].add(poll.interval(health), poll.name)
                _show(health, poll.name, families)
        yield from families.values()

    def close(self) -> None:
        """End the polls."""
        self._sampler.close()
        for poll in self._polls:
            poll.close()


def _show(health: Health, service: str, families: dict[Metric, Family]) -> None:
    families[UP].add(health.up, service)
    for origin in ("remote", "local"):
        families[SOURCE].add(health.origin == origin, service, origin)
    for status in STATUSES:
        families[STATUS].add(health.status == status, service, status)
    if health.readings is not None:
        families[MEMORY].add(health.readings.memory, service)
        families[DISK].add(health.readings.disk, service)
        if health.readings.cpu is not None:
            families[CPU].add(health.readings.cpu, service)
