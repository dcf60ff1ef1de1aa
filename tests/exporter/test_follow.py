import errno
import gzip
import os
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Never

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.sources import follow, followed_log, log_file
from exporter.sources.follow import Follower
from exporter.sources.log_file import PlainLog
from exporter.sources.log_position import Position
from tests.exporter.doubles import Clock
from tests.exporter.log_schedules import ACTIONS, Setup, Step, play, schedule


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


SETUPS = st.builds(
    Setup,
    logs=st.integers(1, 2),
    glob=st.booleans(),
    dated=st.booleans(),
    from_beginning=st.just(True),
    backlog=st.booleans(),
    chunk=st.sampled_from([50, 64 * 1024]),
)
STEPS = st.lists(st.builds(Step, st.sampled_from(ACTIONS), st.integers(0, 1), st.integers(1, 12)), max_size=25)


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(SETUPS, STEPS)
def test_read_counts_every_line_once(tmp_path_factory: pytest.TempPathFactory, setup: Setup, steps: list[Step]) -> None:
    """Through any order of writes, rotations, looks, kills and restarts, lines counted are lines written."""
    missing, extra, _ = play(tmp_path_factory.mktemp("logs"), setup, steps)
    assert (missing, extra) == (Counter(), Counter())


@pytest.mark.parametrize("number", range(100))
def test_read_counts_every_line_of_known_schedules_once(tmp_path: Path, number: int) -> None:
    """The first of the schedules that bench/follow_schedules.py plays, among them those that found faults."""
    missing, extra, _ = play(tmp_path, *schedule(number))
    assert (missing, extra) == (Counter(), Counter())


def test_read_files_that_appear_later(tmp_path: Path) -> None:
    """A glob finds new files, which are read from their beginning; those that were there from their end."""
    append(tmp_path / "a.log", b"old\n")
    follower = Follower([str(tmp_path / "*.log")])
    assert read(follower) == b""
    append(tmp_path / "b.log", b"b1\n")
    append(tmp_path / "a.log", b"a1\n")
    append(tmp_path / "notes.txt", b"no log\n")
    assert sorted(read(follower).splitlines()) == [b"a1", b"b1"]


def test_read_glob_in_folders(tmp_path: Path) -> None:
    """A glob may mean several folders; those that come later are found too."""
    follower = Follower([str(tmp_path / "*" / "access.log")], from_beginning=True)
    assert read(follower) == b""
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        append(tmp_path / name / "access.log", name.encode() + b"\n")
    assert read(follower) == b"one\ntwo\n"


def test_read_glob_takes_rotated_files_for_what_they_are(tmp_path: Path) -> None:
    """A glob that also fits rotated and linked files counts nothing twice."""
    append(tmp_path / "access.log", b"now\n")
    append(tmp_path / "access.log.1", b"before\n")
    (tmp_path / "access.log.2.gz").write_bytes(gzip.compress(b"long before\n"))
    (tmp_path / "current.log").symlink_to("access.log")
    follower = Follower([str(tmp_path / "*.log*")], from_beginning=True)
    assert read(follower) == b"now\n"


def test_read_backlog_oldest_first(log: Path) -> None:
    """Rotated files are read before the log if that is asked for: dated or numbered, compressed or not."""
    for name, text in {
        "": b"6",
        ".1": b"5",
        ".2": b"4",
        ".10.gz": b"3",
        "-20260102": b"2",
        "-20260101.gz": b"1",
    }.items():
        data = gzip.compress(text + b"\n") if name.endswith(".gz") else text + b"\n"
        Path(f"{log}{name}").write_bytes(data)
    append(Path(f"{log}.bak"), b"no rotated file\n")
    follower = Follower([str(log)], from_beginning=True, backlog=True)
    assert read(follower) == b"1\n2\n3\n4\n5\n6\n"
    assert read(follower) == b""


def test_read_goes_on_after_it_was_broken_off(log: Path, tmp_path: Path) -> None:
    """A look that ended in the middle of the backlog is taken up again, although nothing has changed since."""
    for number in range(3):
        append(Path(f"{log}.{number}"), b"%d\n" % number)
    os.utime(tmp_path, (1000, 1000))
    follower = Follower([str(log)], from_beginning=True, backlog=True)
    pieces = follower.read()
    assert next(pieces).data == b"2\n"
    pieces.close()
    assert read(follower) == b"1\n0\n"


def test_read_compressing_is_no_fault(log: Path) -> None:
    """A compressed file that is half written beside its original is not touched."""
    append(log, b"1\n")
    follower = Follower([str(log)], from_beginning=True)
    read(follower)
    log.rename(f"{log}.1")
    Path(f"{log}.1.gz").write_bytes(gzip.compress(b"1\n")[:9])
    assert read(follower) == b""
    assert follower.read_errors == 0


