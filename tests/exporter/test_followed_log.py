import os
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.sources.followed_log import DRAIN_SECONDS, FollowedLog, Surroundings
from exporter.sources.log_position import Mark
from exporter.sources.read_errors import ReadErrors
from exporter.sources.rotated_logs import Folders
from tests.exporter.doubles import Clock

Follow = Callable[..., FollowedLog]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A log with one line."""
    path = tmp_path / "access.log"
    path.write_bytes(b"1\n")
    return path


@pytest.fixture
def around(clock: Clock) -> Surroundings:
    """Folders and faults of a follower whose clock the test moves."""
    errors = ReadErrors()
    return Surroundings(Folders(errors, clock), errors, clock)


@pytest.fixture
def follow(path: Path, around: Surroundings) -> Follow:
    """Follows the log from given marks."""

    def start(*marks: Mark) -> FollowedLog:
        return FollowedLog(str(path), marks, around)

    return start


def lines(log: FollowedLog, around: Surroundings) -> bytes:
    """What one turn gives."""
    around.folders.turn()
    return b"".join(log.read())


def test_read_beside_a_folder_whose_names_were_listed_in_the_middle_of_a_rotation(
    follow: Follow, path: Path, around: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files that a listing missed because they were renamed during it are not taken for new ones at the next."""
    for number in range(1, 61):
        path.with_name(f"access.log.{number}").write_bytes(b"%d\n" % (100 + number))
    log = follow()
    assert len(lines(log, around)) == 60 * 4 + 2
    names = [each.name for each in path.parent.iterdir()]
    with monkeypatch.context() as rotating:
        rotating.setattr(os, "listdir", lambda _: [name for name in names if not name.endswith("5")])
        path.with_name("other").touch()
        assert lines(log, around) == b""
    path.with_name("other").unlink()
    assert lines(log, around) == b""


def test_read_a_log_that_was_away_for_a_moment(follow: Follow, path: Path, around: Surroundings) -> None:
    """A file that is moved away and back is the same file, and readable again."""
    log = follow()
    assert lines(log, around) == b"1\n"
    path.rename(path.with_name("away"))
    assert (lines(log, around), log.readable) == (b"", False)
    path.with_name("away").rename(path)
    assert (lines(log, around), log.readable, log.rotations) == (b"", True, 0)


def test_gone_when_everything_was_read_and_deleted(
    follow: Follow, path: Path, around: Surroundings, clock: Clock
) -> None:
    """A deleted log is kept open for two minutes, for its writer may come back; then nothing of it is left."""
    log = follow()
    lines(log, around)
    path.unlink()
    for _ in range(2):
        lines(log, around)
        assert not log.gone
        clock.now += DRAIN_SECONDS
    lines(log, around)
    assert log.gone


def test_marks_end_with_the_current_file(follow: Follow, path: Path, around: Surroundings) -> None:
    """The last mark is that of the file that the path means; each file has one."""
    log = follow()
    lines(log, around)
    path.rename(f"{path}.1")
    path.write_bytes(b"22\n")
    lines(log, around)
    assert [mark.offset for mark in log.marks] == [2, 3]
    assert log.marks[-1].inode == path.stat().st_ino


def test_close_gives_the_marks_to_go_on_from(follow: Follow, path: Path, around: Surroundings) -> None:
    """Another one with these marks reads what comes later, and nothing else."""
    log = follow()
    lines(log, around)
    marks = log.close()
    path.write_bytes(b"1\n2\n")
    assert lines(follow(*marks), around) == b"2\n"


def test_begin_at_the_end_of_a_file_that_may_not_be_opened_yet(
    follow: Follow, path: Path, around: Surroundings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was there at the start is passed over also where the right to read it comes later."""
    log = follow()
    with monkeypatch.context() as patch:
        patch.setattr("exporter.sources.log_file.open_regular", _refuse)
        log.begin(from_beginning=False, backlog=False)
        assert log.refused
    assert (lines(log, around), log.refused) == (b"", False)
    path.write_bytes(b"1\n2\n")
    assert lines(log, around) == b"2\n"


def test_read_truncated_line_without_end_loses_no_whole_one(follow: Follow, path: Path, around: Surroundings) -> None:
    """A file that only lost its unfinished line is read on where its whole lines end."""
    log = follow()
    path.write_bytes(b"1\nhalf")
    assert lines(log, around) == b"1\n"
    path.write_bytes(b"1\n2\n")
    assert lines(log, around) == b"2\n"


def _refuse(path: str) -> int:
    raise PermissionError(13, "Permission denied", path)
