import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.families import Exemplar
from exporter.sources import ledger as module
from exporter.sources.ledger import Ledger, Scheme, trace_labels
from exporter.sources.log_formats import format_named
from exporter.sources.routes import Routes
from tests.exporter.doubles import Clock

BUCKETS = (0.1, 0.5, 1.0)
TRACE = "0af7651916cd43dd8448eb211c80319c"


def line(path: str = "/a", status: int = 200, size: str = "10", seconds: str = " 0.2", method: str = "GET") -> bytes:
    """A line of an access log."""
    head = "10.0.0.1 - - [21/Nov/2026:02:29:00 +0000]"
    return f'{head} "{method} {path} HTTP/1.1" {status} {size} "-" "curl"{seconds}\n'.encode()


def opened(clock: Clock, form: str = "combined", templates: tuple[str, ...] = ()) -> Ledger[int]:
    """Fresh sums with three buckets and room for three routes."""
    scheme = Scheme(format_named(form), Routes(templates), BUCKETS, 3, window_seconds=100)
    return Ledger(scheme, 0, wall=clock, monotonic=clock)


@pytest.fixture
def ledger(clock: Clock) -> Ledger[int]:
    """Sums of a log in combined format."""
    return opened(clock)


def fed(ledger: Ledger[int], *lines: bytes) -> Ledger[int]:
    """The ledger with these lines in its sums."""
    ledger.feed(b"".join(lines), ledger.mark + 1)
    with ledger.settled():
        return ledger


def test_feed_counts_requests_by_route_method_and_class(ledger: Ledger[int]) -> None:
    """Each request counts under its route, method and class of status."""
    cells = fed(ledger, line("/users/1"), line("/users/2?x=1"), line("/users/3", 503, method="POST")).cells
    assert cells["/users/{id}", "GET", "2xx"] == 2
    assert cells["/users/{id}", "POST", "5xx"] == 1


def test_feed_new_route_shows_zero_errors(ledger: Ledger[int]) -> None:
    """The first error of a route is an increase from 0, not a series out of nowhere."""
    assert fed(ledger, line()).cells["/a", "GET", "5xx"] == 0


def test_feed_sums_bytes_and_times(ledger: Ledger[int]) -> None:
    """Bytes and request times are summed by route; a dash is no byte, a missing time is no observation."""
    route = fed(ledger, line(), line(size="-", seconds=" 0.7"), line(seconds="")).routes["/a"]
    assert (route.bytes, route.durations.counts) == (20, [0, 1, 1, 0])
    assert route.durations.total == pytest.approx(0.9)


@pytest.mark.parametrize(("form", "time"), [("combined", " 0.1"), ("combined_microseconds", " 100000")])
def test_feed_limit_is_inclusive_in_every_unit(clock: Clock, form: str, time: str) -> None:
    """A request of exactly a bucket's limit is in that bucket."""
    assert fed(opened(clock, form), line(seconds=time)).routes["/a"].durations.counts == [1, 0, 0, 0]


def test_feed_routes_are_capped(ledger: Ledger[int]) -> None:
    """Beyond the cap requests count under other and are told; known routes go on."""
    fed(ledger, *(line(f"/{name}") for name in "abcdea"))
    assert (ledger.cells["other", "GET", "2xx"], ledger.cells["/a", "GET", "2xx"], ledger.dropped) == (2, 2, 2)


def test_feed_what_is_no_path_is_other_and_not_dropped(ledger: Ledger[int]) -> None:
    """A request for everything (*) was never to have a route."""
    assert fed(ledger, line("*")).cells["other", "GET", "2xx"] == 1
    assert ledger.dropped == 0


def test_feed_templates_always_have_room(clock: Clock) -> None:
    """A route that was asked for is shown however many others came first."""
    full = fed(opened(clock, templates=("/user/{name}",)), *(line(f"/{name}") for name in "abcd"), line("/user/bob"))
    assert full.cells["/user/{name}", "GET", "2xx"] == 1


