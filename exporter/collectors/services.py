"""Whether services and their dependencies are up, asked in the background in each one's own protocol.

Every check has a thread of its own and a timeout, so one that hangs delays no other; one that has been waiting for
too long counts as down.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from typing import Annotated, ClassVar, Protocol

import msgspec

from chassis.logs import event
from exporter.checks import celery, http, outcome, port, process, rabbitmq, systemd
from exporter.checks.celery import CeleryRule
from exporter.checks.http import HttpRule, http_check
from exporter.checks.mysql import MysqlRule
from exporter.checks.outcome import Check, Outcome, outcome_of
from exporter.checks.port import parse_port, port_check
from exporter.checks.postgresql import PostgresqlRule
from exporter.checks.process import ProcessRule, pid_file_check, process_check
from exporter.checks.rabbitmq import RabbitmqRule
from exporter.checks.redis import RedisRule
from exporter.checks.systemd import SystemdRule
from exporter.collector import CollectorConfig, collector
from exporter.families import Family, Metric
from exporter.sampler import Sampler, Source
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
CHECKS = Metric("nightshift_service_checks_total", "counter", "Checks of the service that are over.", _CHECK)
FAILURES = Metric(
    "nightshift_service_check_failures_total", "counter", "Failed checks by reason.", ["service", "check", "reason"]
)


class Rule(Protocol):
    """What the protocols' rules have in common; *reasons* are all that their checks can fail for."""

    reasons: ClassVar[tuple[str, ...]]

    def check(self, seconds: float, /) -> Check:
        """The check, which ends within *seconds*."""


#: The kinds of check that are asked in a protocol of their own; a target has a key for each.
_PROTOCOLS: dict[str, type[Rule]] = {
    "redis": RedisRule,
    "postgresql": PostgresqlRule,
    "mysql": MysqlRule,
    "rabbitmq": RabbitmqRule,
    "celery": CeleryRule,
    "systemd": SystemdRule,
}

#: The reasons that each kind of check can fail for; their series stand at 0 from the start.
_REASONS = {
    "process": process.REASONS,
    "pid_file": process.PID_FILE_REASONS,
    "port": port.REASONS,
    "http": http.REASONS,
    **{kind: rule.reasons for kind, rule in _PROTOCOLS.items()},
}

#: A time that makes sense between two checks, or for one.
Seconds = Annotated[float, msgspec.Meta(ge=0.05, le=3600)]


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A service or dependency, and how to tell that it is up; every check given is made.

    Attributes:
        process: processes that must run.
        pid_file: a file that names a process that must live.
        port: a TCP address that must accept connections, `HOST:PORT`.
        http: a URL that must answer.
        redis: a Redis that must answer PING.
        postgresql: a PostgreSQL that must answer a query.
        mysql: a MySQL or MariaDB that must answer a query.
        rabbitmq: a RabbitMQ that must open its virtual host.
        celery: workers that must answer a ping, and queues whose length is shown.
        systemd: a unit that must be active.
        interval_seconds: between two checks.
        timeout_seconds: after which whatever is asked is down.
    """

    process: ProcessRule | None = None
    pid_file: str = ""
    port: str | int = ""
    http: HttpRule | None = None
    redis: RedisRule | None = None
    postgresql: PostgresqlRule | None = None
    mysql: MysqlRule | None = None
    rabbitmq: RabbitmqRule | None = None
    celery: CeleryRule | None = None
    systemd: SystemdRule | None = None
    interval_seconds: Seconds = 5.0
    timeout_seconds: Seconds = 2.0

    def __post_init__(self) -> None:
        if not any(getattr(self, kind) != "" and getattr(self, kind) is not None for kind in _REASONS):
            raise ValueError(f"give at least one of {', '.join(_REASONS)}")
        if self.port != "":
            parse_port(self.port)

    def rules(self) -> dict[str, Rule]:
        """The protocols that are asked, by kind."""
        given: dict[str, Rule | None] = {kind: getattr(self, kind) for kind in _PROTOCOLS}
        return {kind: rule for kind, rule in given.items() if rule}


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
        self._checks = 0
        self._duration = 0.0
        self._was_up = True
        self._lock = threading.Lock()
        self.source: Source[Outcome] = Source("/".join(labels), self.take, lambda _: target.interval_seconds, wall)

    def take(self) -> Outcome:
        """Make the check once and count it."""
        started = self._monotonic()
        found = outcome_of(self._check)
        with self._lock:
            self._duration = self._monotonic() - started
            self._checks += 1
            if not found.up:
                reason = found.reason if found.reason in self._failures else "error"
                self._failures[reason] += 1
        if found.up != self._was_up:
            self._was_up = found.up
            service, check = self.labels
            text = "service is up again" if found.up else f"service is down: {found.detail}"
            level = logging.INFO if found.up else logging.WARNING
            event(log, level, text, service=service, check=check, reason=found.reason or "none")
        return found

    def show(self, families: dict[Metric, Family]) -> None:
        """Add what is known; a check that has been waiting for too long has failed."""
        sample = self.source.sample
        late = self.source.busy() > self._late_seconds
        if sample is not None:
            families[UP].add(sample.value.up and not late, *self.labels)
            families[LAST_CHECK].add(sample.taken, *self.labels)
            if not late:
                self._show_readings(sample.value, families)
        elif late:
            families[UP].add(0, *self.labels)
        with self._lock:
            families[DURATION].add(self.source.busy() if late else self._duration, *self.labels)
            families[CHECKS].add(self._checks, *self.labels)
            for reason, count in self._failures.items():
                families[FAILURES].add(count, *self.labels, reason)

    def _show_readings(self, found: Outcome, families: dict[Metric, Family]) -> None:
        """Add what the check has measured besides."""
        if found.processes is not None and self._counts_processes:
            families[PROCESSES].add(found.processes, self.labels[0])
        for metric, value, labels in found.readings:
            families[metric].add(value, self.labels[0], *labels)


@collector("services")
class Services:
    """Shows the last outcome of every check."""

    config: ClassVar[type[CollectorConfig]] = Config
    metrics: ClassVar[tuple[Metric, ...]] = (
        UP,
        DURATION,
        PROCESSES,
        LAST_CHECK,
        CHECKS,
        FAILURES,
        *outcome.METRICS,
        *celery.METRICS,
        *rabbitmq.METRICS,
        *systemd.METRICS,
    )

    def __init__(self, config: Config) -> None:
        table = ProcessTable(config.proc_root)
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
            checks["http"] = http_check(target.http, Fetcher(target.timeout_seconds))
        return checks | {kind: rule.check(target.timeout_seconds) for kind, rule in target.rules().items()}
