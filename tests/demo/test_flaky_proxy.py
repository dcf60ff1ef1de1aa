import http.client
import http.server
import threading
from collections.abc import Iterator
from typing import ClassVar

import pytest

from demo.flaky_proxy import FlakyProxy


class Taker(http.server.BaseHTTPRequestHandler):
    """Keeps what it is sent and answers 200."""

    bodies: ClassVar[list[bytes]] = []

    def do_POST(self) -> None:
        """One body."""
        self.bodies.append(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class's name
        """Silent."""


@pytest.fixture
def taker() -> Iterator[str]:
    """Address of a server that takes everything."""
    Taker.bodies.clear()
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Taker) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def _post(address: str, body: bytes = b"{}") -> int:
    """The status of one POST."""
    connection = http.client.HTTPConnection(address, timeout=10)
    connection.request("POST", "/hook", body)
    status = connection.getresponse().status
    connection.close()
    return status


def test_proxy_loses_answers_but_not_requests(taker: str) -> None:
    """The first answers are lost as 503 although the target took the request; later ones pass."""
    with FlakyProxy(losses=2, mark=b"lose me") as proxy:
        proxy.losses.target = taker
        bodies = [b"lose me", b"not me", b"lose me", b"lose me"]
        assert [_post(proxy.address, body) for body in bodies] == [503, 200, 503, 200]
    assert Taker.bodies == bodies
    assert proxy.losses.forwarded == [200, 200, 200]


def test_proxy_without_target_answers_502() -> None:
    """A target that is gone is a bad gateway, as with any proxy."""
    with FlakyProxy(losses=0) as proxy:
        proxy.losses.target = "127.0.0.1:1"
        assert _post(proxy.address) == 502
