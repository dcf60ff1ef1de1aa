import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.sources.access_log import Row
from exporter.sources.log_formats import format_named

GOOD = {"request": "GET /good HTTP/1.1", "status": 200, "body_bytes_sent": 5, "request_time": 0.5}
TRACE = "0af7651916cd43dd8448eb211c80319c"


def nginx_rows(*lines: bytes) -> list[Row]:
    """The rows of nginx's lines."""
    return list(format_named("nginx_json").rows(b"".join(line + b"\n" for line in lines), len(lines)))


def line(**changes: object) -> bytes:
    """A good line with some keys changed."""
    return json.dumps(GOOD | changes).encode()


@pytest.mark.parametrize(
    ("changes", "row"),
    [
        ({}, (b"GET /good", b"2", 5, 0.5, b"", b"")),
        ({"status": "404", "request_time": "0.25"}, (b"GET /good", b"4", 5, 0.25, b"", b"")),
        ({"request_method": "PUT", "uri": "/a?b"}, (b"PUT /a", b"2", 5, 0.5, b"", b"")),
        ({"request_id": TRACE}, (b"GET /good", b"2", 5, 0.5, TRACE.encode(), b"")),
        ({"request": "GET /a\n/b HTTP/1.1"}, (b"GET /a/b", b"2", 5, 0.5, b"", b"")),
        ({"request_time": None, "more": [1, {"deep": None}]}, (b"GET /good", b"2", 5, b"", b"", b"")),
        ({"request": "-"}, (b"", b"2", 5, 0.5, b"", b"")),
    ],
)
def test_nginx_row_reads_variables_by_their_names(changes: dict[str, object], row: Row) -> None:
    """Numbers may be in quotes, a request in one piece or two."""
    assert nginx_rows(line(**changes)) == [row]


@pytest.mark.parametrize(
    "bad",
    [
        b"",
        b"nonsense",
        b"\xff\xfe",
        b'{"request":"\x00"}',
        b"[" * 100_000,
        b"9" * 5000,
        line(status=99),
        line(status=10**30),
        line(body_bytes_sent=-1),
        line(body_bytes_sent=10**15),
        line(request_time=-0.5),
        line(request_time=1e9),
        line(request_time="1e999"),
        line(request_time="nan"),
        line(request_time=float("nan")),
        line(request="\ud800")[:-9] + b"\xff" * 8,
        line() + line(),
        line()[:-1],
        b'{"status":' + b"9" * 5000 + b"}",
    ],
)
def test_rows_leaves_out_wrong_lines_only(bad: bytes) -> None:
    """A hostile line is left out, those before and after it are read."""
    assert [row[0] for row in nginx_rows(line(), bad, line())] == [b"GET /good"] * 2


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.one_of(st.just(line()), st.binary(max_size=30).map(lambda text: text.replace(b"\n", b""))), max_size=5)
)
def test_rows_are_never_more_than_lines(lines: list[bytes]) -> None:
    """Every good line is a row, nothing else is."""
    assert len(nginx_rows(*lines)) == lines.count(line())


def test_caddy_row_reads_trace() -> None:
    """Caddy's tracing names the trace."""
    text = b'{"request":{"method":"GET","uri":"/"},"status":200,"traceID":"%b"}\n' % TRACE.encode()
    assert format_named("caddy_json").rows(text, 1)[0] == (b"GET /", b"2", 0, b"", TRACE.encode(), b"")


def test_traefik_row_reads_trace() -> None:
    """Traefik's tracing names the trace."""
    text = b'{"RequestMethod":"GET","RequestPath":"/","DownstreamStatus":200,"TraceId":"%b"}\n' % TRACE.encode()
    assert format_named("traefik_json").rows(text, 1)[0] == (b"GET /", b"2", 0, b"", TRACE.encode(), b"")


def test_second_look_finds_nothing() -> None:
    """A line of JSON is in the format or it is not."""
    assert not format_named("caddy_json").second_look(b"{}\n")
