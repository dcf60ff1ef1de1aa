"""`/probe` on an address of its own, answered by the engine's thread itself.

A thread of the web server waits for as long as its probe takes, so a few slow targets would take them all. Here a
waiting probe costs a socket and no thread, and without the web server a probe costs half as much. For that it is no
more than /probe: plain HTTP/1.1, GET and HEAD, no names and passwords; it belongs on loopback or behind a proxy.
"""

import logging
import re
import socket
from collections.abc import Callable, Mapping

from chassis.logs import event
from exporter.answers import Answer, text_answer
from exporter.probing.asking import Asking
from exporter.probing.attempt import Attempt
from exporter.probing.engine import Loop, Task
from exporter.probing.settings import host_and_port
from exporter.probing.streams import Stream

log = logging.getLogger(__name__)

PATH = "/probe"
_MAX_REQUEST = 16 * 1024
_IDLE_SECONDS = 120.0
_RETRY_SECONDS = 1.0
_BACKLOG = 1024
_REQUEST_LINE = re.compile(rb"([A-Z]{1,16}) (/[!-~]{0,15000}) HTTP/1\.([01])\r\n")
_HEADER = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]++):[ \t]*([^\x00-\x08\x0a-\x1f\x7f]*+)\r\n")
_NOT_FOUND = text_answer("404 Not Found", "Only /probe is here.")
_BAD = text_answer("400 Bad Request", "This is no request that is understood here.")
_NOT_ALLOWED = text_answer("405 Method Not Allowed", "/probe takes GET, HEAD.")


class Listener:
    """Serves /probe at *address* (`HOST:PORT`); at most *most* connections at once, *seconds* reads the time limit.

    Raises:
        ValueError: the address is malformed.
    """

    def __init__(self, asking: Asking, address: str, most: int, seconds: Callable[[str], float]) -> None:
        self._asking = asking
        self._address = host_and_port(address)
        self._most = most
        self._seconds = seconds
        self._open = 0
        #: The port that it listens on, 0 before it does.
        self.port = 0

    def task(self, loop: Loop) -> Task[None]:
        """Accept connections for as long as the loop runs."""
        listening = yield from self._bound(loop)
        try:
            port = loop.watch(listening)
            while True:
                while not port.readable:
                    yield None
                try:
                    self._take(loop, listening.accept()[0])
                except BlockingIOError:
                    port.readable = False
                except OSError as error:
                    event(log, logging.ERROR, f"a connection cannot be accepted: {error.strerror}")
                    yield loop.now() + _RETRY_SECONDS
        finally:
            loop.close_socket(listening)

    def _bound(self, loop: Loop) -> Task[socket.socket]:
        """A socket that listens; while the address is taken (by this process before a reload) it is tried again."""
        failing = False
        while True:
            family = socket.AF_INET6 if ":" in self._address[0] else socket.AF_INET
            try:
                listening = socket.create_server(self._address, family=family, backlog=_BACKLOG)
            except OSError as error:
                if not failing:
                    text = f"/probe cannot be served, trying again: {error.strerror or error}"
                    event(log, logging.ERROR, text, address=":".join(map(str, self._address)))
                failing = True
                until = loop.now() + _RETRY_SECONDS
                while loop.now() < until:
                    yield until
            else:
                listening.setblocking(False)
                self.port = listening.getsockname()[1]
                return listening

    def _take(self, loop: Loop, connection: socket.socket) -> None:
        if self._open >= self._most:
            connection.close()
            return
        connection.setblocking(False)
        self._open += 1
        loop.start(self._serve(loop, connection), float("inf"), self._gone)

    def _gone(self, error: BaseException | None) -> None:
        """Take note of a connection's end; that the other side went away is nobody's fault here."""
        self._open -= 1
        if error is not None and not isinstance(error, OSError):
            event(log, logging.ERROR, f"/probe failed to answer: {type(error).__name__}: {error}")

    def _serve(self, loop: Loop, connection: socket.socket) -> Task[None]:
        """Answer the requests of one connection, one after the other."""
        with Stream(loop, connection.family, accepted=connection) as stream:
            stream.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            rest = b""
            while True:
                while (end := rest.find(b"\r\n\r\n")) < 0:
                    if len(rest) > _MAX_REQUEST:
                        yield from stream.send(_encoded(_BAD, head_only=False, close=True))
                        return
                    piece = yield from stream.receive(loop.now() + _IDLE_SECONDS)
                    if not piece:
                        return
                    rest += piece
                request, rest = rest[: end + 2], rest[end + 4 :]
                close = yield from self._respond(loop, stream, request)
                if close:
                    return

    def _respond(self, loop: Loop, stream: Stream, request: bytes) -> Task[bool]:
        """Answer one request; whether the connection ends with it."""
        line = _REQUEST_LINE.match(request)
        headers = parse_headers(request, line.end()) if line else None
        if line is None or headers is None or "content-length" in headers or "transfer-encoding" in headers:
            yield from stream.send(_encoded(_BAD, head_only=False, close=True))
            return True
        method, (path, _, query) = line[1].decode(), line[2].decode().partition("?")
        close = line[3] == b"0" or "close" in headers.get("connection", "").lower()
        if path != PATH:
            answer = _NOT_FOUND
        elif method not in ("GET", "HEAD"):
            answer = _NOT_ALLOWED
        else:
            answer = yield from self._probe(loop, query, headers)
        yield from stream.send(_encoded(answer, head_only=method == "HEAD", close=close))
        return close

    def _probe(self, loop: Loop, query: str, headers: Mapping[str, str]) -> Task[Answer]:
        longest = self._seconds(headers.get("x-prometheus-scrape-timeout-seconds", ""))
        question = self._asking.question(query)
        if isinstance(question, Answer):
            return question
        over: list[Attempt] = []
        wake = loop.waker()

        def done(attempt: Attempt) -> None:
            over.append(attempt)
            wake()

        self._asking.start(loop, question, longest, done)
        while not over:
            yield None
        return self._asking.shown(question, over[0], headers.get("accept", ""))


def parse_headers(request: bytes, start: int) -> dict[str, str] | None:
    """The headers from *start* on, names in lower case, the first of a name; None where a line is malformed."""
    found: dict[str, str] = {}
    while start < len(request):
        match = _HEADER.match(request, start)
        if match is None:
            return None
        found.setdefault(match[1].decode().lower(), match[2].decode("latin-1").rstrip())
        start = match.end()
    return found


def _encoded(answer: Answer, *, head_only: bool, close: bool) -> bytes:
    """*answer* as it is sent."""
    lines = [f"HTTP/1.1 {answer.status}", *(f"{name}: {value}" for name, value in answer.headers)]
    lines.append(f"Content-Length: {len(answer.body)}")
    if close:
        lines.append("Connection: close")
    head = "\r\n".join([*lines, "", ""]).encode("latin-1")
    return head if head_only else head + answer.body
