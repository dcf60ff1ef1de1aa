"""Whether endpoints answer, and how fast: HTTP, TCP, DNS and ICMP probes, asked for at `/probe` or on the own schedule.

`/probe` speaks as blackbox_exporter does, so Prometheus' jobs, rules and boards for that go on working. On the own
schedule one thread probes every target, and `/metrics` shows the last run of each.
"""

import re
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar

import msgspec

from exporter.answers import Answer, Route, html_answer, json_answer
from exporter.collector import CollectorConfig, collector
from exporter.families import Family, Metric
from exporter.probing import page
from exporter.probing.asking import Asking
from exporter.probing.attempt import REASONS, Attempt
from exporter.probing.failures import Failures, failure
from exporter.probing.http import HttpFacts
from exporter.probing.listener import Listener
from exporter.probing.modules import DEFAULTS, PROBERS, Module
from exporter.probing.page import Row
from exporter.probing.resolving import Resolver
from exporter.probing.schedule import Schedule, Slot
from exporter.probing.settings import host_and_port, seconds
from exporter.probing.targets import FileSource, TargetFiles, TargetGroup, Wanted, wanted
from exporter.sampler import Sampler, Source
from exporter.scrape_timeout import scrape_seconds
from exporter.sheets import Layout, Part, Rows, Sheet

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

#: Of `listen_address`; whoever comes beyond that is not listened to.
MAX_CONNECTIONS = 4000

_TARGET = ("target", "module")
UP = Metric("nightshift_probe_up", "gauge", "1 if the last probe of the target succeeded, else 0.", _TARGET)
RUNS = Metric("nightshift_probe_runs_total", "counter", "Probes of the target that are over.", _TARGET)
FAILURES = Metric("nightshift_probe_failures_total", "counter", "Probes of the target that failed.", _TARGET)
LAST_RUN = Metric(
    "nightshift_probe_last_run_timestamp_seconds", "gauge", "Unix time in seconds of the last probe's end.", _TARGET
)
FAILED_STEP = Metric(
    "nightshift_probe_failed_step", "gauge", "Number of the step at which the last probe failed, 0 if none.", _TARGET
)
DURATION = Metric(
    "nightshift_probe_duration_seconds", "gauge", "Seconds of the last probe by phase.", (*_TARGET, "phase")
)
HTTP_STATUS = Metric(
    "nightshift_probe_http_status", "gauge", "HTTP status of the last probe, 0 without a response.", _TARGET
)
EXPIRY = Metric(
    "nightshift_probe_certificate_expiry_timestamp_seconds",
    "gauge",
    "Unix time in seconds at which the first certificate of the target's chain ends, as last seen.",
    _TARGET,
)
REASON = Metric(
    "nightshift_probe_failure_reason_info",
    "gauge",
    "1 for the reason for which the last probe of the target failed.",
    (*_TARGET, "reason"),
)
BY_REASON = Metric(
    "nightshift_probe_failures_by_reason_total",
    "counter",
    "Failed probes of a module by reason, those asked for at /probe too.",
    ("module", "reason"),
)
ASKED = Metric("nightshift_probe_requests_total", "counter", "Probes that were asked for at /probe.", ["module"])
TARGETS = Metric("nightshift_probe_targets", "gauge", "Targets on the own schedule.")
INVALID = Metric("nightshift_probe_targets_invalid", "gauge", "Targets in files that cannot be probed.")
BROKEN = Metric("nightshift_probe_target_files_broken", "gauge", "Files of targets that cannot be read.")
DELAYED = Metric(
    "nightshift_probe_starts_delayed_total", "counter", "Probes that started over 1 s late, as too many were running."
)


