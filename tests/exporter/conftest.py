"""What the exporter's tests share: a hand-made /proc, clocks that tests move, a web server that answers as told."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from exporter.families import Family

FIXTURES = Path(__file__).parent.parent / "fixtures"


@dataclass
class Clock:
    """A clock that stands still until a test moves it."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Site:
    """A web server on loopback: *answers* maps a path to status and body, other paths are 404."""

    url: str = ""
    answers: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)


@pytest.fixture
def clock() -> Clock:
    """A clock at 1000 s."""
    return Clock()


@pytest.fixture
def proc_root() -> str:
    """The /proc of the fixture host."""
    return str(FIXTURES / "proc")


@pytest.fixture
def statvfs() -> Callable[[str], os.statvfs_result]:
    """The space of the fixture host's mounts: 1000 blocks of 4 KiB, 250 available, 100 inodes, 90 free."""
    return lambda _path: os.statvfs_result((4096, 4096, 1000, 300, 250, 100, 90, 90, 0, 255))


@pytest.fixture
def site() -> Iterator[Site]:
    """A running web server that answers as the test tells it."""
    place = Site()

    class Answer(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            place.asked.append(self.path)
            status, body = place.answers.get(self.path, (404, b""))
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **place.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        server.daemon_threads = True
        place.url = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield place
        server.shutdown()
        thread.join()


@pytest.fixture
def until() -> Callable[[Callable[[], object]], None]:
    """Waits for a condition, at most 10 s."""

    def wait(condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 10
        pause = threading.Event()
        while not condition():
            assert time.monotonic() < deadline, "the condition never came true"
            pause.wait(0.005)

    return wait


@pytest.fixture
def shown() -> Callable[[object], dict[str, float]]:
    """Every sample of some families by its text, without the blank at its end."""

    def collect(families: object) -> dict[str, float]:
        assert families is not None
        found: dict[str, float] = {}
        for family in families:  # type: ignore[attr-defined]
            assert isinstance(family, Family)
            found |= {text.rstrip(): value for text, value in family.samples.items()}
        return found

    return collect
