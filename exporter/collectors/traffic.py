"""Golden signals from access logs: requests, latency, errors and bytes by route.

Each log has a thread of its own that reads on every second. Routes are the only label that strangers can invent:
they are normalised and capped, and what is over the cap is counted under `other`.
"""

import logging
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Annotated, ClassVar, Literal
from urllib.parse import quote

import msgspec

from chassis.logs import event
from exporter.analysis.bimodality import bimodality
from exporter.analysis.quantiles import tail_quotient
from exporter.collector import CollectorConfig, collector
from exporter.families import DEFAULT_BUCKETS, Family, Metric
from exporter.sampler import Sampler, Source
from exporter.sources.follow import Follower
from exporter.sources.ledger import Ledger, Route, Scheme
from exporter.sources.log_formats import format_named
from exporter.sources.log_position import Position, resumed
from exporter.sources.routes import Routes
from exporter.state import KeepsState, StateFile, state_file

log = logging.getLogger(__name__)

_SERVICE = ("service",)
_ROUTE = ("service", "route")
REQUESTS = Metric(
    "nightshift_http_requests_total",
    "counter",
    "Requests by route, method and class of status.",
    ["service", "route", "method", "status"],
)
DURATION = Metric("nightshift_http_request_duration_seconds", "histogram", "Request time in seconds.", _ROUTE)
BYTES = Metric("nightshift_http_response_bytes_total", "counter", "Bytes of response bodies.", _ROUTE)
LINES = Metric("nightshift_traffic_lines_total", "counter", "Lines of the access log.", _SERVICE)
UNPARSED = Metric(
    "nightshift_traffic_unparsed_lines_total", "counter", "Lines that are not in the log's format.", _SERVICE
)
DROPPED = Metric(
    "nightshift_traffic_routes_dropped_total",
    "counter",
    "Requests whose route is shown as other because of the cap.",
    _SERVICE,
)
LAST_LINE = Metric(
    "nightshift_traffic_last_line_timestamp_seconds",
    "gauge",
    "Unix time in seconds at which a line was last read, 0 before the first.",
    _SERVICE,
)
READABLE = Metric("nightshift_traffic_log_readable", "gauge", "1 if the log can be read, else 0.", _SERVICE)

