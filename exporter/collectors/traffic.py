"""Golden signals from access logs: requests, latency, errors and bytes by route.

Each log has a thread of its own that reads on every second. Routes are the only label that strangers can invent:
they are normalised and capped, and what is over the cap is counted under `other`.
"""

import threading
import time
from bisect import bisect_left
from collections.abc import Callable, Iterator
from typing import ClassVar, Literal

import msgspec

from exporter.collector import CollectorConfig, collector
from exporter.families import DEFAULT_BUCKETS, Family, Histogram, Metric
from exporter.sampler import Sampler, Source
from exporter.sources.access_log import LINE, OTHER_ROUTE, method_of, route_of, without_identifiers
from exporter.sources.follow import Follower

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

#: Shown as 0 from a route's first request on, so that the first error is an increase.
STATUSES = ("2xx", "3xx", "4xx", "5xx")
#: Kept texts of requests and of request times; a full memory is emptied (a guard against invented paths).
KEPT_REQUESTS = 2048
KEPT_TIMES = 2048


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A service whose access log is read.

    Attributes:
        path: the log, in combined format, with the request time in seconds after it or without.
        start: where to begin in a log that is there already: its end, or its beginning.
        buckets: upper limits of the latency buckets in seconds, ascending.
        max_routes: routes shown; requests of further ones count under `other`.
        poll_interval_seconds: between two looks at the log.
    """

    path: str
    start: Literal["end", "beginning"] = "end"
    buckets: tuple[float, ...] = DEFAULT_BUCKETS
    max_routes: int = 50
    poll_interval_seconds: float = 1.0

    def __post_init__(self) -> None:
        ascending = all(low < high for low, high in zip(self.buckets, self.buckets[1:], strict=False))
        if not ascending or not self.buckets or self.buckets[0] <= 0 or len(self.buckets) > 40:
            raise ValueError("buckets: write 1 to 40 positive limits in seconds, ascending")
        if not 1 <= self.max_routes <= 1000:
            raise ValueError(f"max_routes is {self.max_routes}; write 1 to 1000")
        if not 0.05 <= self.poll_interval_seconds <= 60:
            raise ValueError(f"poll_interval_seconds is {self.poll_interval_seconds}; write 0.05 to 60")


class Config(CollectorConfig, frozen=True):
    """The services whose logs are read, by the name that their series carry.

    Attributes:
        services: name -> log.
    """

    services: dict[str, Target] = msgspec.field(default_factory=dict)


class Route:
    """What is summed per route."""

    __slots__ = ("bytes", "durations", "name")

    def __init__(self, name: str, buckets: tuple[float, ...]) -> None:
        self.name = name
        self.bytes = 0
        self.durations = Histogram(buckets)


class Cell:
    """Requests of one route, method and class of status."""

    __slots__ = ("count", "route")

    def __init__(self, route: Route) -> None:
        self.route = route
        self.count = 0


class Ledger:
    """The sums of one service's log, filled chunk by chunk; *wall* is the clock of the last line, in seconds."""

    def __init__(self, service: str, target: Target, wall: Callable[[], float] = time.time) -> None:
        self.lines = 0
        self.unparsed = 0
        self.dropped = 0
        self._service = service
        self._target = target
        self._wall = wall
        self._last_line = 0.0
        self._lock = threading.Lock()
        self._routes: dict[str, Route] = {}
        self._cells: dict[tuple[str, str, str], Cell] = {}
        self._requests: dict[tuple[bytes, bytes, bytes], tuple[Cell, bool]] = {}
        self._times: dict[bytes, tuple[int, float]] = {}

    def feed(self, chunk: bytes) -> None:
        """Add the lines of *chunk*, which ends with a line feed."""
        lines = chunk.count(b"\n")
        found = LINE.findall(chunk)
        with self._lock:
            self.lines += lines
            self.unparsed += lines - len(found)
            self._last_line = self._wall()
            self._sum(found)

    def _sum(self, found: list[tuple[bytes, bytes, bytes, bytes, bytes]]) -> None:
        """Add parsed lines; the one loop that runs per line, hence no calls in it but for what is new."""
        requests, times = self._requests, self._times
        for method, path, status, size, seconds in found:
            known = requests.get((method, path, status))
            if known is None:
                known = self._remember(method, path, status)
            cell, dropped = known
            cell.count += 1
            self.dropped += dropped
            route = cell.route
            if size != b"-":
                route.bytes += int(size)
            if seconds:
                place = times.get(seconds)
                if place is None:
                    place = self._place(seconds)
                route.durations.counts[place[0]] += 1
                route.durations.total += place[1]

    def _remember(self, method: bytes, path: bytes, status: bytes) -> tuple[Cell, bool]:
        """The cell of a request, and whether its route is over the cap; kept by its path without identifiers."""
        request = (method, without_identifiers(path), status)
        return self._requests.get(request) or self._open(request)

    def _open(self, request: tuple[bytes, bytes, bytes]) -> tuple[Cell, bool]:
        method, path, status = request
        name = route_of(path)
        dropped = name not in self._routes and name != OTHER_ROUTE and len(self._routes) >= self._target.max_routes
        route = self._route(OTHER_ROUTE if dropped else name)
        cell = self._cell(route, method_of(method), f"{chr(status[0])}xx")
        if len(self._requests) >= KEPT_REQUESTS:
            self._requests.clear()
        self._requests[request] = (cell, dropped)
        return cell, dropped

    def _route(self, name: str) -> Route:
        if name not in self._routes:
            self._routes[name] = Route(name, self._target.buckets)
        return self._routes[name]

    def _cell(self, route: Route, method: str, status: str) -> Cell:
        for known in (*STATUSES, status):
            self._cells.setdefault((route.name, method, known), Cell(route))
        return self._cells[route.name, method, status]

    def _place(self, seconds: bytes) -> tuple[int, float]:
        """The bucket of a request time, and the time."""
        if len(self._times) >= KEPT_TIMES:
            self._times.clear()
        value = float(seconds)
        place = self._times[seconds] = (bisect_left(self._target.buckets, value), value)
        return place

    def show(self, families: dict[Metric, Family]) -> None:
        """Add all sums to these families."""
        service = self._service
        with self._lock:
            for (route, method, status), cell in self._cells.items():
                families[REQUESTS].add(cell.count, service, route, method, status)
            for route, sums in self._routes.items():
                families[BYTES].add(sums.bytes, service, route)
                families[DURATION].add_histogram(sums.durations, service, route)
            families[LINES].add(self.lines, service)
            families[UNPARSED].add(self.unparsed, service)
            families[DROPPED].add(self.dropped, service)
            families[LAST_LINE].add(self._last_line, service)


