import os
from pathlib import Path

import pytest

from exporter.sources.read_errors import ReadErrors
from exporter.sources.rotated_logs import Folder, Folders, folders_of, rotated
from tests.exporter.doubles import Clock


@pytest.mark.parametrize(
    ("name", "base"),
    [
        ("access.log.1", "access.log"),
        ("access.log.12.gz", "access.log"),
        ("access.log-20260102", "access.log"),
        ("access.log-2026010213.gz", "access.log"),
        ("access.log-20260102-1767312000.gz", "access.log"),
        ("access.log.2026-01-02", "access.log"),
        ("access.log", None),
        ("access.log.bak", None),
        ("access.log.gz", None),
        ("app-v2", None),
        (".1", None),
    ],
)
def test_rotated_knows_the_usual_names(name: str, base: str | None) -> None:
    """Numbers and dates after a log's name make a rotated file of it."""
    found = rotated(name)
    assert (found and found[0]) == base


def test_rotated_files_come_oldest_first(tmp_path: Path) -> None:
    """By date or number, not by text; a file that is being compressed is taken before its compressed half."""
    for name in ("a.log", "a.log.2", "a.log.10.gz", "a.log.2.gz", "a.log-20260103", "a.log-20260102.gz", "b.log.1"):
        (tmp_path / name).touch()
    folder = Folder(str(tmp_path))
    folder.look()
    names = [path.rsplit("/", 1)[1] for path in folder.rotated("a.log")]
    assert names == ["a.log-20260102.gz", "a.log-20260103", "a.log.10.gz", "a.log.2"]


def test_logs_are_told_by_their_rotated_files(tmp_path: Path) -> None:
    """A log that is just being rotated is found by what is left of it."""
    for name in ("a.log.1", "b.log", "c.log.gz", "d.txt"):
        (tmp_path / name).touch()
    folder = Folder(str(tmp_path))
    folder.look()
    assert [path.rsplit("/", 1)[1] for path in folder.logs("*.log*")] == ["a.log", "b.log"]


def test_look_lists_a_quiet_folder_once(tmp_path: Path, clock: Clock) -> None:
    """A folder is listed again when it has changed, and as long as a change could hide in the clock's last tick."""
    os.utime(tmp_path, (900, 900))
    folder = Folder(str(tmp_path), clock)
    folder.look()
    folder.look()
    assert folder.version == 1
    os.utime(tmp_path, (999, 999))
    folder.look()
    folder.look()
    assert folder.version == 3


def test_folders_tell_one_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clock: Clock) -> None:
    """A folder without the right to list it has no names and is told once; one that is missing is no fault."""
    errors = ReadErrors()
    folders = Folders(errors, clock)
    assert folders.at(str(tmp_path / "none")).names == []
    assert errors.count == 0

    def refuse(_: str) -> list[str]:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "listdir", refuse)
    for _ in range(3):
        folders.turn()
        assert not folders.at(str(tmp_path)).readable
    assert errors.count == 1


def test_folders_of_a_glob(tmp_path: Path) -> None:
    """A glob's folders are those that exist; a path's folder is its own, there or not."""
    (tmp_path / "a").mkdir()
    assert folders_of(f"{tmp_path}/*/x.log") == [f"{tmp_path}/a"]
    assert folders_of("/none/x.log") == ["/none"]
    assert folders_of("x*.log") == [""]
