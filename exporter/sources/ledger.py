"""The sums of one access log: requests, bytes, request times and outliers by route, filled chunk by chunk.

A line costs one look-up: its row is put with those of its route and method. The columns of all rows of a group are
summed later, each by one call, which is three times quicker than adding line by line.
"""

import re
import threading
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, TypeVar

from exporter.analysis.outliers import above, fence
from exporter.analysis.windows import PARTS, Window
from exporter.families import Exemplar, Histogram
from exporter.sources.access_log import Cell, LineFormat, Row
from exporter.sources.routes import OTHER_ROUTE, Routes, method_of, without_identifiers

Mark = TypeVar("Mark")

Taker = Callable[[Row], None]

#: Shown as 0 from a route's first request on, so that the first error is an increase.
STATUSES = ("2xx", "3xx", "4xx", "5xx")
#: Rows that wait to be summed (measured: fewer cost calls, more do not fit into the processor's cache).
WAITING_ROWS = 2048
#: Kept texts of requests and of request times; a full memory is emptied (a guard against invented paths).
KEPT_REQUESTS = 2048
KEPT_TIMES = 2048
#: Longer requests are not kept.
KEPT_LENGTH = 512
#: Fewer request times in the window do not tell what is usual.
MIN_OBSERVATIONS = 100


_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")


class Route:
    """What is summed per route.

    Attributes:
        outliers: requests that took far longer than usual, by median and MAD of the window before.
    """

    __slots__ = ("bytes", "durations", "name", "outliers", "window")

    def __init__(self, name: str, buckets: tuple[float, ...], window: Window) -> None:
        self.name = name
        self.bytes = 0
        self.outliers = 0
        self.durations = Histogram(buckets)
        self.window = window

    def observed(self) -> list[int]:
        """The counts of the window's request times; none where they are too few to tell anything."""
        counts = self.window.counts(self.durations.counts)
        return counts if sum(counts) >= MIN_OBSERVATIONS else []

    def turn(self, now: float) -> None:
        """End a part of the window: count its outliers by what was usual before it."""
        usual = self.window.before()
        if sum(usual) >= MIN_OBSERVATIONS:
            limit = fence(self.durations.bounds, usual).value
            self.outliers += above(self.durations.bounds, self.window.recent(self.durations.counts), limit)
        self.window.turn(self.durations.counts, now)


class Group:
    """The rows of one route and method that wait to be summed; *dropped* where the route is over the cap."""

    __slots__ = ("dropped", "method", "route", "rows")

    def __init__(self, route: Route, method: str, *, dropped: bool) -> None:
        self.route = route
        self.method = method
        self.dropped = dropped
        self.rows: list[Row] = []


class Places(dict[Cell, int | None]):
    """The bucket of each request time as it is written, found at the first look-up; none for a missing one."""

    def __init__(self, bounds: Sequence[float], per_second: float) -> None:
        super().__init__()
        self._bounds = bounds
        self._per_second = per_second

    def __missing__(self, written: Cell) -> int | None:
        if len(self) >= KEPT_TIMES:
            self.clear()
        place = None if written == b"" else bisect_left(self._bounds, float(written) / self._per_second)
        self[written] = place
        return place


@dataclass(frozen=True, slots=True)
class Scheme:
    """How a log is read and summed.

    Attributes:
        form: the format of its lines.
        routes: what gives paths their routes.
        buckets: upper limits of the buckets of request times, in seconds.
        max_routes: routes that are found; further ones count under `other`, those of templates always have room.
        window_seconds: for which time the shape of request times is told.
    """

    form: LineFormat
    routes: Routes
    buckets: tuple[float, ...]
    max_routes: int
    window_seconds: float = 300.0


