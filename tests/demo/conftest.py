from pathlib import Path

import pytest

from demo.vitals import MIB, Place, Vitals


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """A demo service's folders with small quotas: 4 MiB of logs, 256 MiB of memory (the test process is large)."""
    place = Place(tmp_path / "logs", tmp_path / "cache", tmp_path / "worker.pid", 4 * MIB, 256 * MIB)
    place.logs.mkdir()
    place.cache.mkdir()
    return place


@pytest.fixture
def vitals(place: Place) -> Vitals:
    """The readings of that service."""
    return Vitals(place)
