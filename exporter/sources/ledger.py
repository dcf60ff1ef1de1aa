"""The sums of one access log: requests, bytes, request times and outliers by route, filled chunk by chunk.

A line costs one look-up: its row is put with those of its route and method. The columns of all rows of a group are
summed later, each by one call, which is three times quicker than adding line by line.
"""

import re
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from operator import add
from typing import Generic, TypeVar

from exporter.analysis.outliers import above, fence
from exporter.analysis.windows import PARTS, Window
from exporter.families import Exemplar, Histogram
from exporter.sources.access_log import LineFormat, Row
from exporter.sources.routes import OTHER_ROUTE, Routes, method_of

Mark = TypeVar("Mark")

Taker = Callable[[Row], None]

#: Shown as 0 from a route's first request on, so that the first error is an increase.
STATUSES = ("2xx", "3xx", "4xx", "5xx")
CLASSES = (b"1", b"2", b"3", b"4", b"5")
#: Whenever so many rows wait, those of groups with enough of them are summed: a sum of few costs as many calls as one
#: of many, and more than some thousands of rows do not fit into the processor's cache. All are summed beyond the most,
#: and after so many bytes of lines, since a row may hold a path of 64 KiB.
WAITING_ROWS = 1024
ENOUGH_ROWS = 64
MOST_WAITING_ROWS = 8192
MOST_WAITING_BYTES = 4 * 1024 * 1024
#: Kept texts of requests; a full memory is emptied (a guard against invented paths).
KEPT_REQUESTS = 4096
#: Longer requests are not kept.
KEPT_LENGTH = 512
#: Fewer request times in the window do not tell what is usual.
MIN_OBSERVATIONS = 100
#: How long a bucket keeps its exemplar at least: one a second is more than a scrape shows.
EXEMPLAR_SECONDS = 1.0
_TRACEPARENT = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}")
_TRACE_ID = re.compile(rb"[0-9A-Za-z][0-9A-Za-z_-]{7,63}")


