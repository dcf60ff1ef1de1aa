import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.sources.access_log import Row, TextFormat, request_of
from exporter.sources.log_formats import format_named

HEAD = b'10.0.0.1 - - [21/Nov/2026:02:29:00 +0000] "'


@pytest.fixture
def combined() -> TextFormat:
    """Combined format with a request time in seconds, if any."""
    form = format_named("combined")
    assert isinstance(form, TextFormat)
    return form


def read(form: TextFormat, chunk: bytes) -> list[Row]:
    """The rows of *chunk* after both looks."""
    rows = form.rows(chunk, chunk.count(b"\n"))
    odd = b"".join(row[-1] for row in rows if not row[0])
    return [*(row for row in rows if row[0]), *form.second_look(odd)]


@pytest.mark.parametrize(
    ("tail", "cells"),
    [
        (b'GET /a?x=1 HTTP/1.1" 200 512 "-" "curl/7.88" 0.043', (b"GET /a", b"2", b"512", b"0.043")),
        (b'GET /a HTTP/1.1" 304 - "-" "curl" 2', (b"GET /a", b"3", b"", b"2")),
        (b'POST /a HTTP/2.0" 500 0 "http://r/" "a \\" b" 1.5 0.9', (b"POST /a", b"5", b"0", b"1.5")),
        (b'GET /a HTTP/1.1" 200 5 "-" "x \\" 7 " 0.5', (b"GET /a", b"2", b"5", b"0.5")),
        (b'GET /a\\"b HTTP/1.1" 200 5 "-" "x\\\\" 0.5', (b'GET /a\\"b', b"2", b"5", b"0.5")),
        (b'GET /a HTTP/1.1" 200 5 "-" "curl"', (b"GET /a", b"2", b"5", b"")),
        (b'GET /a HTTP/1.1" 200 5 "-" "curl"\r', (b"GET /a", b"2", b"5", b"")),
        (b'GET /a HTTP/1.1" 200 5', (b"GET /a", b"2", b"5", b"")),
        (b'GET /a HTTP/1.1" 200 5 "-" "curl" -', (b"GET /a", b"2", b"5", b"")),
        (b'GET /a HTTP/1.1" 200 5 "-" "curl" "10.0.0.2"', (b"GET /a", b"2", b"5", b"")),
        (b'GET /a HTTP/1.1" 200 5 "-" "curl" 10.0.0.2 0.1', (b"GET /a", b"2", b"5", b"")),
        (b'GET / HTTP/1.1" 200 5 "-" "x] \\x22GET /b HTTP/1.1\\x22 500 1" 0.1', (b"GET /", b"2", b"5", b"0.1")),
        (b'GET /\xff HTTP/1.1" 404 5 "\xfe" "\x80"', (b"GET /\xff", b"4", b"5", b"")),
        (b'GET /a" 200 5 "-" "old HTTP"', (b"GET /a", b"2", b"5", b"")),
    ],
)
def test_rows_reads_combined_format(combined: TextFormat, tail: bytes, cells: tuple[bytes, ...]) -> None:
    """Combined format is read with and without a request time, with escaped quotes and without."""
    assert read(combined, HEAD + tail + b"\n") == [(*cells, b"")]


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"nonsense",
        b"\x00" * 64,
        HEAD + b'-" 400 0 "-" "-"',
        HEAD + b'\\x16\\x03\\x01" 400 157 "-" "-" 0.1',
        HEAD + b'GET /a\x00b HTTP/1.1" 200 5 "-" "-" 0.1',
        HEAD + b'GET /a HTTP/1.1" 999 5 "-" "-"',
        HEAD + b'GET /a HTTP/1.1" 200 ' + b"9" * 5000,
        HEAD + b'GET /a HTTP/1.1" 200 -5 "-" "-"',
        HEAD + b'GET /a HTTP/1.1" 200 5 "-" "-" -0.001',
        HEAD + b'GET /a HTTP/1.1" 200 5 "-" "-" NaN',
        HEAD + b'GET /a HTTP/1.1" 200 5 "-" "-" Infinity',
        HEAD + b'GET /a HTTP/1.1" 200 5 "-" "-" 1e999',
        HEAD + b'GET /a HTTP/1.1" 200 5 "-" "-" 99999999999999',
        HEAD + b'GET /a HTTP/1.1" 200 5 "-" "-" ' + b"9" * 5000,
        HEAD + b'GET /a HTTP/1.1" 200 5 "-" "never closed',
        HEAD + b'GET /a HTTP/1.1" 200',
    ],
)
def test_rows_leaves_other_lines_unread(combined: TextFormat, line: bytes) -> None:
    """What is not the format, or no number of this world, is no row, and the line after it is read."""
    good = HEAD + b'GET /good HTTP/1.1" 200 5 "-" "-" 0.1'
    assert [row[0] for row in read(combined, line + b"\n" + good + b"\n")] == [b"GET /good"]


@settings(deadline=None, max_examples=200)
@given(st.lists(st.binary(max_size=60).map(lambda tail: HEAD + tail.replace(b"\n", b"")), max_size=6))
def test_rows_are_as_many_as_lines(lines: list[bytes]) -> None:
    """However lines are made, each gives one row, odd or not, and reading one by one gives the same."""
    form = format_named("combined")
    chunk = b"".join(line + b"\n" for line in lines)
    assert len(form.rows(chunk, len(lines))) == len(lines)
    assert isinstance(form, TextFormat)
    assert sorted(read(form, chunk)) == sorted(row for line in lines for row in read(form, line + b"\n"))


@pytest.mark.parametrize("filling", [b'"', b"] ", b'] "', b'] "GET /', b"\\", b"9", b" ", b'" 200 5 "', b'\\"'])
def test_rows_never_goes_back(combined: TextFormat, filling: bytes) -> None:
    """A megabyte made to confuse the expression is passed over (with backtracking this would run for hours)."""
    assert read(combined, HEAD + filling * (2**20 // len(filling)) + b"\n") == []


def test_numbers_are_read_as_they_are_written(combined: TextFormat) -> None:
    """Sizes stay whole numbers however large, and what is missing is none."""
    assert combined.numbers([b"9" * 15, b"", b"1"]) == [10**15 - 1, 1]
    assert combined.numbers([b"0.25", b"", b"1"]) == [0.25, 1]


@pytest.mark.parametrize(
    ("method", "target", "request_cell"),
    [("GET", "/a?b", b"GET /a"), ("GET", "/a\nb", b"GET /ab"), ("GET", "/\ud800", b"GET /?"), ("", "/a", b"")],
)
def test_request_of_is_one_line(method: str, target: str, request_cell: bytes) -> None:
    """Whatever a path holds, a request stays on its line; without a method it is none."""
    assert request_of(method, target) == request_cell
