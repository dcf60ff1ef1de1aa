import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.sources.log_file import MAX_LINE_BYTES, Lines, PlainLog, open_regular
from exporter.sources.log_position import Mark


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A log with two lines and a half."""
    path = tmp_path / "access.log"
    path.write_bytes(b"one\ntwo\nthr")
    return path


@settings(deadline=None, max_examples=200)
@given(st.lists(st.binary(max_size=9).map(lambda data: data.replace(b"\x00", b"\n")), max_size=20))
def test_feed_gives_whole_lines_however_they_come(chunks: list[bytes]) -> None:
    """Lines do not depend on the pieces they were read in, and the mark is always the end of a line."""
    lines, whole, given = Lines(Mark(1, 2)), b"".join(chunks), b""
    for chunk in chunks:
        given += lines.feed(chunk)
        assert lines.mark.offset == len(given)
    assert given == whole[: whole.rfind(b"\n") + 1]
    assert given + lines.rest() == (whole if whole.endswith(b"\n") or not whole else whole + b"\n")


def test_feed_long_line_is_cut_and_its_mark_is_true() -> None:
    """Of a line of megabytes the first 64 KiB count; the offset is where it really ends."""
    lines = Lines(Mark(1, 2))
    pieces = [lines.feed(b"x" * 50_000) for _ in range(40)]
    given = lines.feed(b"x\nnext\nrest")
    assert not any(pieces)
    assert given == b"x" * MAX_LINE_BYTES + b"\nnext\n"
    assert lines.mark.offset == 40 * 50_000 + len(b"x\nnext\n")


def test_start_goes_on_at_a_mark(path: Path) -> None:
    """A second reader with the first one's mark gives what the first one did not."""
    first, second = PlainLog(str(path)), PlainLog(str(path))
    assert b"".join(first.read()) == b"one\ntwo\n"
    path.write_bytes(b"one\ntwo\nthree\n")
    assert second.fits(first.mark)
    second.start(first.mark.offset)
    assert b"".join(second.read()) == b"three\n"


@pytest.mark.parametrize("content", [b"one\n", b"ONE\ntwo\n", b"one\ntwO\nthree\n", b""])
def test_fits_not_another_content(path: Path, content: bytes) -> None:
    """A mark does not fit a file that is shorter, begins differently, or differs before the position."""
    log = PlainLog(str(path))
    list(log.read())
    path.with_name("other").write_bytes(content)
    assert not PlainLog(str(path.with_name("other"))).fits(log.mark)


def test_fits_not_another_file_with_the_same_header(path: Path) -> None:
    """Logs that all begin with the same KiB are told apart by what stands before the position."""
    header = b"#" * 2000 + b"\n"
    path.write_bytes(header + b"1\n")
    log = PlainLog(str(path))
    list(log.read())
    path.with_name("other").write_bytes(header + b"2\n")
    assert not PlainLog(str(path.with_name("other"))).fits(log.mark)


@pytest.mark.parametrize(
    ("content", "emptied"),
    [(b"one\ntwo\nthree\n", False), (b"one\n", True), (b"new\nnew\nnew\nnew\n", True), (b"new\ntwo\nthr", True)],
)
def test_emptied_tells_truncation_by_content(path: Path, content: bytes, *, emptied: bool) -> None:
    """A file that grew is not taken for an emptied one; one that was filled up again is, also to the same size."""
    log = PlainLog(str(path))
    list(log.read())
    path.write_bytes(content)
    assert log.emptied() is emptied


def test_open_regular_refuses_what_is_no_file(tmp_path: Path) -> None:
    """A pipe without a writer, a folder and a device are refused at once."""
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/zero")):
        with pytest.raises(OSError, match="not a regular file"):
            open_regular(str(path))


def test_backlog_is_what_the_last_look_saw(path: Path) -> None:
    """Bytes that are there and not read."""
    log = PlainLog(str(path))
    assert log.backlog == 11
    list(log.read())
    assert log.backlog == 0
