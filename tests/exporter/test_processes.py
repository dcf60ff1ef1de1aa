import os
from pathlib import Path

import pytest

from exporter.errors import SourceUnavailable
from exporter.sources.processes import ProcessTable
from tests.exporter.doubles import Clock


def test_processes_gives_the_living(proc_root: str) -> None:
    """Names with blanks and brackets are whole, zombies are not among the living."""
    found = {p.pid: (p.name, p.program, p.cmdline) for p in ProcessTable(proc_root).processes()}
    assert found == {
        1: ("init", "init", "/sbin/init"),
        101: ("my worker (x)", "python3", "/usr/bin/python3 -m celery worker"),
    }


def test_processes_scan_is_shared_for_a_second(tmp_path: Path, clock: Clock) -> None:
    """Several checks at once cost one scan; a second later there is a new one."""
    table = ProcessTable(str(tmp_path), clock)
    assert table.processes() == []
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "stat").write_text("7 (x) S 1")
    (tmp_path / "7" / "cmdline").write_text("x")
    assert table.processes() == []
    clock.now += 1
    assert len(table.processes()) == 1


def test_processes_leaves_itself_out(tmp_path: Path) -> None:
    """The exporter's own arguments name what it looks for, and are not it."""
    folder = tmp_path / str(os.getpid())
    folder.mkdir()
    (folder / "stat").write_text("1 (python) S 1")
    (folder / "cmdline").write_text("python -m exporter")
    assert ProcessTable(str(tmp_path)).processes() == []


def test_processes_ended_during_the_scan_is_left_out(tmp_path: Path) -> None:
    """A process whose files are gone is no failure."""
    (tmp_path / "7").mkdir()
    assert ProcessTable(str(tmp_path)).processes() == []


def test_alive_tells_zombies_from_the_living(proc_root: str) -> None:
    """A zombie and a number nobody has are not alive."""
    table = ProcessTable(proc_root)
    assert [table.alive(pid) for pid in (101, 102, 4242)] == [True, False, False]


def test_processes_without_proc_raises(tmp_path: Path) -> None:
    """A missing /proc is an error, not an empty machine."""
    with pytest.raises(SourceUnavailable, match="cannot be listed"):
        ProcessTable(str(tmp_path / "none")).processes()
