"""A proxy before the alert handler that forwards a webhook and then claims 503: the sender must think it was lost."""

import http.client
import http.server
import threading
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

TIMEOUT_SECONDS = 30.0


@dataclass
class Losses:
    """How many answers to requests that hold `mark` are still lost, and the statuses given for those requests."""

    left: int
    mark: bytes = b""
    target: str = ""
    forwarded: list[int] = field(default_factory=list)
    answered: list[int] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def answer(self, body: bytes, status: int) -> int:
        """Notes the handler's status for a request and gives the one to pass on."""
        if self.mark not in body:
            return status
        with self.lock:
            self.forwarded.append(status)
            self.left -= 1
            self.answered.append(503 if self.left >= 0 else status)
            return self.answered[-1]


class Forward(http.server.BaseHTTPRequestHandler):
    """Forwards one connection's requests; `losses` is set by `FlakyProxy`."""

    losses: Losses
    protocol_version = "HTTP/1.1"
    timeout = TIMEOUT_SECONDS

    def do_POST(self) -> None:
        """Forwards the body, then passes on the handler's status or 503."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        kind = self.headers.get("Content-Type", "application/json")
        connection = http.client.HTTPConnection(self.losses.target, timeout=TIMEOUT_SECONDS)
        try:
            connection.request("POST", self.path, body, {"Content-Type": kind})
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException):
            status = 502
        finally:
            connection.close()
        self.send_response(self.losses.answer(body, status))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class's name
        """Says nothing."""


class FlakyProxy(AbstractContextManager["FlakyProxy"]):
    """The proxy on a free loopback port. `losses.target` (HOST:PORT) is set before the first request.

    Args:
        losses: how many answers to lose, the first ones.
        mark: lose only answers to requests that hold this.
    """

    def __init__(self, losses: int, mark: bytes = b"") -> None:
        self.losses = Losses(losses, mark)
        handler = type("BoundForward", (Forward,), {"losses": self.losses})
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self._server.daemon_threads = True

    @property
    def address(self) -> str:
        """HOST:PORT at which it listens."""
        return f"127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        """Starts to forward."""
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stops."""
        self._server.shutdown()
        self._server.server_close()