class Config(CollectorConfig, frozen=True):
    """What may be probed, how, and what is probed on the own schedule.

    Attributes:
        modules: name -> module, beside the built-in ones.
        targets: targets on the own schedule.
        file_sd: files of further ones, as Prometheus reads them.
        interval: seconds (or `30s`) between two runs of a target.
        refresh_interval: seconds between two looks at the files.
        max_running: probes of the own schedule that run at once.
        max_requests: probes asked for at /probe that run at once.
        listen_address: `HOST:PORT` where /probe is served too, at half the cost and without taking threads of the web
            server; plain HTTP without names and passwords; empty for nowhere.
        keep_failures: failures that are kept of each target.
        allow_targets: regular expressions for targets (and redirects) that /probe may be asked for; none: any.
    """

    modules: dict[str, Module] = msgspec.field(default_factory=dict)
    targets: tuple[TargetGroup, ...] = ()
    file_sd: tuple[FileSource, ...] = ()
    interval: float | str = 30
    refresh_interval: float | str = 5
    max_running: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 256
    max_requests: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 3
    listen_address: str = ""
    keep_failures: Annotated[int, msgspec.Meta(ge=0, le=100)] = 5
    allow_targets: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("interval", "refresh_interval"):
            if not 0.1 <= seconds(getattr(self, name)) <= 86400:
                raise ValueError(f"{name} is {getattr(self, name)}; write 0.1 to 86400 seconds")
        for pattern in self.allow_targets:
            try:
                re.compile(pattern)
            except (re.error, OverflowError, RecursionError) as error:
                raise ValueError(f"allow_targets: {pattern!r} is no regular expression: {error}") from error
        if self.listen_address:
            host_and_port(self.listen_address)
        _, problems = wanted(self.targets, self.known_modules(), seconds(self.interval))
        if problems:
            raise ValueError(f"targets: {problems[0]}")

    def known_modules(self) -> Mapping[str, Module]:
        """The modules with the built-in ones."""
        return {**DEFAULTS, **self.modules}


