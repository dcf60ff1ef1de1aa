from pathlib import Path

from exporter.sources import known_files
from exporter.sources.known_files import Emptied, KnownFiles
from exporter.sources.log_file import PlainLog
from exporter.sources.log_position import Mark


def written(folder: Path, name: str, content: bytes) -> PlainLog:
    """An open log with this content, of which everything was read."""
    path = folder / name
    path.write_bytes(content)
    log = PlainLog(str(path))
    list(log.read())
    return log


def test_identified_needs_identity_and_content(tmp_path: Path) -> None:
    """The same file is known, a copy is not the same, and a mark of nothing says nothing."""
    log, copy = written(tmp_path, "a", b"1\n2\n"), written(tmp_path, "b", b"1\n2\n")
    known = KnownFiles([log.mark, Mark(*copy.identity)])
    assert known.identified(log) is known.marks[0]
    assert known.identified(copy) is None
    assert known.unread(copy) is known.marks[1]


def test_recognised_takes_the_mark_that_was_read_furthest(tmp_path: Path) -> None:
    """A copy goes on where its original was read to, not where another file with the same beginning was."""
    short, far = written(tmp_path, "a", b"1\n"), written(tmp_path, "b", b"1\n2\n")
    copy = written(tmp_path, "c", b"1\n2\n3\n")
    known = KnownFiles([far.mark, short.mark])
    assert known.recognised(copy, []) is far.mark


def test_recognised_leaves_files_alone_that_are_there(tmp_path: Path) -> None:
    """Of a file that is there itself only a copy of the whole is looked for, and a log in its own right never is."""
    original = written(tmp_path, "a", b"1\n")
    longer, same = written(tmp_path, "b", b"1\n2\n"), written(tmp_path, "c", b"1\n")
    known = KnownFiles([original.mark])
    assert known.recognised(longer, known.marks) is None
    assert known.recognised(same, known.marks) is original.mark
    assert known.recognised(same, known.marks, whole=False) is None


def test_shorter_copy_begins_like_the_file_that_was_emptied(tmp_path: Path) -> None:
    """A copy of less than was read holds nothing new; another short file does."""
    log = written(tmp_path, "a", b"1\n2\n3\n")
    known = KnownFiles([])
    known.emptied.append(Emptied(log.mark, log.lines.head))
    assert known.is_shorter_copy(written(tmp_path, "b", b"1\n2\n"))
    assert not known.is_shorter_copy(written(tmp_path, "c", b"other\n"))
    assert not known.is_shorter_copy(written(tmp_path, "d", b"1\n2\n3\n4\n"))


def test_shorter_copy_after_a_restart_is_told_by_its_first_kib(tmp_path: Path) -> None:
    """Where only the checksum is left, a copy that has all the bytes it was made of is recognised."""
    text = b"".join(b"%d\n" % number for number in range(2000))
    log = written(tmp_path, "a", text)
    known = KnownFiles([])
    known.emptied.append(Emptied(log.mark, None))
    assert known.is_shorter_copy(written(tmp_path, "b", text[:4000]))
    assert not known.is_shorter_copy(written(tmp_path, "c", b"x" + text[:4000]))


def test_forget_gone_keeps_what_is_there_and_the_latest(tmp_path: Path) -> None:
    """Years of rotation do not fill the position."""
    log = written(tmp_path, "a", b"1\n")
    known = KnownFiles([log.mark, *(Mark(1, number, 5) for number in range(200))])
    known.forget_gone([log.version()])
    assert len(known.marks) == 1 + known_files.MAX_GONE
    assert known.marks[0] is log.mark
    assert known.marks[-1].inode == 199


def test_settled_until_it_is_written_to(tmp_path: Path) -> None:
    """A file that was dealt with is new again when it has grown, and forgotten when it is gone."""
    log = written(tmp_path, "a", b"1\n")
    known = KnownFiles([])
    known.dismiss(log)
    assert known.settled(log.version())
    assert list(known.settled_marks([log.version()])) == [log.done()]
    known.keep(set())
    assert not known.settled(log.version())
