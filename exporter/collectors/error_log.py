"""Errors by pattern and category, failed logins, attacks and business events, from error logs and from reports.

Each log is read on every second in the background. Patterns are the only label that strangers can invent: they are
capped per service, and what is over the cap is counted under `other`. `GET /errors` shows each pattern with one
example; `POST /errors` takes what applications report themselves.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

import msgspec

from exporter.analysis.error_categories import CATEGORIES
from exporter.analysis.log_signs import SUSPICIOUS_KINDS
from exporter.analysis.pattern_book import OTHER, Pattern, PatternBook
from exporter.answers import Answer, Refused, Route, json_answer, text_answer
from exporter.collector import CollectorConfig, collector
from exporter.families import Family, Metric
from exporter.push import Bearer, read_body
from exporter.sampler import Sampler, Source
from exporter.sources import error_rules
from exporter.sources.error_presets import PRESETS, PresetName
from exporter.sources.error_report import MAX_BODY_BYTES, ReportInvalid, pseudonym, read_report
from exporter.sources.error_state import ErrorState, Place
from exporter.sources.follow import Follower
from exporter.sources.log_levels import Level
from exporter.sources.service_errors import ServiceErrors, all_patterns
from exporter.state import KeepsState

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

_SERVICE = ("service",)
ERRORS = Metric(
    "nightshift_errors_total",
    "counter",
    "Errors by category and by the fingerprint of their pattern, other past the cap.",
    ["service", "category", "pattern"],
)
INFO = Metric(
    "nightshift_error_pattern_info",
    "info",
    "1; the text of a pattern, with <*> for what differs.",
    ["service", "pattern", "category", "template"],
)
FIRST_SEEN = Metric(
    "nightshift_error_pattern_first_seen_timestamp_seconds",
    "gauge",
    "Unix time in seconds at which a pattern was first seen, also before the last restart.",
    ["service", "pattern"],
)
NEW = Metric("nightshift_error_patterns_new_total", "counter", "Patterns that were never seen before.", _SERVICE)
DROPPED = Metric(
    "nightshift_error_patterns_dropped_total", "counter", "Errors shown as other because of the cap.", _SERVICE
)
LINES = Metric("nightshift_error_log_lines_total", "counter", "Lines of the error log.", _SERVICE)
READABLE = Metric("nightshift_error_log_readable", "gauge", "1 if the error log can be read, else 0.", _SERVICE)
LAST_LINE = Metric(
    "nightshift_error_log_last_line_timestamp_seconds",
    "gauge",
    "Unix time in seconds at which a line was last read, 0 before the first.",
    _SERVICE,
)
ROTATIONS = Metric("nightshift_error_log_rotations_total", "counter", "Rotations of the error log seen.", _SERVICE)
READ_ERRORS = Metric(
    "nightshift_error_log_read_errors_total", "counter", "Files of the error log that could not be read.", _SERVICE
)
BACKLOG = Metric("nightshift_error_log_backlog_bytes", "gauge", "Bytes written and not read yet.", _SERVICE)
REPORTS = Metric("nightshift_error_reports_total", "counter", "Errors that applications reported.", _SERVICE)
REPORT_FAILURES = Metric(
    "nightshift_error_report_failures_total", "counter", "Reports that were not taken, by reason.", ["reason"]
)
FAILED_LOGINS = Metric("nightshift_failed_logins_total", "counter", "Failed logins in the log.", _SERVICE)
SUSPICIOUS = Metric(
    "nightshift_suspicious_events_total", "counter", "Lines that show an attack, by kind.", ["service", "kind"]
)
BUSINESS = Metric(
    "nightshift_business_events_total",
    "counter",
    "Business events in the log, by kind and outcome.",
    ["service", "kind", "outcome"],
)

#: Services that reports may invent; further ones count under the default.
MAX_REPORTED_SERVICES = 50
#: Why a report is not taken, by the first three digits of the answer.
_REASONS = {"400": "malformed", "401": "unauthorized", "403": "disabled", "411": "no_length", "413": "too_large"}
_FAILURE_REASONS = (*_REASONS.values(), "error")


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A service whose error log is read.

    Attributes:
        path: the log, or several; wildcards allowed.
        preset: which program writes it; auto looks at each line.
        level: from which an entry is an error; default: warning for PHP, Drupal, nginx and Apache, else error.
        start: where to begin in a log that is there already and was never read: its end, its beginning, or that of
            its rotated files.
        max_patterns: patterns shown; errors of further ones count under `other`.
        poll_interval_seconds: between two looks at the log.
    """

    path: str | tuple[str, ...]
    preset: PresetName = "auto"
    level: Literal["default", "notice", "warning", "error", "critical"] = "default"
    start: Literal["end", "beginning", "backlog"] = "end"
    max_patterns: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100
    poll_interval_seconds: Annotated[float, msgspec.Meta(ge=0.05, le=60)] = 1.0

    def __post_init__(self) -> None:
        if not self.paths or not all(self.paths):
            raise ValueError("path: write at least one")

    @property
    def paths(self) -> tuple[str, ...]:
        """The logs, wildcards as they are written."""
        return (self.path,) if isinstance(self.path, str) else self.path


