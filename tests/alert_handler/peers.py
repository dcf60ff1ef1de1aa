"""Servers on loopback that stand at the other end of a channel."""

import contextlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import NamedTuple

from websockets.sync.server import ServerConnection, serve


class Request(NamedTuple):
    """What a server got."""

    path: str
    headers: dict[str, str]
    body: bytes


class HttpPeer(ThreadingHTTPServer):
    """Answers with `status`, `answer` and `extra` headers; keeps what it got; can hang, hang up or talk nonsense."""

    daemon_threads = True
    status = 200
    answer = b"ok"

    def __init__(self) -> None:
        self.got: list[Request] = []
        self.extra: dict[str, str] = {}
        self.mood = "answers"
        self.over = threading.Event()
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def address(self) -> str:
        """HOST:PORT."""
        return f"127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: HttpPeer
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        peer = self.server
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        peer.got.append(Request(self.path, {key.lower(): value for key, value in self.headers.items()}, body))
        if peer.mood == "hangs":
            peer.over.wait(20)
        elif peer.mood == "nonsense":
            self.wfile.write(b"\x00\xffthis is not HTTP\r\n\r\n")
        elif peer.mood == "answers":
            self.send_response(peer.status)
            for name, value in peer.extra.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(peer.answer)))
            self.end_headers()
            self.wfile.write(peer.answer)
        self.close_connection = True

    do_GET = do_POST  # noqa: N815 -- http.server's name

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextlib.contextmanager
def http_peer() -> Iterator[HttpPeer]:
    """A running HTTP server."""
    with HttpPeer() as peer:
        thread = threading.Thread(target=peer.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield peer
        finally:
            peer.over.set()
            peer.shutdown()
            thread.join()


class WsPeer:
    """Keeps what WebSocket clients send; with a `code` it closes at once and then sets `closed`."""

    def __init__(self) -> None:
        self.got: list[Request] = []
        self.code = 0
        self.address = ""
        self.closed = threading.Event()
        self._taken = threading.Semaphore(0)

    def take(self, count: int = 1) -> list[Request]:
        """The first *count* messages, once they are there: the library confirms a frame before it is read."""
        for _ in range(count):
            assert self._taken.acquire(timeout=10)
        return self.got

    def __call__(self, connection: ServerConnection) -> None:
        """Serve one connection."""
        if self.code:
            connection.close(self.code)
            self.closed.set()
            return
        request = connection.request
        assert request
        headers = {key.lower(): value for key, value in request.headers.raw_items()}
        body = connection.recv()
        assert isinstance(body, str)
        self.got.append(Request(request.path, headers, body.encode()))
        self._taken.release()


@contextlib.contextmanager
def ws_peer() -> Iterator[WsPeer]:
    """A running WebSocket server."""
    peer = WsPeer()
    with serve(peer, "127.0.0.1", 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        peer.address = f"127.0.0.1:{server.socket.getsockname()[1]}"
        try:
            yield peer
        finally:
            server.shutdown()
            thread.join()
