import contextlib
import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator

import pytest

from chassis import channel
from chassis.channel import Channel
from chassis.server import Server, parse_address

#: More than any socket takes, so that it waits in the server.
ANSWER = b"x" * 12 * 1024 * 1024
REQUEST = b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n"


def answer(environ: dict[str, object], start: Callable[..., object]) -> Iterable[bytes]:
    """A large answer, or a small one with the number that was asked for."""
    body = ANSWER if environ["PATH_INFO"] == "/large" else str(environ["PATH_INFO"]).encode()
    start("200 OK", [("Content-Length", str(len(body)))])
    return [body]


@pytest.fixture
def server() -> Iterator[Server]:
    """One with one thread."""
    with Server(answer, ["127.0.0.1:0"], threads=1) as running:
        yield running


@pytest.fixture
def address(server: Server) -> tuple[str, int]:
    """Where it listens."""
    return parse_address(server.addresses[0])


@pytest.fixture
def deaf(address: tuple[str, int]) -> Iterator[socket.socket]:
    """A client that asks three times and does not read."""
    with socket.create_connection(address, timeout=20) as client:
        client.sendall(3 * REQUEST)
        yield client


def ask(address: tuple[str, int], path: str) -> bytes:
    """The body of the answer."""
    with contextlib.closing(http.client.HTTPConnection(*address, timeout=20)) as connection:
        connection.request("GET", path)
        return connection.getresponse().read()


@pytest.mark.usefixtures("deaf")
def test_client_that_does_not_read_takes_no_thread(address: tuple[str, int]) -> None:
    """The only thread answers others, before and after."""
    assert [ask(address, path) for path in ("/1", "/2")] == [b"/1", b"/2"]


def test_client_that_reads_late_gets_everything(deaf: socket.socket) -> None:
    """The requests that were held are answered once there is room."""
    wanted, got = 3 * len(ANSWER), 0
    while got < wanted and (data := deaf.recv(1024 * 1024)):
        got += data.count(b"x")
    assert got == wanted


def test_pipelined_requests_are_answered_in_order(address: tuple[str, int]) -> None:
    """Who reads notices nothing."""
    with socket.create_connection(address, timeout=20) as client, client.makefile("rb") as answers:
        client.sendall(b"".join(b"GET /%d HTTP/1.1\r\nHost: x\r\n\r\n" % number for number in range(9)))
        client.shutdown(socket.SHUT_WR)
        bodies = [line for line in answers.read().split(b"\r\n") if b"/" in line[:1] or b"/" in line[:2]]
    assert [body[:2] for body in bodies] == [b"/%d" % number for number in range(9)]


@pytest.mark.usefixtures("deaf")
def test_client_that_never_reads_is_closed(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not hold memory and a descriptor as long as it likes."""
    monkeypatch.setattr(channel, "STALLED_SECONDS", -1.0)
    deadline, pause = time.monotonic() + 20, threading.Event()
    opened = closed = False
    while not closed and time.monotonic() < deadline:
        pause.wait(0.01)
        opened, closed = opened or bool(server._of(Channel)), opened and not server._of(Channel)
    assert closed