def test_feed_stays_bounded_under_attack(ledger: Ledger[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """A scanner that invents paths, methods and times adds no series and no memory past the caps."""
    monkeypatch.setattr(module, "KEPT_REQUESTS", 50)
    for number in range(1000):
        fed(ledger, line(f"/x{number}y", method=f"M{chr(65 + number % 26)}", seconds=f" 0.{number}"))
    assert len(ledger._known) <= 51
    assert len(ledger.cells) == 16
    assert ledger.lines == sum(ledger.cells.values()) == 1000


def test_feed_keeps_no_long_request(ledger: Ledger[int]) -> None:
    """Paths of a server's whole line buffer are counted, and not remembered."""
    fed(ledger, line("/" + "x" * 60_000))
    assert list(ledger._known) == [b""]


def test_feed_counts_unparsed_lines(ledger: Ledger[int], clock: Clock) -> None:
    """Lines in another format are counted and nothing else; the time of the last line is told."""
    fed(ledger, b"nonsense\n\x00\xff\n", line(), line(seconds=" -0.1"), line(seconds=" " + "9" * 5000))
    assert (ledger.lines, ledger.unparsed, ledger.last_line) == (5, 4, clock.now)
    assert sum(ledger.cells.values()) == 1


def test_feed_counts_every_line_once_in_json(clock: Clock) -> None:
    """A line that is no JSON, and one without a request, are unparsed."""
    good = b'{"request":"GET /a HTTP/1.1","status":200,"request_time":0.2}\n'
    ledger = fed(opened(clock, "nginx_json"), good, b"nonsense\n", b'{"status":200}\n', good)
    assert (ledger.lines, ledger.unparsed, ledger.cells["/a", "GET", "2xx"]) == (4, 2, 2)


def test_settled_has_the_last_chunk_and_its_mark(ledger: Ledger[int]) -> None:
    """What is shown and how far the log was read go together."""
    for _ in range(3):
        ledger.feed(line(), ledger.mark + 1)
    with ledger.settled():
        assert (ledger.mark, ledger.cells["/a", "GET", "2xx"]) == (3, 3)


def test_feed_sums_rows_of_large_groups_first(ledger: Ledger[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are not kept until somebody looks; those of rare routes wait for company, up to a limit."""
    monkeypatch.setattr(module, "WAITING_ROWS", 100)
    monkeypatch.setattr(module, "MOST_WAITING_ROWS", 150)
    for waiting in (4, 8, 12):
        ledger.feed(line("/often") * 100 + line("/rare") * 4, 1)
        assert ledger._waiting == waiting
    ledger.feed(line("/rare") * 60 + line("/b") * 60 + line("/c") * 60, 1)
    assert ledger._waiting == 0


def test_feed_sums_odd_lines_away(ledger: Ledger[int]) -> None:
    """Lines of another format do not count as rows that wait."""
    fed(ledger, b"nonsense\n" * 5000)
    assert (ledger._waiting, ledger._fresh, ledger._held) == (0, 0, 0)


def test_feed_holds_few_long_rows(ledger: Ledger[int], monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows with paths of 64 KiB are summed long before there are thousands of them."""
    monkeypatch.setattr(module, "MOST_WAITING_BYTES", 200_000)
    for _ in range(4):
        ledger.feed(line("/" + "x" * 60_000), 1)
    assert ledger._waiting == 0


def test_feed_keeps_an_exemplar_of_each_bucket(clock: Clock) -> None:
    """The slowest request of a bucket stands for it, in seconds, if it names its trace."""
    form = "$status $request_milliseconds $request_id $request"
    ledger = opened(clock, form)
    fed(ledger, *(b"200 %d %b GET /a H\n" % (time, TRACE.encode()) for time in (70, 300, 50)))
    clock.now += 1
    fed(ledger, b"200 80 - GET /a H\n", b"200 400 <script> GET /a H\n")
    labels = (("trace_id", TRACE),)
    assert ledger.routes["/a"].durations.exemplars == {
        0: Exemplar(labels, 0.07, clock.now - 1),
        1: Exemplar(labels, 0.3, clock.now - 1),
    }


def test_trace_labels_of_a_traceparent_are_trace_and_span() -> None:
    """A traceparent names both, any other trace is one name; both keep OpenMetrics' limit of 128 characters."""
    parent = f"00-{TRACE}-b7ad6b7169203331-01".encode()
    assert trace_labels(parent) == (("trace_id", TRACE), ("span_id", "b7ad6b7169203331"))
    assert trace_labels(b"x" * 64) == (("trace_id", "x" * 64),)


def test_observed_needs_enough_observations(ledger: Ledger[int]) -> None:
    """A few requests have no shape; a hundred have one, for as long as the window."""
    assert not fed(ledger, line() * 99).routes["/a"].observed()
    assert fed(ledger, line()).routes["/a"].observed() == [0, 100, 0, 0]


def test_observed_forgets_what_is_older_than_the_window(ledger: Ledger[int], clock: Clock) -> None:
    """After the window's time without requests nothing is told, whether lines came or not."""
    fed(ledger, line() * 100)
    for _ in range(2):
        clock.now += 101
        fed(ledger)
    assert not ledger.routes["/a"].observed()


def test_outliers_are_counted_by_what_was_usual_before(ledger: Ledger[int], clock: Clock) -> None:
    """Slow requests after many quick ones are outliers once the part of the window ends; the quick ones are none."""
    fed(ledger, line(seconds=" 0.05") * 100)
    clock.now += 11
    fed(ledger)
    fed(ledger, line(seconds=" 0.05") * 10, line(seconds=" 5") * 3)
    clock.now += 11
    assert fed(ledger).routes["/a"].outliers == 3


def test_feed_reads_64_kib_lines(ledger: Ledger[int]) -> None:
    """The longest line that a follower gives is one line."""
    fed(ledger, re.sub(rb"curl", b"x" * 65_000, line()), b"\xff" * 65_536 + b"\n")
    assert (ledger.lines, ledger.unparsed) == (2, 1)


PIECES = [
    b'"',
    b"GET /a",
    b"GET /1/x",
    b" ",
    b"200",
    b"0.5",
    b"\\",
    b"-",
    b"9" * 30,
    b"NaN",
    b"\x00",
    b"\xff",
    b"{",
    b"}",
]
GOOD = {
    "combined": line(),
    "nginx_json": b'{"request":"GET /a H","status":200}\n',
    "$status $request": b"200 GET /a H\n",
}


@settings(deadline=None, max_examples=300)
@given(st.sampled_from(sorted(GOOD)), st.lists(st.one_of(st.none(), st.lists(st.sampled_from(PIECES))), max_size=8))
def test_feed_counts_every_line_once_whatever_it_holds(form: str, made: list[list[bytes] | None]) -> None:
    """Each line is a request or unparsed, whatever stands around it, and good lines are never lost."""
    lines = [GOOD[form] if pieces is None else b"".join(pieces) + b"\n" for pieces in made]
    ledger = fed(opened(Clock(), form), *lines)
    assert ledger.lines == len(lines)
    assert sum(ledger.cells.values()) + ledger.unparsed == len(lines)
    assert sum(ledger.cells.values()) >= lines.count(GOOD[form])
