import gzip
import os
from pathlib import Path

import pytest

from exporter.sources.known_files import KnownFiles, LogFile
from exporter.sources.log_file import PlainLog
from exporter.sources.log_position import Mark
from exporter.sources.read_errors import ReadErrors
from exporter.sources.unread_files import Search, open_log


@pytest.fixture
def errors() -> ReadErrors:
    """No fault so far."""
    return ReadErrors()


def told(search: Search, rotated: list[Path], others: list[Path]) -> dict[str, Mark | None]:
    """What is to be read, by the files' names."""
    found = search.among([str(path) for path in rotated], [str(path) for path in others])
    return {Path(file.path).name: file.mark for file in found}


def test_among_takes_new_rotated_files_and_known_ones(tmp_path: Path, errors: ReadErrors) -> None:
    """A rotated file that nobody knows is new; any other file only counts if it is known."""
    for name in ("a.log.1", "a.log.2", "a.log.old", "a.log.bak"):
        (tmp_path / name).write_bytes(name.encode() + b"\n")
    old = PlainLog(str(tmp_path / "a.log.old"))
    list(old.read())
    search = Search(KnownFiles([old.mark]), list, errors)
    rotated, others = [tmp_path / "a.log.2", tmp_path / "a.log.1"], [tmp_path / "a.log.bak", tmp_path / "a.log.old"]
    assert told(search, rotated, others) == {"a.log.2": None, "a.log.1": None, "a.log.old": old.mark}
    assert search.complete


def test_among_waits_for_an_open_file_with_its_copy(tmp_path: Path, errors: ReadErrors) -> None:
    """A copy of a file that is read anyway is not read, and looked at again when that one is closed."""
    (tmp_path / "a.log").write_bytes(b"1\n2\n")
    log = PlainLog(str(tmp_path / "a.log"))
    list(log.read())
    (tmp_path / "a.log.1").write_bytes(b"1\n")
    (tmp_path / "a.log.2.gz").write_bytes(gzip.compress(b"1\n2\n"))
    rotated = [tmp_path / "a.log.2.gz", tmp_path / "a.log.1"]
    known, opened = KnownFiles([]), [log]

    def open_logs() -> list[LogFile]:
        return list(opened)

    search = Search(known, open_logs, errors)
    assert told(search, rotated, []) == {}
    assert not search.complete
    opened.clear()
    known.remember(log.mark)
    search = Search(known, open_logs, errors)
    assert told(search, rotated, []) == {"a.log.2.gz": log.mark}
    assert search.complete


def test_among_passes_over_what_is_no_file(tmp_path: Path, errors: ReadErrors) -> None:
    """Folders and pipes beside a log are no fault, nor is a file that is gone; one under two names is one."""
    (tmp_path / "a.log.d").mkdir()
    os.mkfifo(tmp_path / "a.log.2")
    (tmp_path / "a.log.1").write_bytes(b"1\n")
    (tmp_path / "a.log.3").hardlink_to(tmp_path / "a.log.1")
    names = [tmp_path / f"a.log.{end}" for end in ("4", "3", "2", "1")]
    assert told(Search(KnownFiles([]), list, errors), names, [tmp_path / "a.log.d"]) == {"a.log.3": None}
    assert errors.count == 0


def test_among_tells_a_damaged_file_once(tmp_path: Path, errors: ReadErrors) -> None:
    """A compressed file that is none costs itself, and nothing else."""
    (tmp_path / "a.log.2.gz").write_bytes(b"nonsense")
    (tmp_path / "a.log.1").write_bytes(b"1\n")
    known = KnownFiles([])
    for _ in range(3):
        names = [tmp_path / "a.log.2.gz", tmp_path / "a.log.1"]
        assert told(Search(known, list, errors), names, []) == {"a.log.1": None}
    assert errors.count == 1


def test_open_log_goes_by_the_name(tmp_path: Path) -> None:
    """What ends with .gz is unpacked, anything else is read as it is."""
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"1\n"))
    assert list(open_log(str(tmp_path / "a.gz")).read()) == [b"1\n"]
    assert isinstance(open_log(__file__), PlainLog)
