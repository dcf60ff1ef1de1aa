import subprocess
import sys
import time

import pytest

from demo.breakage import FULL_RATIO, OLDEST_LOG_SECONDS, Breakage, UnknownBreakageError
from demo.configs import ROOT
from demo.vitals import Vitals


@pytest.fixture
def breakage(vitals: Vitals) -> Breakage:
    """The ways to break a service, with a clock that stands still."""
    return Breakage(vitals, clock=lambda: 100.0)


def test_fill_logs_passes_the_critical_threshold(breakage: Breakage) -> None:
    """After it the log folder is fuller than the 85 % at which an alert fires, and not overdrawn."""
    breakage.do("disk")
    assert breakage.vitals.disk_ratio() == pytest.approx(FULL_RATIO, abs=0.001)


def test_fill_logs_writes_old_files(breakage: Breakage) -> None:
    """Clean-ups spare young files, so a full folder must hold old ones."""
    breakage.do("disk")
    files = list(breakage.vitals.place.logs.iterdir())
    assert max(file.stat().st_mtime for file in files) <= time.time() - OLDEST_LOG_SECONDS


def test_fill_logs_twice_writes_new_files_beside_the_old(breakage: Breakage) -> None:
    """Broken again after a partial repair it is full again, and no file was overwritten."""
    breakage.do("disk")
    files = sorted(breakage.vitals.place.logs.iterdir())
    files[0].unlink()
    breakage.do("disk")
    assert breakage.vitals.disk_ratio() == pytest.approx(FULL_RATIO, abs=0.001)


def test_fill_cache_passes_the_critical_threshold(breakage: Breakage) -> None:
    """After it more than the 80 % of memory is used at which an alert fires."""
    breakage.do("memory")
    assert breakage.vitals.memory_ratio() > 0.8


def test_kill_worker_kills_the_worker_and_leaves_its_pid_file(breakage: Breakage) -> None:
    """The pid file stays behind as after a crash, and names nobody who lives."""
    place = breakage.vitals.place
    worker = [sys.executable, "-I", ROOT / "demo" / "worker.py", "--detach", "--pid-file", place.pid_file]
    subprocess.run(worker, check=True)
    assert "killed worker" in breakage.do("worker")
    assert place.pid_file.exists()
    assert breakage.vitals.worker_pid() is None


def test_kill_worker_spares_other_processes(breakage: Breakage) -> None:
    """A pid file that names another program kills nobody."""
    with subprocess.Popen(["sleep", "60"]) as other:
        breakage.vitals.place.pid_file.write_text(str(other.pid), encoding="ascii")
        assert breakage.do("worker") == "the worker does not run"
        assert other.poll() is None
        other.kill()


def test_raise_errors_ends_by_itself(vitals: Vitals) -> None:
    """A share of requests fails for a minute, then none."""
    now = 0.0
    breakage = Breakage(vitals, clock=lambda: now)
    breakage.do("errors")
    assert (breakage.fails(0.1), breakage.fails(0.9)) == (True, False)
    now = 61.0
    assert not breakage.fails(0.1)


def test_slow_down_delays_requests(breakage: Breakage) -> None:
    """Requests wait while it lasts, and do not before."""
    assert breakage.delay_seconds() == 0
    breakage.do("latency")
    assert breakage.delay_seconds() > 1


def test_do_unknown_way_names_the_known_ones(breakage: Breakage) -> None:
    """A typo gets the list."""
    with pytest.raises(UnknownBreakageError, match="known are disk, memory, worker, errors, latency"):
        breakage.do("dsik")
