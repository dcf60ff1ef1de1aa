import os
import tracemalloc
from pathlib import Path
from typing import Never

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.sources import followed_log, log_file
from exporter.sources.follow import Follower
from tests.exporter.doubles import Clock


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """The path of a log that does not exist yet."""
    return tmp_path / "access.log"


def open_descriptors() -> int:
    """How many descriptors this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def append(path: Path, data: bytes) -> None:
    """Write *data* at the end of *path*."""
    with path.open("ab") as file:
        file.write(data)


def read(follower: Follower) -> bytes:
    """Everything new, as one piece."""
    return b"".join(piece.data for piece in follower.read())


def test_read_begins_at_the_end(log: Path) -> None:
    """What was in the log before is not counted, what comes after is."""
    append(log, b"old\n")
    follower = Follower([str(log)], from_beginning=False)
    assert read(follower) == b""
    append(log, b"new\n")
    assert read(follower) == b"new\n"
    follower.close()


def test_read_begins_at_the_end_of_the_last_whole_line(log: Path) -> None:
    """A line half written at the start is read whole later."""
    append(log, b"old\nne")
    follower = Follower([str(log)], from_beginning=False)
    assert read(follower) == b""
    append(log, b"w\n")
    assert read(follower) == b"new\n"
    follower.close()


def test_read_from_the_beginning_when_asked(log: Path) -> None:
    """All of the log is read, if it is wanted."""
    append(log, b"old\n")
    assert read(Follower([str(log)], from_beginning=True)) == b"old\n"


def test_read_log_that_comes_later_is_read_whole(log: Path) -> None:
    """A log that was not there at first has been written under our eyes."""
    follower = Follower([str(log)], from_beginning=False)
    assert read(follower) == b""
    assert not follower.readable
    append(log, b"new\n")
    assert read(follower) == b"new\n"
    assert follower.readable


def test_read_puts_pieces_of_a_line_together(log: Path) -> None:
    """A line is given when its end has come."""
    follower = Follower([str(log)], from_beginning=True)
    append(log, b"one\ntw")
    assert read(follower) == b"one\n"
    append(log, b"o\n")
    assert read(follower) == b"two\n"


def test_read_reads_the_renamed_file_on(log: Path, tmp_path: Path) -> None:
    """What a writer still puts into the old file after a rename is not lost."""
    follower = Follower([str(log)], from_beginning=True)
    append(log, b"1\n")
    assert read(follower) == b"1\n"
    log.rename(tmp_path / "access.log.1")
    append(log, b"3\n")
    append(tmp_path / "access.log.1", b"2\n")
    assert read(follower) == b"2\n3\n"
    append(tmp_path / "access.log.1", b"late\n")
    assert read(follower) == b"late\n"
    follower.close()


def test_read_gives_a_renamed_file_up_in_the_end(log: Path, tmp_path: Path, clock: Clock) -> None:
    """After a minute the old file is closed; its last line counts even without an end, what comes then at a change."""
    follower = Follower([str(log)], from_beginning=True, wall=clock)
    append(log, b"1\n2")
    assert read(follower) == b"1\n"
    log.rename(tmp_path / "access.log.1")
    append(log, b"")
    assert read(follower) == b""
    clock.now += followed_log.DRAIN_SECONDS
    assert read(follower) == b"2\n"
    append(tmp_path / "access.log.1", b"late\n")
    log.rename(tmp_path / "access.log.0")
    assert read(follower) == b"late\n"


def test_read_keeps_few_renamed_files(log: Path, tmp_path: Path) -> None:
    """Rotation in a hurry does not use up the descriptors."""
    follower = Follower([str(log)], from_beginning=True)
    before = open_descriptors()
    for number in range(20):
        append(log, b"x\n")
        assert read(follower) == b"x\n"
        log.rename(tmp_path / f"access.log.{number}")
    assert open_descriptors() - before <= followed_log.MAX_DRAINING + 2
    follower.close()
    assert open_descriptors() <= before


def test_read_starts_over_after_truncation(log: Path) -> None:
    """A log emptied in place is read from its new beginning."""
    follower = Follower([str(log)], from_beginning=True)
    append(log, b"before before\npart")
    read(follower)
    log.write_bytes(b"after\n")
    assert read(follower) == b"after\n"


def test_read_notices_truncation_that_was_filled_up(log: Path) -> None:
    """A log emptied and filled past the old position between two looks is read from its beginning."""
    follower = Follower([str(log)], from_beginning=True)
    append(log, b"before\n")
    read(follower)
    log.write_bytes(b"after 1\nafter 2\n")
    assert read(follower) == b"after 1\nafter 2\n"


def test_read_missing_log_is_not_readable(log: Path) -> None:
    """A log that was removed is told, and nothing is raised."""
    follower = Follower([str(log)], from_beginning=True)
    append(log, b"1\n")
    read(follower)
    log.unlink()
    assert read(follower) == b""
    assert not follower.readable


def test_read_what_is_no_file_is_not_readable(log: Path) -> None:
    """A folder or pipe in the log's place is told, keeps no descriptor and is tried again."""
    os.mkfifo(log)
    before = open_descriptors()
    follower = Follower([str(log)], from_beginning=True)
    assert read(follower) == b""
    assert not follower.readable
    assert open_descriptors() == before


def test_read_log_that_cannot_be_opened(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the right to read there is nothing to count, and the gauge says so."""
    append(log, b"1\n")

    def forbid(*_: object) -> Never:
        raise PermissionError

    monkeypatch.setattr(os, "open", forbid)
    follower = Follower([str(log)], from_beginning=True)
    assert read(follower) == b""
    assert not follower.readable


def test_read_line_without_end_is_cut(log: Path) -> None:
    """Lines of megabytes are cut at 64 KiB, their memory stays bounded, and each counts once."""
    follower = Follower([str(log)], from_beginning=True)
    append(log, b"x" * 4_000_000 + b"\n" + b"y" * 3_000_000)
    tracemalloc.start()
    lengths = [len(piece.data) for piece in follower.read()]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    append(log, b"y\nnext\n")
    assert lengths == [log_file.MAX_LINE_BYTES + 1]
    assert read(follower) == b"y" * log_file.MAX_LINE_BYTES + b"\nnext\n"
    assert peak < 2_000_000


PIECES = st.lists(st.integers(1, 30), min_size=1, max_size=4)
STEPS = st.lists(st.tuples(st.sampled_from(["write", "read", "rename", "truncate"]), PIECES), max_size=25)


@settings(deadline=None, max_examples=60)
@given(STEPS)
def test_read_counts_every_line_once(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, list[int]]]
) -> None:
    """Through any order of partial writes, renames and truncations, lines counted are lines written."""
    log = tmp_path_factory.mktemp("log") / "access.log"
    log.touch()
    follower = Follower([str(log)], from_beginning=True)
    written = seen = 0
    for number, (step, lengths) in enumerate(steps):
        if step == "write":
            text = b"".join(b"%d" % number * length + b"\n" for length in lengths)
            written += len(lengths)
            append(log, text[:-2])
            seen += read(follower).count(b"\n")
            append(log, text[-2:])
        elif step == "rename":
            seen += read(follower).count(b"\n")
            log.rename(f"{log}.{number}")
            log.touch()
        elif step == "truncate":
            seen += read(follower).count(b"\n")
            os.truncate(log, 0)
        seen += read(follower).count(b"\n")
    follower.close()
    assert seen == written