class Reports(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What `POST /errors` takes.

    Attributes:
        token_file: holds the bearer token that a reporter must send; without it nothing is taken.
        service: under which reports count that name none.
        max_body_bytes: a larger report is refused.
        max_patterns: patterns shown per service that is known by its reports alone.
    """

    token_file: str = ""
    service: str = "reported"
    max_body_bytes: Annotated[int, msgspec.Meta(ge=1024, le=1024 * 1024)] = MAX_BODY_BYTES
    max_patterns: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100


class Config(KeepsState, frozen=True):
    """The services whose error logs are read, and how reports are taken.

    Attributes:
        services: name that the series carry -> log.
        rules_file: rules of your own for categories, failed logins, attacks and business events.
        reports: what `POST /errors` takes.
    """

    services: dict[str, Target] = msgspec.field(default_factory=dict)
    rules_file: str = ""
    reports: Reports = msgspec.field(default_factory=Reports)


class Tail:
    """Reads one service's log into its sums, one turn after the other."""

    def __init__(self, service: str, target: Target, errors: ServiceErrors, state: ErrorState) -> None:
        self.service = service
        self.errors = errors
        self.follower = Follower(
            target.paths,
            from_beginning=target.start != "end",
            backlog=target.start == "backlog",
            resume=state.position(service),
        )
        errors.reopen(state.open_lines(service))
        self.follower.open()
        self._position = self.follower.position
        self._closing = False
        self.source: Source[None] = Source(
            service, self.take, lambda _: target.poll_interval_seconds, retry_seconds=target.poll_interval_seconds
        )

    @property
    def place(self) -> Place:
        """How far everything is counted; to be asked while the sums are locked."""
        return Place(self._position.encode(), self.errors.open_lines())

    def take(self) -> None:
        """Read everything that is new.

        Raises:
            OSError: the log was opened and cannot be read.
        """
        for piece in self.follower.read():
            with self.errors.lock:
                self.errors.feed(piece.data, piece.path)
                self._position = piece.position
            if self._closing:
                return
        self.errors.overdue()

    def stop(self) -> None:
        """End the turn in progress after its piece."""
        self._closing = True

    def show(self, families: Mapping[Metric, Family]) -> None:
        """Add what is known of the log itself."""
        families[LINES].add(self.errors.lines, self.service)
        families[LAST_LINE].add(self.errors.last_line, self.service)
        families[READABLE].add(self.follower.readable, self.service)
        families[ROTATIONS].add(self.follower.rotations, self.service)
        families[READ_ERRORS].add(self.follower.read_errors, self.service)
        families[BACKLOG].add(self.follower.backlog_bytes, self.service)


@collector("error_log")
class ErrorLogs:
    """Shows what every error log, and every report, adds up to."""

    config: ClassVar[type[CollectorConfig]] = Config
    paths: ClassVar[tuple[str, ...]] = ("/errors",)
    metrics: ClassVar[tuple[Metric, ...]] = (
        ERRORS,
        INFO,
        FIRST_SEEN,
        NEW,
        DROPPED,
        LINES,
        LAST_LINE,
        READABLE,
        ROTATIONS,
        READ_ERRORS,
        BACKLOG,
        REPORTS,
        REPORT_FAILURES,
        FAILED_LOGINS,
        SUSPICIOUS,
        BUSINESS,
    )

    def __init__(self, config: Config, wall: Callable[[], float] = time.time) -> None:
        rules = error_rules.load(config.rules_file)
        self._config = config
        self._wall = wall
        self._categories = rules.categorizer()
        self._signs = rules.sign_reader()
        self._bearer = Bearer(config.reports.token_file)
        self._state = ErrorState(config)
        self._user_key = self._state.user_key() if config.reports.token_file else b""
        self._failures = dict.fromkeys(_FAILURE_REASONS, 0)
        self._lock = threading.Lock()
        self._services: dict[str, ServiceErrors] = {}
        self._tails = [self._tail(name, target) for name, target in sorted(config.services.items())]
        self._save()
        self._sampler = Sampler()
        for tail in self._tails:
            self._sampler.start(tail.source)

    def routes(self) -> Mapping[str, Route]:
        """`/errors`: the patterns, and where errors are reported."""
        return {"/errors": Route(self._answer, ("GET", "HEAD", "POST"), title="Errors")}

    def collect(self) -> Iterator[Family]:
        """The sums so far; what is shown is also kept, so that a restart goes on from here."""
        self._sampler.settle()
        families = {metric: Family(metric) for metric in self.metrics}
        places = {}
        for tail in self._tails:
            with tail.errors.lock:
                tail.show(families)
                self._show(tail.service, tail.errors, families)
                places[tail.service] = tail.place
        followed = set(places)
        for name, errors in sorted(self._services.items()):
            if name not in followed:
                with errors.lock:
                    self._show(name, errors, families)
        for reason, count in self._failures.items():
            families[REPORT_FAILURES].add(count, reason)
        self._state.save_places(places)
        self._save_patterns()
        yield from families.values()

    def close(self) -> None:
        """End the reading."""
        for tail in self._tails:
            tail.stop()
        if self._sampler.close():
            for tail in self._tails:
                tail.follower.close()

    def _tail(self, name: str, target: Target) -> Tail:
        least = None if target.level == "default" else Level[target.level.upper()]
        book = self._book(name, target.max_patterns)
        errors = ServiceErrors(book, self._signs, PRESETS[target.preset], least)
        self._services[name] = errors
        return Tail(name, target, errors, self._state)

    def _book(self, name: str, max_patterns: int) -> PatternBook:
        return PatternBook(self._categories, max_patterns, self._state.patterns.get(name), self._wall())

    def _save(self) -> None:
        """Keep where reading begins, so that nothing is lost before the first scrape."""
        self._state.save_places({tail.service: tail.place for tail in self._tails})

    def _save_patterns(self) -> None:
        """Keep the patterns when there are new ones, and now and then for their counts."""
        services = dict(self._services)
        new = sum(errors.book.new for errors in services.values())
        now = self._wall()
        if self._state.patterns_are_due(new, now):
            dumps = {}
            for name, errors in services.items():
                with errors.lock:
                    dumps[name] = errors.book.dump()
            self._state.save_patterns(dumps, new, now)

    def _show(self, service: str, errors: ServiceErrors, families: Mapping[Metric, Family]) -> None:
        """Add the sums of one service."""
        for pattern in errors.book.patterns.values():
            families[ERRORS].add(pattern.count, service, pattern.category, pattern.fingerprint)
            families[INFO].add(1, service, pattern.fingerprint, pattern.category, pattern.template)
            families[FIRST_SEEN].add(pattern.first_seen, service, pattern.fingerprint)
        for category in CATEGORIES:
            other = errors.book.others.get(category)
            families[ERRORS].add(other.count if other else 0, service, category, OTHER)
        families[NEW].add(errors.book.new, service)
        families[DROPPED].add(errors.book.dropped, service)
        families[REPORTS].add(errors.reports, service)
        families[FAILED_LOGINS].add(errors.failed_logins, service)
        for attack in SUSPICIOUS_KINDS:
            families[SUSPICIOUS].add(errors.suspicious[attack], service, attack)
        for kind, outcome in self._signs.business_events:
            families[BUSINESS].add(errors.business[kind, outcome], service, kind, outcome)

    def _answer(self, environ: "WSGIEnvironment") -> Answer:
        if environ["REQUEST_METHOD"] != "POST":
            return json_answer({"services": {name: _told(errors) for name, errors in sorted(self._services.items())}})
        try:
            self._bearer.check(environ)
            answer = self._take(read_body(environ, self._config.reports.max_body_bytes))
        except Refused as refused:
            answer = refused.answer
        except ReportInvalid as error:
            answer = text_answer("400 Bad Request", str(error))
        if not answer.status.startswith("2"):
            self._failures[_REASONS.get(answer.status[:3], "error")] += 1
        return answer

    def _take(self, body: bytes) -> Answer:
        """Count the report in *body*."""
        report = read_report(body)
        service, errors = self._reported(report.service or self._config.reports.service)
        user = pseudonym(self._user_key, report.user_id) if report.user_id else ""
        pattern = errors.report(report, user)
        found = {"service": service, "fingerprint": pattern.fingerprint, "category": pattern.category}
        return json_answer(found, "202 Accepted")

    def _reported(self, name: str) -> tuple[str, ServiceErrors]:
        """The service that a report counts under, and its sums."""
        with self._lock:
            if name not in self._services and len(self._services) >= len(self._tails) + MAX_REPORTED_SERVICES:
                name = self._config.reports.service
            if name not in self._services:
                book = self._book(name, self._config.reports.max_patterns)
                self._services[name] = ServiceErrors(book, self._signs, PRESETS["plain"])
            return name, self._services[name]


def _told(errors: ServiceErrors) -> dict[str, object]:
    """A service's patterns for `GET /errors`, the most frequent first."""
    with errors.lock:
        patterns = sorted(all_patterns(errors.book), key=lambda pattern: -pattern.count)
        return {
            "dropped": errors.book.dropped,
            "patterns": [
                _pattern_told(pattern, len(errors.users.get(pattern.fingerprint, ()))) for pattern in patterns
            ],
        }


def _pattern_told(pattern: Pattern, users: int) -> dict[str, object]:
    """One pattern for `GET /errors`; *users* is how many reported it since the start, 100 for more."""
    told = msgspec.structs.asdict(pattern)
    told["count"] += told.pop("earlier")
    return {**told, "users": users}