class Tail:
    """Reads one service's log into its ledger, one turn after the other."""

    def __init__(self, service: str, target: Target) -> None:
        self.service = service
        self.ledger = Ledger(service, target)
        self._follower = Follower([target.path], from_beginning=target.start == "beginning")
        self._closing = False
        self.source: Source[None] = Source(
            service, self.take, lambda _: target.poll_interval_seconds, retry_seconds=target.poll_interval_seconds
        )

    @property
    def readable(self) -> bool:
        """Whether the log could be opened at the last turn."""
        return self._follower.readable

    def take(self) -> None:
        """Read everything that is new.

        Raises:
            OSError: the log was opened and cannot be read.
        """
        for piece in self._follower.read():
            self.ledger.feed(piece.data)
            if self._closing:
                return

    def stop(self) -> None:
        """End the turn in progress after its chunk."""
        self._closing = True

    def close(self) -> None:
        """Give the descriptors back; to be called when no turn is in progress."""
        self._follower.close()


@collector("traffic")
class Traffic:
    """Shows the sums of every log."""

    config: ClassVar[type[CollectorConfig]] = Config
    metrics: ClassVar[tuple[Metric, ...]] = (
        REQUESTS,
        DURATION,
        BYTES,
        LINES,
        UNPARSED,
        DROPPED,
        LAST_LINE,
        READABLE,
    )

    def __init__(self, config: Config) -> None:
        self._sampler = Sampler()
        self._tails = [Tail(name, target) for name, target in sorted(config.services.items())]
        for tail in self._tails:
            self._sampler.start(tail.source)

    def collect(self) -> Iterator[Family]:
        """The sums so far; the first scrape waits until every log was looked at once."""
        self._sampler.settle()
        families = {metric: Family(metric) for metric in self.metrics}
        for tail in self._tails:
            tail.ledger.show(families)
            families[READABLE].add(tail.readable, tail.service)
        yield from families.values()

    def close(self) -> None:
        """End the reading."""
        for tail in self._tails:
            tail.stop()
        if self._sampler.close():
            for tail in self._tails:
                tail.close()