def test_read_many_logs_follows_the_latest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of too many logs the ones written to last are followed; one that wakes up goes on where it was left."""
    monkeypatch.setattr(follow, "MAX_LOGS", 2)
    follower = Follower([str(tmp_path / "*.log")], from_beginning=True)
    for age, name in enumerate("abc"):
        append(tmp_path / f"{name}.log", name.encode() + b"1\n")
        os.utime(tmp_path / f"{name}.log", (age, age))
        read(follower)
    assert len(follower._followed) == 2
    append(tmp_path / "a.log", b"a2\n")
    assert read(follower) == b"a2\n"


def test_read_swapped_links(tmp_path: Path) -> None:
    """A link that means another file, and then the first one again, costs no line and counts none twice."""
    link = tmp_path / "current.log"
    for name in ("one", "two", "one"):
        fresh = tmp_path / "fresh"
        fresh.symlink_to(name)
        fresh.rename(link)
        append(link, b"first %s\n" % name.encode())
        if name == "one" and not (tmp_path / "two").exists():
            follower = Follower([str(link)], from_beginning=True)
        assert read(follower) == b"first %s\n" % name.encode()


def test_position_goes_on_after_a_restart(log: Path) -> None:
    """What a piece's position counts in is not read again, what comes after it is."""
    append(log, b"1\n")
    first = Follower([str(log)], from_beginning=True)
    kept = [piece.position for piece in first.read()][-1]
    append(log, b"2\n")
    assert read(first) == b"2\n"
    again = Follower([str(log)], from_beginning=True, resume=Position.decode(kept.encode()))
    assert read(again) == b"2\n"


def test_position_of_the_first_look_loses_nothing(log: Path) -> None:
    """A process that ends before it has read anything leaves a position at the log's end as it was."""
    append(log, b"old\n")
    first = Follower([str(log)])
    first.open()
    append(log, b"new\n")
    again = Follower([str(log)], resume=first.position)
    assert read(again) == b"new\n"


def test_position_does_not_trust_an_inode(log: Path) -> None:
    """A new file that got an old one's device and inode is read from its beginning."""
    append(log, b"old 1\nold 2\n")
    follower = Follower([str(log)], from_beginning=True)
    read(follower)
    log.write_bytes(b"new 1\nnew 2\nnew 3\n")
    assert read(Follower([str(log)], resume=follower.position)) == b"new 1\nnew 2\nnew 3\n"


def test_position_finds_what_was_copied_elsewhere(log: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A log that was copied under any name that begins like it, and emptied, is read to its end."""
    append(log, b"1\n")
    follower = Follower([str(log)], from_beginning=True)
    read(follower)
    append(log, b"2\n")
    Path(f"{log}.old").write_bytes(log.read_bytes())
    log.write_bytes(b"3\n")
    assert read(Follower([str(log)], resume=follower.position)) == b"2\n3\n"
    assert not caplog.records


def test_position_of_a_lost_file_is_told(log: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A file that is nowhere after a restart is counted and logged once."""
    append(log, b"1\n")
    follower = Follower([str(log)], from_beginning=True)
    read(follower)
    log.unlink()
    again = Follower([str(log)], resume=follower.position)
    assert (read(again), read(again)) == (b"", b"")
    assert again.read_errors == 1
    assert "gone" in caplog.text


def test_position_of_a_new_pattern_begins_at_the_end(tmp_path: Path) -> None:
    """A log that is configured later is followed from its end, one that came while nothing ran from its beginning."""
    first = Follower([str(tmp_path / "*.log")])
    first.open()
    append(tmp_path / "came.log", b"came\n")
    append(tmp_path / "other.txt", b"other\n")
    follower = Follower([str(tmp_path / "*.log"), str(tmp_path / "other.txt")], resume=first.position)
    assert read(follower) == b"came\n"


def test_read_error_costs_only_its_own_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that cannot be read is counted and logged once, and the others are read."""
    for name in "abc":
        append(tmp_path / f"{name}.log", name.encode() + b"\n")
    follower = Follower([str(tmp_path / "*.log")], from_beginning=True)
    follower.open()
    bad = follower._followed[str(tmp_path / "b.log")]._current

    def broken(self: PlainLog) -> Iterator[bytes]:
        if self is bad:
            raise OSError(errno.EIO, "Input/output error")
        return real(self)

    real = PlainLog.read
    monkeypatch.setattr(PlainLog, "read", broken)
    assert read(follower) == b"a\nc\n"
    assert read(follower) == b""
    assert follower.read_errors == 1
    monkeypatch.setattr(PlainLog, "read", real)
    assert read(follower) == b"b\n"


def test_readable_needs_every_named_log(tmp_path: Path) -> None:
    """One named log that is missing, or that is no file, is told; of a glob one file is enough."""
    append(tmp_path / "a.log", b"a\n")
    (tmp_path / "b.log").mkdir()
    named = [str(tmp_path / "a.log"), str(tmp_path / "c.log")]
    found = {}
    for patterns in (named[:1], named, [str(tmp_path / "a*.log")], [str(tmp_path / "*.log")], [str(tmp_path / "x*")]):
        follower = Follower(patterns)
        read(follower)
        found[" ".join(patterns)] = follower.readable
    assert list(found.values()) == [True, False, True, False, False]


def test_rotations_and_backlog_are_told(log: Path) -> None:
    """Each rotation counts one, and what is written and not read yet is told in bytes."""
    append(log, b"1\n")
    follower = Follower([str(log)], from_beginning=True)
    read(follower)
    for number in range(3, 0, -1):
        log.rename(f"{log}.{number}")
        append(log, b"%d more\n" % number)
    pieces = follower.read()
    next(pieces)
    assert follower.backlog_bytes > 0
    assert sum(1 for _ in pieces) == 2
    assert (follower.rotations, follower.backlog_bytes) == (3, 0)


def test_close_gives_every_descriptor_back(log: Path) -> None:
    """Also those of renamed files, and a look that is broken off leaves none behind."""
    before = open_descriptors()
    for number in range(9):
        append(Path(f"{log}.{number}"), b"%d\n" % number)
    follower = Follower([str(log)], from_beginning=True, backlog=True)
    next(follower.read())
    follower.close()
    assert open_descriptors() == before