class Ledger(Generic[Mark]):
    """The sums of one log; *wall* and *monotonic* are clocks in seconds. Read them between the ends of `settled`.

    Attributes:
        mark: what was fed with the last chunk.
        lines, unparsed, dropped: lines, those in another format, and requests whose route is over the cap.
        last_line: Unix time at which the last line was read, 0 before the first.
        cells: requests by route, method and class of status.
        routes: what is summed by route.
    """

    def __init__(
        self,
        scheme: Scheme,
        mark: Mark,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.mark = mark
        self.lines = 0
        self.unparsed = 0
        self.dropped = 0
        self.last_line = 0.0
        self.cells: dict[tuple[str, str, str], int] = {}
        self.routes: dict[str, Route] = {}
        self._scheme = scheme
        self._wall = wall
        self._monotonic = monotonic
        self._next_turn = monotonic() + scheme.window_seconds / PARTS
        self._lock = threading.Lock()
        self._places = Places(scheme.buckets, scheme.form.per_second)
        self._groups: dict[tuple[str, str, bool], Group] = {}
        self._waiting = 0
        #: Rows without a request, and rows whose request is seen for the first time.
        self._odd: list[Row] = []
        self._new: list[Row] = []
        #: What takes the row of a request, by the request as it is written and by the one without identifiers.
        self._known: dict[bytes, Taker] = {b"": self._odd.append}
        self._normal: dict[bytes, Taker] = {}

    def feed(self, chunk: bytes, mark: Mark) -> None:
        """Add the lines of *chunk*, which ends with a line feed, and keep *mark*."""
        lines = chunk.count(b"\n")
        rows = self._scheme.form.rows(chunk, lines)
        with self._lock:
            self.mark = mark
            self.lines += lines
            self.last_line = self._wall()
            self._sort(rows)
            again = self._scheme.form.second_look(b"".join([row[-1] for row in self._odd])) if self._odd else ()
            self.unparsed += max(0, lines - len(rows) + len(self._odd) - len(again))
            self._odd.clear()
            self._sort(again)
            if self._waiting >= WAITING_ROWS:
                self._settle()

    @contextmanager
    def settled(self) -> Iterator[None]:
        """Within, the sums have all lines that were fed and do not change."""
        with self._lock:
            self._settle()
            yield

    def _sort(self, rows: Sequence[Row]) -> None:
        """Put rows with those of their route and method; the first loop is the one that runs per line."""
        self._waiting += len(rows)
        taker, new = self._known.get, self._new.append
        for row in rows:
            taker(row[0], new)(row)
        if self._new:
            self._sort_new()

    def _sort_new(self) -> None:
        """Put rows of unknown requests: identifiers are taken out of all at once, for a call costs more than a path."""
        normal = without_identifiers(b"\n".join([row[0] for row in self._new])).split(b"\n")
        for request, row in zip(normal, self._new, strict=True):
            take = self._normal.get(request)
            if take is None:
                take = self._group(request).rows.append
                _keep(self._normal, request, take)
            if request == row[0]:
                _keep(self._known, request, take)
            take(row)
        self._known[b""] = self._odd.append
        self._new.clear()

    def _group(self, request: bytes) -> Group:
        """The group of a request without identifiers."""
        method, _, path = request.partition(b" ")
        routes = self._scheme.routes
        name = routes.of(path)
        kept = name in self.routes or name == OTHER_ROUTE or name in routes.templates
        dropped = not kept and len(self.routes.keys() - routes.templates) >= self._scheme.max_routes
        key = (OTHER_ROUTE if dropped else name, method_of(method), dropped)
        if key not in self._groups:
            self._groups[key] = Group(self._route(key[0]), key[1], dropped=dropped)
        return self._groups[key]

    def _route(self, name: str) -> Route:
        if name not in self.routes:
            buckets = self._scheme.buckets
            window = Window(self._scheme.window_seconds, len(buckets) + 1, self._monotonic())
            self.routes[name] = Route(name, buckets, window)
        return self.routes[name]

    def _settle(self) -> None:
        """Sum all rows that wait; end a part of the window when it is time."""
        for group in self._groups.values():
            if group.rows:
                self._sum(group)
        self._waiting = 0
        now = self._monotonic()
        if now >= self._next_turn:
            self._next_turn = now + self._scheme.window_seconds / PARTS
            for route in self.routes.values():
                route.turn(now)

    def _sum(self, group: Group) -> None:
        route, form = group.route, self._scheme.form
        _, statuses, sizes, times, traces, _ = zip(*group.rows, strict=True)
        if group.dropped:
            self.dropped += len(group.rows)
        group.rows.clear()
        self._count(route.name, group.method, Counter(statuses))
        route.bytes += form.total_size(sizes)
        route.durations.total += form.total_time(times) / form.per_second
        place = self._places.__getitem__
        for bucket, count in Counter(map(place, times)).items():
            if bucket is not None:
                route.durations.counts[bucket] += count
        if form.traced:
            seen = {place(time): (time, trace) for time, trace in zip(times, traces, strict=True) if trace}
            for bucket, (time, trace) in seen.items():
                if bucket is not None:
                    exemplar = Exemplar(trace_labels(trace), float(time) / form.per_second, self.last_line)
                    route.durations.exemplars[bucket] = exemplar

    def _count(self, route: str, method: str, statuses: Counter[Cell]) -> None:
        for known in STATUSES:
            self.cells.setdefault((route, method, known), 0)
        for status, count in statuses.items():
            key = (route, method, f"{int(status) // 100}xx")
            self.cells[key] = self.cells.get(key, 0) + count


def _keep(kept: dict[bytes, Taker], request: bytes, take: Taker) -> None:
    """Remember what takes a request's rows."""
    if len(kept) >= KEPT_REQUESTS:
        kept.clear()
    if len(request) <= KEPT_LENGTH:
        kept[request] = take


def trace_labels(trace: bytes) -> tuple[tuple[str, str], ...]:
    """The labels of an exemplar: of a traceparent its trace and span, else the trace as it is."""
    text = trace.decode("ascii")
    parent = _TRACEPARENT.fullmatch(text)
    return (("trace_id", parent[1]), ("span_id", parent[2])) if parent else (("trace_id", text),)