class Route:
    """What is summed per route.

    Attributes:
        outliers: requests that took far longer than usual, by median and MAD of the window before.
        cumulative: request times in each bucket and those below it.
    """

    __slots__ = ("bytes", "cumulative", "durations", "name", "outliers", "window")

    def __init__(self, name: str, buckets: tuple[float, ...], window: Window) -> None:
        self.name = name
        self.bytes = 0
        self.outliers = 0
        self.durations = Histogram(buckets)
        self.cumulative = [0] * (len(buckets) + 1)
        self.window = window

    def add(self, places: Sequence[int]) -> None:
        """Count request times, so many of which are in each bucket and those below it."""
        self.cumulative = list(map(add, self.cumulative, places))

    def settle(self) -> None:
        """Show what was counted in `durations`."""
        self.durations.counts = [high - low for low, high in pairwise((0, *self.cumulative))]

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

    __slots__ = ("dropped", "method", "route", "rows", "statuses")

    def __init__(self, route: Route, method: str, *, dropped: bool) -> None:
        self.route = route
        self.method = method
        self.dropped = dropped
        self.rows: list[Row] = []
        self.statuses = dict.fromkeys(CLASSES, 0)


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
        # Rounded where the unit made 569999.9999999999 of 0.57, or a request of exactly a limit would be above it.
        self._limits = [float(f"{bound * scheme.form.per_second:.12g}") for bound in scheme.buckets]
        self._groups: dict[tuple[str, str, bool], Group] = {}
        #: Rows that wait, those that came since the last sums, and the bytes of lines since all were summed.
        self._waiting = self._fresh = self._held = 0
        #: Rows without a request, and rows whose request is seen for the first time.
        self._odd: list[Row] = []
        self._new: list[Row] = []
        #: What takes the row of a request, by the request as it is written, or without identifiers where it has some.
        self._known: dict[bytes, Taker] = {b"": self._odd.append}

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
            self._held += len(chunk)
            if self._held >= MOST_WAITING_BYTES or self._waiting + self._fresh >= MOST_WAITING_ROWS:
                self._settle()
            elif self._fresh >= WAITING_ROWS:
                self._settle(ENOUGH_ROWS)

    @contextmanager
    def settled(self) -> Iterator[None]:
        """Within, the sums have all lines that were fed and do not change."""
        with self._lock:
            self._settle()
            for route in self.routes.values():
                route.settle()
            self.cells = self._cells()
            yield

    def _sort(self, rows: Sequence[Row]) -> None:
        """Put rows with those of their route and method; the first loop is the one that runs per line."""
        self._fresh += len(rows)
        taker, new = self._known.get, self._new.append
        for row in rows:
            taker(row[0], new)(row)
        if self._new:
            self._sort_new()

    def _sort_new(self) -> None:
        """Put rows of unknown requests: identifiers are taken out of all at once, for a call costs more than a path."""
        requests = self._scheme.routes.without_identifiers(b"\n".join([row[0] for row in self._new])).split(b"\n")
        taker = self._known.get
        takers = [taker(request) or self._open(request) for request in requests]
        for take, row in zip(takers, self._new, strict=True):
            take(row)
        self._new.clear()

    def _open(self, request: bytes) -> Taker:
        """What takes the rows of a request without identifiers, kept from now on."""
        if len(self._known) >= KEPT_REQUESTS:
            self._known.clear()
            self._known[b""] = self._odd.append
        take = self._group(request).rows.append
        if len(request) <= KEPT_LENGTH:
            self._known[request] = take
        return take

    def _group(self, request: bytes) -> Group:
        """The group of a request without identifiers."""
        method, _, path = request.partition(b" ")
        routes = self._scheme.routes
        name = routes.of(path)
        kept = name in self.routes or name == OTHER_ROUTE or name in routes.templates
        dropped = not kept and len(self.routes.keys() - routes.templates - {OTHER_ROUTE}) >= self._scheme.max_routes
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

    def _settle(self, least: int = 1) -> None:
        """Sum the rows of groups that have at least so many; end a part of the window when it is time."""
        for group in self._groups.values():
            if len(group.rows) >= least:
                self._sum(group)
        self._waiting = sum(len(group.rows) for group in self._groups.values())
        self._fresh = 0
        self._held = self._held if self._waiting else 0
        now = self._monotonic()
        if now >= self._next_turn:
            self._next_turn = now + self._scheme.window_seconds / PARTS
            for route in self.routes.values():
                route.settle()
                route.turn(now)

    def _sum(self, group: Group) -> None:
        """Sum the columns of a group's rows."""
        route, form = group.route, self._scheme.form
        _, statuses, sizes, times, *traces, _ = zip(*group.rows, strict=True)
        if group.dropped:
            self.dropped += len(group.rows)
        group.rows.clear()
        digits = b"".join(statuses)
        for digit in CLASSES:
            group.statuses[digit] += digits.count(digit)
        route.bytes += int(sum(form.numbers(sizes)))
        taken = form.numbers(times)
        if not taken:
            return
        ordered = sorted(taken)
        places = [*(bisect_right(ordered, limit) for limit in self._limits), len(ordered)]
        route.durations.total += sum(taken) / form.per_second
        route.add(places)
        if traces and len(taken) == len(times):
            self._note(route, [(place, ordered[place - 1]) for place in places], taken, traces[0])

    def _note(
        self, route: Route, slowest: Sequence[tuple[int, float]], taken: Sequence[float], traces: Sequence[bytes]
    ) -> None:
        """Keep the slowest request of each bucket where it names its trace, but none for a second after the last."""
        exemplars, before = route.durations.exemplars, 0
        for bucket, (place, time_taken) in enumerate(slowest):
            empty, before = place == before, place
            if empty or (bucket in exemplars and self.last_line - exemplars[bucket].timestamp < EXEMPLAR_SECONDS):
                continue
            labels = trace_labels(traces[taken.index(time_taken)])
            if labels:
                exemplars[bucket] = Exemplar(labels, time_taken / self._scheme.form.per_second, self.last_line)

    def _cells(self) -> dict[tuple[str, str, str], int]:
        """Requests by route, method and class of status; the usual classes from the first request on."""
        cells: dict[tuple[str, str, str], int] = {}
        for group in self._groups.values():
            labels = (group.route.name, group.method)
            for status in STATUSES:
                cells.setdefault((*labels, status), 0)
            for digit, count in group.statuses.items():
                key = (*labels, f"{digit.decode()}xx")
                if count or key in cells:
                    cells[key] = cells.get(key, 0) + count
        return cells


def trace_labels(trace: bytes) -> tuple[tuple[str, str], ...]:
    """The labels of an exemplar: of a traceparent trace and span, else the trace as it is; none where it is none."""
    parent = _TRACEPARENT.fullmatch(trace)
    if parent:
        return (("trace_id", parent[1].decode()), ("span_id", parent[2].decode()))
    return (("trace_id", trace.decode()),) if _TRACE_ID.fullmatch(trace) else ()