ROTATIONS = Metric(
    "nightshift_traffic_log_rotations_total",
    "counter",
    "Times that the log was renamed, replaced or emptied.",
    _SERVICE,
)
READ_ERRORS = Metric(
    "nightshift_traffic_log_read_errors_total", "counter", "Times that a file of the log could not be read.", _SERVICE
)
BACKLOG = Metric(
    "nightshift_traffic_log_backlog_bytes", "gauge", "Bytes written to the log and not read yet.", _SERVICE
)
BIMODALITY = Metric(
    "nightshift_http_request_duration_bimodality",
    "gauge",
    "Whether request times of the window are of two kinds: 1 for two times only, above 5/9 likely, 1/3 for one hump.",
    _ROUTE,
)
TAIL = Metric(
    "nightshift_http_request_duration_tail_quotient",
    "gauge",
    "How many times the median the 99th percentile of the window's request times is.",
    _ROUTE,
)
OUTLIERS = Metric(
    "nightshift_http_request_outliers_total",
    "counter",
    "Requests that took over five deviations (MAD) longer than the median of the window before.",
    _ROUTE,
)


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A service whose access logs are read.

    Attributes:
        path: the log, or several; wildcards allowed.
        format: combined (with or without the request time in seconds after it), combined_milliseconds,
            combined_microseconds (Apache's %D), common, nginx_json, caddy_json, traefik_json, or nginx's log_format.
        start: where to begin in a log that is there already: its end, its beginning, or that of its rotated files.
        routes: templates of paths that are one route, as /user/{id} or /shop/*; the first that fits counts.
        find_routes: whether other paths are shown by their own words, without identifiers; else they are `other`.
        max_routes: routes shown besides templates; requests of further ones count under `other`.
        buckets: upper limits of the latency buckets in seconds, ascending.
        window_seconds: for which time bimodality and tail quotient are told.
        poll_interval_seconds: between two looks at the log.
    """

    path: str | tuple[str, ...]
    format: str = "combined"
    start: Literal["end", "beginning", "backlog"] = "end"
    routes: tuple[str, ...] = ()
    find_routes: bool = True
    max_routes: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 50
    buckets: tuple[float, ...] = DEFAULT_BUCKETS
    window_seconds: Annotated[float, msgspec.Meta(ge=10, le=86_400)] = 300.0
    poll_interval_seconds: Annotated[float, msgspec.Meta(ge=0.05, le=60)] = 1.0

    def __post_init__(self) -> None:
        ascending = all(low < high for low, high in pairwise(self.buckets))
        if not ascending or not self.buckets or self.buckets[0] <= 0 or len(self.buckets) > 40:
            raise ValueError("buckets: write 1 to 40 positive limits in seconds, ascending")
        if not self.paths or not all(self.paths):
            raise ValueError("path: write at least one")
        self.scheme()

    @property
    def paths(self) -> tuple[str, ...]:
        """The logs, wildcards as they are written."""
        return (self.path,) if isinstance(self.path, str) else self.path

    def scheme(self) -> Scheme:
        """How the log is read and summed.

        Raises:
            ValueError: the format or a template of routes is none.
        """
        routes = Routes(self.routes, found=self.find_routes)
        return Scheme(format_named(self.format), routes, self.buckets, self.max_routes, self.window_seconds)


class Config(KeepsState, frozen=True):
    """The services whose logs are read, by the name that their series carry.

    Attributes:
        services: name -> log.
    """

    services: dict[str, Target] = msgspec.field(default_factory=dict)


class Tail:
    """Reads one service's log into its ledger, one turn after the other; *kept* is where it goes on after a restart."""

    def __init__(self, service: str, target: Target, kept: StateFile) -> None:
        self.service = service
        self._paths = target.paths
        self._kept = kept
        self._follower = Follower(
            target.paths,
            from_beginning=target.start != "end",
            backlog=target.start == "backlog",
            resume=resumed(kept.load(), service=service),
        )
        self.ledger: Ledger[Position] = Ledger(target.scheme(), self._follower.position)
        self._saved: Position | None = None
        self._missing = False
        self._closing = False
        self.source: Source[None] = Source(
            service, self.take, lambda _: target.poll_interval_seconds, retry_seconds=target.poll_interval_seconds
        )

    def take(self) -> None:
        """Read everything that is new.

        Raises:
            OSError: the log was opened and cannot be read.
        """
        if self._saved is None:
            # Before the first line, so that no line is lost if the first scrape never comes.
            self._follower.open()
            self.ledger.mark = self._follower.position
            self._save(self._follower.position)
        for piece in self._follower.read():
            self.ledger.feed(piece.data, piece.position)
            if self._closing:
                return
        self._tell()

    def _tell(self) -> None:
        """Log that there is nothing to read, once, and when there is again."""
        missing = not self._follower.readable
        if missing and not self._missing:
            paths = ", ".join(self._paths)
            text = "no log can be read; check path, wildcards and permissions of its files and folders"
            event(log, logging.WARNING, text, service=self.service, path=paths)
        self._missing = missing

    def show(self, families: Mapping[Metric, Family]) -> None:
        """Add all sums, and keep the position that they go up to."""
        ledger, service = self.ledger, self.service
        with ledger.settled():
            _show_sums(ledger, service, families)
            position = ledger.mark
        families[READABLE].add(self._follower.readable, service)
        families[ROTATIONS].add(self._follower.rotations, service)
        families[READ_ERRORS].add(self._follower.read_errors, service)
        families[BACKLOG].add(self._follower.backlog_bytes, service)
        if self._saved is not None:
            self._save(position)

    def _save(self, position: Position) -> None:
        if position != self._saved:
            self._saved = position
            self._kept.save(position.encode())

    def stop(self) -> None:
        """End the turn in progress after its chunk."""
        self._closing = True

    def close(self) -> None:
        """Give the descriptors back; to be called when no turn is in progress."""
        self._follower.close()


def _show_sums(ledger: Ledger[Position], service: str, families: Mapping[Metric, Family]) -> None:
    """Add the sums of *ledger*, which is settled."""
    for cell, count in ledger.cells.items():
        families[REQUESTS].add(count, service, *cell)
    for route in ledger.routes.values():
        _show_route(route, (service, route.name), families)
    families[LINES].add(ledger.lines, service)
    families[UNPARSED].add(ledger.unparsed, service)
    families[DROPPED].add(ledger.dropped, service)
    families[LAST_LINE].add(ledger.last_line, service)


def _show_route(route: Route, labels: tuple[str, str], families: Mapping[Metric, Family]) -> None:
    families[BYTES].add(route.bytes, *labels)
    families[DURATION].add_histogram(route.durations, *labels)
    families[OUTLIERS].add(route.outliers, *labels)
    observed = route.observed()
    if observed:
        families[TAIL].add(tail_quotient(route.durations.bounds, observed).value, *labels)
    if sum(map(bool, observed)) > 1:
        families[BIMODALITY].add(bimodality(observed).value, *labels)


@collector("traffic")
class Traffic:
    """Shows the sums of every log."""

    config: ClassVar[type[CollectorConfig]] = Config
    metrics: ClassVar[tuple[Metric, ...]] = (
        REQUESTS,
        DURATION,
        BYTES,
        BIMODALITY,
        TAIL,
        OUTLIERS,
        LINES,
        UNPARSED,
        DROPPED,
        LAST_LINE,
        READABLE,
        ROTATIONS,
        READ_ERRORS,
        BACKLOG,
    )

    def __init__(self, config: Config) -> None:
        self._sampler = Sampler()
        self._tails = [
            Tail(name, target, state_file(config, f"traffic-{quote(name, safe='')}.position"))
            for name, target in sorted(config.services.items())
        ]
        for tail in self._tails:
            self._sampler.start(tail.source)

    def collect(self) -> Iterator[Family]:
        """The sums so far; the first scrape waits until every log was looked at once."""
        self._sampler.settle()
        families = {metric: Family(metric) for metric in self.metrics}
        for tail in self._tails:
            tail.show(families)
        yield from families.values()

    def close(self) -> None:
        """End the reading."""
        for tail in self._tails:
            tail.stop()
        if self._sampler.close():
            for tail in self._tails:
                tail.close()
