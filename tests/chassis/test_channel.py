import contextlib
import http.client
import re
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


class Quick:
    """An application that answers `/quick` from memory, all else with threads; it tells which thread does."""

    def at_once(self, path: str) -> bool:
        """What the loop may answer itself."""
        return path == "/quick"

    def __call__(self, environ: dict[str, str], start: Callable[..., object]) -> list[bytes]:
        """The thread's name, and as many bytes as the query says."""
        body = threading.current_thread().name.encode().partition(b"-")[0] + b"." * int(environ["QUERY_STRING"] or 0)
        start("200 OK", [("Content-Length", str(len(body)))])
        return [body]


@pytest.fixture
def quick() -> Iterator[tuple[str, int]]:
    """Where a server of `Quick` with one thread listens."""
    with Server(Quick(), ["127.0.0.1:0"], threads=1) as server:
        yield parse_address(server.addresses[0])


def test_quick_requests_are_answered_by_the_loop(quick: tuple[str, int]) -> None:
    """No thread is woken for what is in memory; all else is answered by one."""
    assert [ask(quick, path) for path in ("/quick", "/slow", "/quick")] == [b"web", b"waitress", b"web"]


def test_quick_and_slow_requests_in_one_packet_are_answered_in_order(quick: tuple[str, int]) -> None:
    """A client that does not wait for answers gets each, whoever answers."""
    paths = ["/quick", "/slow", "/quick?70000", "/quick", "/slow?70000", "/slow", "/quick"]
    with socket.create_connection(quick, timeout=20) as client:
        client.sendall(b"".join(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode() for path in paths))
        answers = [read_answer(client) for _ in paths]
    assert [len(body) // 70_000 for body in answers] == [0, 0, 1, 0, 1, 0, 0]
    assert [body.startswith(b"waitress") for body in answers if len(body) < 100][1] is True


def read_answer(client: socket.socket) -> bytes:
    """The body of the next answer, and not a byte more."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += client.recv(1)
    left = int(re.findall(rb"(?i)content-length: (\d+)", head)[0])
    body = b""
    while len(body) < left:
        body += client.recv(left - len(body))
    return body


def test_quick_requests_of_clients_that_do_not_read_delay_nobody(quick: tuple[str, int]) -> None:
    """The loop waits for no client, however much it is asked for."""
    with contextlib.ExitStack() as stack:
        for _ in range(5):
            greedy = stack.enter_context(socket.create_connection(quick, timeout=20))
            greedy.sendall(b"GET /quick?3000000 HTTP/1.1\r\nHost: x\r\n\r\n" * 20)
        assert [ask(quick, path) for path in ("/quick", "/slow")] == [b"web", b"waitress"]
