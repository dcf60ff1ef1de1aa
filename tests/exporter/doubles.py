"""Stand-ins at the edge of the machine, and the types of the fixtures."""

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

from exporter.sheets import Part

Statvfs = Callable[[str], os.statvfs_result]
Until = Callable[[Callable[[], object]], None]
Samples = dict[str, float]
Shown = Callable[[Iterable[Part]], Samples]


@dataclass
class Clock:
    """A clock that stands still until a test moves it."""

    now: float = 1000.0

    def __call__(self) -> float:
        """Say the time."""
        return self.now


@dataclass
class Site:
    """A web server on loopback: *answers* maps a path to status and body, other paths are 404."""

    url: str = ""
    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


@contextmanager
def serving(place: Site) -> Iterator[Site]:
    """Serves *place* on a free port."""

    class Answer(_Answer):
        site = place

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        server.daemon_threads = True
        place.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield place
        server.shutdown()
        thread.join()


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    site: ClassVar[Site]

    def do_GET(self) -> None:
        """Answer as the test told the site."""
        self.site.asked.append(self.path)
        status, body = self.site.answers.get(self.path, (404, b""))
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **self.site.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""
