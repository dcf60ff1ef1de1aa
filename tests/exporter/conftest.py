"""What the exporter's tests share: a hand-made /proc, clocks that tests move, a web server that answers as told."""

import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from exporter.sheets import Part
from tests.exporter.doubles import Clock, Samples, Shown, Site, Statvfs, Until, serving

FIXTURES = Path(__file__).parent.parent / "fixtures"


@pytest.fixture(autouse=True)
def _state_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Collectors that keep state keep it in the test's own directory."""
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))


@pytest.fixture
def clock() -> Clock:
    """A clock at 1000 s."""
    return Clock()


@pytest.fixture
def proc_root() -> str:
    """The /proc of the fixture host."""
    return str(FIXTURES / "proc")


@pytest.fixture
def statvfs() -> Statvfs:
    """The space of the fixture host's mounts: 1000 blocks of 4 KiB, 250 available, 100 inodes, 90 free."""
    return lambda _path: os.statvfs_result((4096, 4096, 1000, 300, 250, 100, 90, 90, 0, 255))


@pytest.fixture
def site() -> Iterator[Site]:
    """A running web server that answers as the test tells it."""
    with serving(Site()) as place:
        yield place


@pytest.fixture
def until() -> Until:
    """Waits for a condition, at most 10 s."""

    def wait(condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 10
        pause = threading.Event()
        while not condition():
            assert time.monotonic() < deadline, "the condition never came true"
            pause.wait(0.005)

    return wait


@pytest.fixture
def shown() -> Shown:
    """Every sample of some families by its text, without the blank at its end."""

    def collect(parts: Iterable[Part]) -> Samples:
        families = [family for part in parts for family in part.families()]
        return {text.rstrip(): value for family in families for text, value in family.samples.items()}

    return collect
