import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from exporter.probing.asking import Asking
from exporter.probing.listener import Listener, parse_headers
from exporter.probing.modules import DEFAULTS
from exporter.probing.resolving import Resolver
from exporter.probing.schedule import Schedule
from tests.exporter.doubles import Until
from tests.exporter.probing.talkers import free_port, talking

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@contextmanager
def listening(until: Until, seconds: float = 5.0, most: int = 10) -> Iterator[int]:
    """A listener in a schedule's thread; its port."""
    asking = Asking(DEFAULTS, Resolver(), (), 1, lambda *_: None)
    listener = Listener(asking, f"127.0.0.1:{free_port()}", most, lambda _: seconds)
    schedule = Schedule(Resolver(), 10, lambda *_: None)
    schedule.serve(listener.task)
    until(lambda: listener.port)
    yield listener.port
    schedule.close()


def talk(port: int, *requests: bytes) -> bytes:
    """Everything that is answered to *requests* over one connection, which the last one ends."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        for request in requests:
            connection.sendall(request)
        answer = b""
        while piece := connection.recv(65536):
            answer += piece
    return answer


def answered(port: int) -> bool:
    """Whether the listener has a place free."""
    try:
        return b"404" in talk(port, get("/nothing", "Connection: close"))
    except ConnectionError:
        return False


def get(path: str, *headers: str) -> bytes:
    """A GET request."""
    return "\r\n".join([f"GET {path} HTTP/1.1", "Host: x", *headers, "", ""]).encode()


def test_listener_answers_probe_over_a_kept_connection(until: Until) -> None:
    """Two requests, one connection, two answers as /probe gives them."""
    with talking(OK) as server, listening(until) as port:
        path = f"/probe?target={server.url}"
        answer = talk(port, get(path), get(path, "Connection: close"))
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == 2
    assert answer.count(b"\nprobe_success 1\n") == 2


def test_listener_takes_requests_in_one_piece_and_byte_by_byte(until: Until) -> None:
    """Pipelined or dribbled, each request has its answer."""
    last = get("/nothing", "Connection: close")
    with listening(until) as port:
        assert talk(port, get("/nothing") + last).count(b"404 Not Found") == 2
        assert talk(port, *(bytes([byte]) for byte in last)).count(b"404 Not Found") == 1


def test_listener_slow_targets_delay_no_other(until: Until) -> None:
    """Twenty targets that never answer, and the twenty-first is answered at once."""
    with socket.create_server(("127.0.0.1", 0)) as silent, talking(OK) as server, listening(until, most=50) as port:
        slow = get(f"/probe?target=http://127.0.0.1:{silent.getsockname()[1]}/", "Connection: close")
        waiting = [socket.create_connection(("127.0.0.1", port)) for _ in range(20)]
        for connection in waiting:
            connection.sendall(slow)
        assert b"\nprobe_success 1\n" in talk(port, get(f"/probe?target={server.url}", "Connection: close"))
        for connection in waiting:
            connection.close()


def test_listener_ends_a_probe_at_its_time(until: Until) -> None:
    """A probe that takes too long has failed, and the connection goes on."""
    with socket.create_server(("127.0.0.1", 0)) as silent, listening(until, seconds=0.05) as port:
        path = f"/probe?target=http://127.0.0.1:{silent.getsockname()[1]}/"
        answer = talk(port, get(path), get(path, "Connection: close"))
    assert answer.count(b'probe_failure_reason_info{reason="timeout"} 1') == 2


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/2.0\r\n\r\n",
        b"GET /probe HTTP/1.1\r\nbad header\r\n\r\n",
        b"GET /probe HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello",
        b"GET /probe HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"GET /probe?x=\xff HTTP/1.1\r\n\r\n",
        b"x" * 20_000,
    ],
)
def test_listener_refuses_what_it_does_not_understand(until: Until, request_bytes: bytes) -> None:
    """400, the connection ends, and the listener goes on."""
    with listening(until) as port:
        assert talk(port, request_bytes).startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert b"405" in talk(port, b"POST /probe HTTP/1.0\r\n\r\n")


def test_listener_head_has_no_body(until: Until) -> None:
    """HEAD gets the headers of GET."""
    with talking(OK) as server, listening(until) as port:
        answer = talk(port, f"HEAD /probe?target={server.url} HTTP/1.0\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert answer.endswith(b"\r\n\r\n")


def test_listener_beyond_its_bound_closes(until: Until) -> None:
    """Connections are bounded; who comes beyond that is closed, and a free place is used again."""
    with listening(until, most=1) as port:
        with socket.create_connection(("127.0.0.1", port)) as first:
            first.sendall(get("/nothing"))
            assert first.recv(1000)
            with socket.create_connection(("127.0.0.1", port), timeout=10) as second:
                assert second.recv(1000) == b""
        until(lambda: answered(port))


def test_listener_waits_for_an_address_that_is_taken(until: Until, caplog: pytest.LogCaptureFixture) -> None:
    """At a reload the old listener has the address for a moment: it is told once and tried again."""
    port = free_port()
    asking = Asking(DEFAULTS, Resolver(), (), 1, lambda *_: None)
    listener = Listener(asking, f"127.0.0.1:{port}", 10, lambda _: 1.0)
    schedule = Schedule(Resolver(), 10, lambda *_: None)
    with socket.create_server(("127.0.0.1", port)):
        schedule.serve(listener.task)
        until(lambda: "trying again" in caplog.text)
    until(lambda: listener.port == port)
    schedule.close()


def test_parse_headers_takes_the_first_of_a_name() -> None:
    """Names have no case; a malformed line spoils the request."""
    assert parse_headers(b"A: 1\r\na: 2\r\nB:\r\n", 0) == {"a": "1", "b": ""}
    assert parse_headers(b"A : 1\r\n", 0) is None
