from pathlib import Path

import pytest

from exporter.errors import SourceUnavailable
from exporter.sources.local import LocalReadings
from tests.exporter.doubles import Statvfs


def test_read_gives_memory_and_disk(proc_root: str, statvfs: Statvfs) -> None:
    """This machine's readings come from /proc and the chosen file system."""
    local = LocalReadings("/", proc_root, statvfs)
    readings = local.read()
    assert (readings.memory, readings.disk, readings.cpu) == (0.75, 0.75, None)
    local.close()


def test_read_cpu_is_the_busy_share_since_the_call_before(tmp_path: Path, proc_root: str, statvfs: Statvfs) -> None:
    """The processor's reading needs two calls: busy ticks of all ticks between them."""
    (tmp_path / "meminfo").write_bytes((Path(proc_root) / "meminfo").read_bytes())
    (tmp_path / "stat").write_text("cpu0 100 0 0 100 0 0 0 0\n")
    local = LocalReadings("/", str(tmp_path), statvfs)
    local.read()
    (tmp_path / "stat").write_text("cpu0 130 0 0 160 10 0 0 0\n")
    assert local.read().cpu == pytest.approx(0.3)
    assert local.read().cpu is None


def test_read_without_proc_raises(tmp_path: Path, statvfs: Statvfs) -> None:
    """A machine without /proc has no readings to offer."""
    with pytest.raises(SourceUnavailable, match="no MemTotal"):
        LocalReadings("/", str(tmp_path), statvfs).read()


def test_read_missing_path_raises(proc_root: str) -> None:
    """A path that is not there is named."""
    with pytest.raises(SourceUnavailable, match="/nowhere: No such file"):
        LocalReadings("/nowhere", proc_root).read()
