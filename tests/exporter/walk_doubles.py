"""A shop to walk through, and servers that answer with whatever bytes a test gives them."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

Script = Callable[[socket.socket], object]


@contextmanager
def raw_server(script: Script, ends: threading.Event | None = None) -> Iterator[str]:
    """A server that reads the head of each request and then lets *script* do what it wants; its URL.

    A script that goes on for ever should look at *ends*, which is set at the end of the test.
    """
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            with peer, suppress(OSError):
                received = b""
                while b"\r\n\r\n" not in received:
                    received += peer.recv(65536) or b"\r\n\r\n"
                script(peer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        if ends:
            ends.set()
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


@dataclass
class Shop:
    """A shop with a session, a search, a cart and a checkout; *broken* names a path that answers 500."""

    url: str = ""
    broken: str = ""
    password: str = "s3cret/word"
    asked: list[tuple[str, str, dict[str, str], str]] = field(default_factory=list)
    answers: dict[str, tuple[int, dict[str, str], str]] = field(default_factory=dict)

    def answer(self, method: str, path: str, headers: dict[str, str], body: str) -> tuple[int, dict[str, str], str]:
        """Status, headers and body for one request."""
        parts = urlsplit(path)
        self.asked.append((method, path, headers, body))
        if parts.path in self.answers:
            return self.answers[parts.path]
        if parts.path == self.broken:
            return 500, {}, f"no luck with {body}"
        page = getattr(self, f"_{method}_{parts.path.strip('/') or 'home'}", None)
        if page is None:
            return 404, {}, "not here"
        answer: tuple[int, dict[str, str], str] = page(parts.query, headers, body)
        return answer

    def _GET_home(self, _query: str, _headers: dict[str, str], _body: str) -> tuple[int, dict[str, str], str]:  # noqa: N802
        return 200, {"Set-Cookie": "session=abcdef123456; HttpOnly"}, '<form><input name="csrf" value="a+b/c="></form>'

    def _GET_search(self, query: str, _headers: dict[str, str], _body: str) -> tuple[int, dict[str, str], str]:  # noqa: N802
        word = parse_qs(query).get("q", [""])[0]
        found = {"results": [{"id": 7, "name": word, "price": 12.5}, {"id": 8, "name": word, "price": 20}]}
        return 200, {"Content-Type": "application/json"}, json.dumps(found)

    def _POST_cart(self, _query: str, headers: dict[str, str], body: str) -> tuple[int, dict[str, str], str]:  # noqa: N802
        if "session=abcdef123456" not in headers.get("cookie", ""):
            return 401, {}, "no session"
        return (
            201,
            {},
            json.dumps({"total": 12.5 * len(json.loads(body)["items"]), "item": json.loads(body)["items"][0]}),
        )

    def _POST_checkout(self, _query: str, _headers: dict[str, str], body: str) -> tuple[int, dict[str, str], str]:  # noqa: N802
        if parse_qs(body).get("password") != [self.password]:
            return 403, {}, f"refused: {body}"
        return 303, {"Location": "/order", "Set-Cookie": "order=O-4711"}, ""

    def _GET_order(self, _query: str, headers: dict[str, str], _body: str) -> tuple[int, dict[str, str], str]:  # noqa: N802
        return 200, {}, json.dumps({"orderId": headers.get("cookie", "").partition("order=")[2]})


@contextmanager
def open_shop(place: Shop) -> Iterator[Shop]:
    """*place*, open on a free port."""

    class Counter(_Counter):
        shop = place

    with _Door(("127.0.0.1", 0), Counter) as server:
        server.daemon_threads = True
        place.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield place
        server.shutdown()
        thread.join()


class _Door(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Say nothing: visitors leave when their time is over."""


class _Counter(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    shop: ClassVar[Shop]

    def do_GET(self) -> None:
        """Answer as the shop says."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        headers = {name.lower(): value for name, value in self.headers.items()}
        status, answered, text = self.shop.answer(self.command, self.path, headers, body)
        self.send_response(status)
        for name, value in {"Content-Length": str(len(text.encode())), **answered}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(text.encode())

    def do_POST(self) -> None:
        """The same."""
        self.do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing."""
