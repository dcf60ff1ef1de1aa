import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.sources.access_log import LINE, method_of, route_of, without_identifiers

HEAD = b'10.0.0.1 - - [21/Nov/2026:02:29:00 +0000] "'


@pytest.mark.parametrize(
    ("tail", "groups"),
    [
        (b'GET /a?x=1 HTTP/1.1" 200 512 "-" "curl/7.88" 0.043', (b"GET", b"/a", b"200", b"512", b"0.043")),
        (b'GET /a HTTP/1.1" 304 - "-" "curl" 2', (b"GET", b"/a", b"304", b"-", b"2")),
        (b'POST /a HTTP/2.0" 500 0 "http://r/" "a \\" b" 1.5 0.9', (b"POST", b"/a", b"500", b"0", b"1.5")),
        (b'GET /a HTTP/1.1" 200 5 "-" "curl"', (b"GET", b"/a", b"200", b"5", b"")),
        (b'GET /a HTTP/1.1" 200 5', (b"GET", b"/a", b"200", b"5", b"")),
        (b'GET /a HTTP/1.1" 200 5 "-" "curl" -0.001', (b"GET", b"/a", b"200", b"5", b"")),
        (b'GET /a HTTP/1.1" 200 5 "-" "curl" -', (b"GET", b"/a", b"200", b"5", b"")),
        (b'GET /a HTTP/1.1" 200 5 "-" "curl" nan', (b"GET", b"/a", b"200", b"5", b"")),
        (b'GET /a HTTP/1.1" 200 5 "-" "curl" 99999999999999', (b"GET", b"/a", b"200", b"5", b"")),
        (b'GET / HTTP/1.1" 200 5 "-" "x] \\x22GET /b HTTP/1.1\\x22 500 1" 0.1', (b"GET", b"/", b"200", b"5", b"0.1")),
        (b'GET /\xff\x00 HTTP/1.1" 404 5 "\xfe" "\x80"', (b"GET", b"/\xff\x00", b"404", b"5", b"")),
    ],
)
def test_line_reads_combined_format(tail: bytes, groups: tuple[bytes, ...]) -> None:
    """Combined format is read with and without a request time; a time that is none is left out."""
    assert LINE.findall(HEAD + tail + b"\n") == [groups]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"nonsense",
        HEAD + b'-" 400 0 "-" "-"',
        HEAD + b'\\x16\\x03\\x01" 400 157 "-" "-" 0.1',
        HEAD + b'GET /a HTTP/1.1" 999 5 "-" "-"',
        HEAD + b'GET /a HTTP/1.1" 200 ' + b"9" * 5000,
        HEAD + b'GET /a HTTP/1.1" 200',
    ],
)
def test_line_leaves_other_lines_unread(line: bytes) -> None:
    """What is not the format matches nothing, and the line after it is read."""
    good = HEAD + b'GET /good HTTP/1.1" 200 5'
    assert [found[1] for found in LINE.findall(line + b"\n" + good + b"\n")] == [b"/good"]


@settings(deadline=None, max_examples=200)
@given(st.lists(st.binary(max_size=60).map(lambda tail: HEAD + tail.replace(b"\n", b"")), max_size=6))
def test_line_matches_at_most_once_a_line(lines: list[bytes]) -> None:
    """However a line is made, it counts once at most."""
    chunk = b"".join(line + b"\n" for line in lines)
    assert len(LINE.findall(chunk)) <= len(lines)


@pytest.mark.parametrize("filling", [b'"', b"] ", b'] "', b'] "GET /', b"\\", b"9", b" "])
def test_line_never_goes_back(filling: bytes) -> None:
    """A megabyte made to confuse the expression is passed over (with backtracking this would run for hours)."""
    assert LINE.findall(HEAD + filling * (2**20 // len(filling)) + b"\n") == []


@pytest.mark.parametrize(
    ("path", "route"),
    [
        (b"/", "/"),
        (b"/cart", "/cart"),
        (b"/users/17/orders/99", "/users/{id}/orders/{id}"),
        (b"/o/123E4567-e89b-12d3-a456-426614174000", "/o/{id}"),
        (b"/blob/d41d8cd98f00b204e9800998ecf8427e/raw", "/blob/{id}/raw"),
        (b"/c/1a2b3c4d", "/c/{id}"),
        (b"/c/deadbeef", "/c/deadbeef"),
        (b"/facade/added", "/facade/added"),
        (b"/t/eyJhbGciOiJIUzI1NiJ9_abc", "/t/{id}"),
        (b"/a/b/c/d/e/f/g/h", "/a/b/c/d/e/f/..."),
        (b"/" + b"x" * 300, "/" + "x" * 40 + "..."),
        (b"/caf\xc3\xa9/\xff", "/café/\ufffd"),
        (b"*", "other"),
        (b"http://elsewhere/", "other"),
    ],
)
def test_route_of_names_the_kind_of_page(path: bytes, route: str) -> None:
    """Numbers, UUIDs and hashes are {id}; deep and long paths are cut; no path is other."""
    assert route_of(without_identifiers(path)) == route


@pytest.mark.parametrize(("method", "label"), [(b"GET", "GET"), (b"get", "OTHER"), (b"BREW", "OTHER")])
def test_method_of_is_from_a_fixed_set(method: bytes, label: str) -> None:
    """A made-up method makes no new series."""
    assert method_of(method) == label
