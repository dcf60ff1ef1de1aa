import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.sources.access_log import TextFormat
from exporter.sources.nginx_format import compiled

TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def only(form: TextFormat, line: bytes) -> tuple[object, ...]:
    """The one row of *line*, without what it is if it is odd."""
    rows = form.rows(line + b"\n", 1)
    rows = rows if rows[0][0] else form.second_look(line + b"\n")
    assert len(rows) == 1
    return rows[0][:-1]


@pytest.mark.parametrize(
    ("text", "line", "cells"),
    [
        (
            '$host $remote_addr [$time_local] "$request" $status $bytes_sent $request_time "$http_traceparent"',
            b'shop 1.2.3.4 [21/Nov] "GET /a?b HTTP/1.1" 200 17 0.25 "' + TRACE + b'"',
            (b"GET /a", b"2", b"17", b"0.25", TRACE),
        ),
        (
            '{"t":"$time_iso8601","m":"$request_method","u":"$request_uri","s":$status,"rt":$request_time,"id":"$request_id"}',
            b'{"t":"2026","m":"GET","u":"/a?b","s":404,"rt":0.5,"id":"0123456789abcdef"}',
            (b"GET /a", b"4", b"", b"0.5", b"0123456789abcdef"),
        ),
        (
            "$request_time|$status|$request|${_tenant}x",
            b"0.1|200|GET /a HTTP/1.1|ax",
            (b"GET /a", b"2", b"", b"0.1"),
        ),
        ("$status $request_microseconds $request", b"200 250000 GET /", (b"GET /", b"2", b"", b"250000")),
        ('$remote_user [$msec] "$request" $status', b'a ] b [ [1.2] "GET / H" 200', (b"GET /", b"2", b"", b"")),
        ('"$request" $status', b'"GET /\\"x\\" H" 200\r', (b'GET /\\"x\\"', b"2", b"", b"")),
        ('"$request" $status "$http_x_request_id"', b'"GET / H" 200 "bad id!"', (b"GET /", b"2", b"", b"", b"bad id!")),
        ('"$request" $status $upstream_addr', b'"GET / H" 200 a, b: c', (b"GET /", b"2", b"", b"")),
    ],
)
def test_compiled_reads_lines_of_its_format(text: str, line: bytes, cells: tuple[bytes, ...]) -> None:
    """Fields are found in any order, quoted or not, and what is not counted is passed over."""
    assert only(compiled(text), line) == cells


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("$request $statu", r"no variable \$statu \(did you mean \"\$status\"\?\); write \$_statu"),
        ("$request $qqqqqq $status", r"no variable \$qqqqqq; write"),
        ("$request$status", r"nothing between \$request and \$status"),
        ("$request", r"needs \$status"),
        ("$status $request_uri", r"needs \$request, or \$request_method and \$request_uri"),
        ("no variables", r"needs \$status"),
    ],
)
def test_compiled_refuses_what_it_cannot_read(text: str, says: str) -> None:
    """A format that cannot work is an error that says what to write."""
    with pytest.raises(ValueError, match=says):
        compiled(text)


def test_compiled_takes_the_best_of_several() -> None:
    """A body's size counts before a response's, a traceparent before a request id."""
    form = compiled("$status $bytes_sent $body_bytes_sent $request_id $http_traceparent $request")
    row = only(form, b"200 99 17 0123456789abcdef " + TRACE + b" GET / H")
    assert row == (b"GET /", b"2", b"17", b"", TRACE)


def test_compiled_knows_the_unit_of_its_time() -> None:
    """A thousand milliseconds make a second."""
    assert compiled("$status $request_milliseconds $request").per_second == 1000


def test_compiled_looks_for_the_end_of_a_value_nearby_first() -> None:
    """Where no quote follows, no line is searched for one to the end of all lines; long values have a second look."""
    form = compiled('$remote_addr "$request" $status "$http_referer" $request_time')
    line = b'1 "GET /a H" 200 "%b" 0.5\n' % (b"r" * 5000)
    assert form.rows(line, 1)[0][0] == b""
    assert form.second_look(line)[0][:4] == (b"GET /a", b"2", b"", b"0.5")


@settings(deadline=None, max_examples=300)
@given(st.lists(st.sampled_from([b'"', b"GET /a", b" ", b"200", b"0.5", b"\\", b"|", b"\x00", b"\xff", b"-", b"x"])))
def test_compiled_never_crosses_a_line(pieces: list[bytes]) -> None:
    """A good line after any other is read as it is, and a bad one gives no second row."""
    form = compiled('$remote_addr|"$request" $status "$http_referer" $request_time')
    chunk = b"".join(pieces) + b'\n1|"GET /good H" 200 "-" 0.5\n'
    rows = [row for row in form.rows(chunk, 2) if row[0]]
    assert len(rows) <= 2
    assert rows[-1] == (b"GET /good", b"2", b"", b"0.5", b"")