class Counts:
    """How often what failed and was asked for, of the modules in use; safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asked: dict[str, int] = {}
        self._failed: dict[str, dict[str, int]] = {}

    def use(self, modules: Iterable[str]) -> None:
        """Show *modules* from now on, beginning with 0."""
        with self._lock:
            for module in modules:
                self._asked.setdefault(module, 0)
                self._failed.setdefault(module, dict.fromkeys(REASONS, 0))

    def asked(self, module: str) -> None:
        """Count a probe that was asked for."""
        self.use([module])
        with self._lock:
            self._asked[module] += 1

    def failed(self, module: str, reason: str) -> None:
        """Count a failure of a module in use."""
        with self._lock:
            self._failed[module][reason] += 1

    def families(self) -> list[Family]:
        """Both as families."""
        asked, failed = Family(ASKED), Family(BY_REASON)
        with self._lock:
            for module, count in self._asked.items():
                asked.add(count, module)
                for reason, failures in self._failed[module].items():
                    failed.add(failures, module, reason)
        return [asked, failed]


@collector("probes")
class Probes:
    """Shows the last run of every target on the schedule, and answers `/probe` and `/probes`."""

    config: ClassVar[type[CollectorConfig]] = Config
    metrics: ClassVar[tuple[Metric, ...]] = (
        *(UP, RUNS, FAILURES, LAST_RUN, FAILED_STEP, DURATION, HTTP_STATUS, EXPIRY, REASON),
        *(BY_REASON, ASKED, TARGETS, INVALID, BROKEN, DELAYED),
    )
    paths: ClassVar[tuple[str, ...]] = ("/probe", "/probes")

    def __init__(self, config: Config) -> None:
        self._config = config
        self._modules = config.known_modules()
        self._failures = Failures(config.keep_failures)
        self._counts = Counts()
        resolver = Resolver()
        self._asking = Asking(self._modules, resolver, config.allow_targets, config.max_requests, self._was_asked)
        self._schedule = Schedule(resolver, config.max_running, self._ran)
        if config.listen_address:
            listener = Listener(self._asking, config.listen_address, MAX_CONNECTIONS, scrape_seconds)
            self._schedule.serve(listener.task)
        self._files = TargetFiles(config.file_sd)
        self._scheduled = self._invalid = 0
        self._sampler = Sampler()
        self._layout: tuple[list[tuple[Wanted, bool]], Layout] = ([], Layout(()))
        if config.file_sd:
            every = seconds(config.refresh_interval)
            self._sampler.start(Source("probe targets", self._refresh, lambda _: every, retry_seconds=every))
        else:
            self._replace()

    def collect(self) -> Iterator[Part]:
        """The last run of every target that has had one, and the counts."""
        self._sampler.settle()
        slots = [(slot, slot.last) for slot in self._schedule.slots.values()]
        yield self._sheet([(slot, last) for slot, last in slots if last is not None])
        reasons = Family(REASON)
        for slot, last in slots:
            if last is not None and not last.ok:
                reasons.add(1, *slot.wanted.key, last.reason)
        yield reasons
        yield from self._counts.families()
        yield Family(TARGETS, self._scheduled)
        yield Family(INVALID, self._invalid)
        yield Family(BROKEN, len(self._files.broken))
        yield Family(DELAYED, self._schedule.delayed)

    def routes(self) -> Mapping[str, Route]:
        """`/probe`, and `/probes` with the last failures."""
        return {"/probe": Route(self._probe), "/probes": Route(self._page, title="Probes and their last failures")}

    def close(self) -> None:
        """End the schedule and what runs on it."""
        self._sampler.close()
        self._schedule.close()

    def _probe(self, environ: "WSGIEnvironment") -> Answer:
        return self._asking.answer(environ, scrape_seconds(environ.get("HTTP_X_PROMETHEUS_SCRAPE_TIMEOUT_SECONDS", "")))

    def _page(self, environ: "WSGIEnvironment") -> Answer:
        rows = self._rows()
        asked = environ.get("QUERY_STRING", "").split("&")
        if "format=json" in asked or "text/html" not in environ.get("HTTP_ACCEPT", ""):
            return json_answer({"targets": rows})
        return html_answer(page.page(rows))

    def _rows(self) -> list[Row]:
        slots = self._schedule.slots
        rows = []
        for key, slot in slots.items():
            last = slot.last
            state = "up" if last is None or last.ok else "down"
            rows.append(Row(*key, state, last.duration if last else None, self._failures.of(key)))
        asked = [
            Row(*key, "asked", None, self._failures.of(key)) for key in self._failures.failed() if key not in slots
        ]
        return rows + asked

    def _ran(self, slot: Slot, attempt: Attempt) -> None:
        """Keep what a run of the schedule gave."""
        if not attempt.ok:
            self._keep(slot.wanted.target, slot.wanted.module_name, slot.wanted.module, attempt)

    def _was_asked(self, target: str, name: str, module: Module, attempt: Attempt) -> None:
        self._counts.asked(name)
        if not attempt.ok:
            self._keep(target, name, module, attempt)

    def _keep(self, target: str, name: str, module: Module, attempt: Attempt) -> None:
        self._counts.failed(name, attempt.reason)
        self._failures.add((target, name), failure(attempt, module, time.time()))

    def _refresh(self) -> int:
        """Look at the files; how many cannot be read."""
        if self._files.refresh() or not self._schedule.slots:
            self._replace()
        return len(self._files.broken)

    def _replace(self) -> None:
        groups = [*self._config.targets, *self._files.groups()]
        found, problems = wanted(groups, self._modules, seconds(self._config.interval))
        self._scheduled, self._invalid = len(found), len(problems)
        self._counts.use(sorted({one.module_name for one in found}))
        self._schedule.replace(found)

    def _sheet(self, slots: Sequence[tuple[Slot, Attempt]]) -> Sheet:
        """The families that have a series for every target."""
        names = [(slot.wanted, slot.expiry > 0) for slot, _ in slots]
        known, layout = self._layout
        if names != known:
            layout = Layout(_rows(names))
            self._layout = (names, layout)
        return Sheet(layout, _values(slots))


def _rows(names: Sequence[tuple[Wanted, bool]]) -> Rows:
    """The series of the targets on the schedule; the flag says whether a certificate was seen."""
    keys = [wanted.key for wanted, _ in names]
    phases = [(*one.key, phase) for one, _ in names for phase in PROBERS[one.module.prober].phases]
    return [
        *((metric, keys) for metric in (UP, RUNS, FAILURES, LAST_RUN, FAILED_STEP)),
        (DURATION, phases),
        (HTTP_STATUS, [one.key for one, _ in names if one.module.prober == "http"]),
        (EXPIRY, [one.key for one, certified in names if certified]),
    ]


def _values(slots: Sequence[tuple[Slot, Attempt]]) -> list[float]:
    """The values of `_rows`."""
    return [
        *(int(last.ok) for _, last in slots),
        *(slot.runs for slot, _ in slots),
        *(slot.failures for slot, _ in slots),
        *(slot.ended for slot, _ in slots),
        *(0 if last.ok else last.step for _, last in slots),
        *(last.phases.get(phase, 0.0) for slot, last in slots for phase in slot.wanted.module.kind.phases),
        *(_status(last) for slot, last in slots if slot.wanted.module.prober == "http"),
        *(slot.expiry for slot, _ in slots if slot.expiry > 0),
    ]


def _status(last: Attempt) -> int:
    facts = last.facts
    return facts.response.status if isinstance(facts, HttpFacts) and facts.response else 0
