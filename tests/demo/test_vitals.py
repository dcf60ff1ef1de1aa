import dataclasses
import os
import subprocess

import pytest

from demo.vitals import MIB, Place, Vitals, living_pid, status_of


def test_disk_ratio_is_bytes_over_quota(vitals: Vitals) -> None:
    """A log folder with a quarter of its quota used says a quarter; compressed files count as they are."""
    (vitals.place.logs / "a.log").write_bytes(b"x" * MIB)
    assert vitals.disk_ratio() == pytest.approx(0.25)


def test_memory_ratio_counts_process_and_cache(vitals: Vitals) -> None:
    """What is cached is memory: the ratio rises by exactly the cached share."""
    before = vitals.memory_ratio()
    with (vitals.place.cache / "a").open("wb") as sparse:
        sparse.truncate(64 * MIB)
    assert vitals.memory_ratio() - before == pytest.approx(0.25, abs=0.01)


def test_resources_overdrawn_quota_is_full_and_no_more(vitals: Vitals) -> None:
    """A share of more than 100 % is no share: monitoring would refuse the document."""
    (vitals.place.logs / "a.log").write_bytes(b"x" * 5 * MIB)
    assert vitals.resources()["disk_percent"] == 100


def test_system_without_worker_is_degraded(place: Place) -> None:
    """A dead worker shows in the status word and in the checks."""
    # The process of the tests is too large for the small quota of the others.
    vitals = Vitals(dataclasses.replace(place, memory_bytes=64 * 1024 * MIB))
    assert vitals.system()["status"] == "degraded"
    assert vitals.system()["checks"] == {"worker": "down"}


@pytest.mark.parametrize(
    ("ratio", "status"),
    [(0.0, "healthy"), (0.75, "warning"), (0.8, "degraded"), (0.9, "critical"), (1.5, "critical")],
)
def test_status_of_worst_ratio_names_the_level(ratio: float, status: str) -> None:
    """Each level begins at its own ratio."""
    assert status_of(ratio, worker_up=True) == status


def test_living_pid_needs_a_living_process(vitals: Vitals) -> None:
    """A pid file counts only as long as its process lives: nonsense, no file and a zombie are no worker."""
    file = vitals.place.pid_file
    assert living_pid(file) is None
    file.write_text("nonsense", encoding="ascii")
    assert living_pid(file) is None
    file.write_text(str(os.getpid()), encoding="ascii")
    assert living_pid(file) == os.getpid()
    zombie = subprocess.Popen(["true"])
    os.waitid(os.P_PID, zombie.pid, os.WEXITED | os.WNOWAIT)
    file.write_text(str(zombie.pid), encoding="ascii")
    assert living_pid(file) is None
    zombie.wait()
