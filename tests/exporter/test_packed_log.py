import gzip
import tracemalloc
import zlib
from collections import deque
from pathlib import Path

import pytest

from exporter.sources import packed_log
from exporter.sources.log_file import PlainLog
from exporter.sources.packed_log import PackedLog

TEXT = b"".join(b"line %d\n" % number for number in range(20_000))


def packed(folder: Path, data: bytes) -> PackedLog:
    """A compressed log of these bytes."""
    path = folder / "access.log.2.gz"
    path.write_bytes(data)
    return PackedLog(str(path))


def test_read_gives_every_line(tmp_path: Path) -> None:
    """A compressed file gives the lines that were compressed, also one without an end."""
    log = packed(tmp_path, gzip.compress(TEXT + b"last"))
    assert b"".join(log.read()) == TEXT
    assert log.rest() == b"last\n"


def test_read_several_members_and_padding(tmp_path: Path) -> None:
    """Files that were appended to, or filled up with zeros, are read whole."""
    log = packed(tmp_path, gzip.compress(b"1\n2") + gzip.compress(b"\n3\n") + b"\0" * 100)
    assert b"".join(log.read()) == b"1\n2\n3\n"


def test_read_goes_on_at_a_mark_of_the_plain_file(tmp_path: Path) -> None:
    """What was read of a log before it was compressed is not read again."""
    plain = tmp_path / "access.log"
    plain.write_bytes(TEXT)
    before = PlainLog(str(plain))
    list(before.read())
    log = packed(tmp_path, gzip.compress(TEXT + b"more\n"))
    assert log.fits(before.mark)
    assert not log.ends_at(before.mark)
    log.start(before.mark.offset)
    assert b"".join(log.read()) == b"more\n"


def test_ends_at_needs_no_unpacking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That all of a file was read is told by its beginning and by the length that it names."""
    plain = tmp_path / "access.log"
    plain.write_bytes(TEXT)
    before = PlainLog(str(plain))
    list(before.read())
    log = packed(tmp_path, gzip.compress(TEXT))
    monkeypatch.setattr(PackedLog, "_unpacked", None)
    assert log.ends_at(before.mark)


def test_known_is_not_another_file_with_the_same_inode(tmp_path: Path) -> None:
    """A compressed file that took the place of another one is told from it."""
    first = packed(tmp_path, gzip.compress(b"first\n"))
    assert first.known(first.done())
    assert not packed(tmp_path, gzip.compress(b"other\n")).known(first.done())


@pytest.mark.parametrize("spoil", [lambda data: data[:-9], lambda data: data[:900] + b"\xff" * 50 + data[950:]])
def test_read_damaged_file_gives_what_came_before(tmp_path: Path, spoil: type[bytes]) -> None:
    """A file that is cut off or damaged is an error after its good lines."""
    log = packed(tmp_path, spoil(gzip.compress(TEXT)))
    found: list[bytes] = []
    with pytest.raises(OSError, match=r"compressed file is (cut off|damaged)"):
        found.extend(log.read())
    assert TEXT.startswith(b"".join(found))


@pytest.mark.parametrize("data", [b"", b"plain text\n", b"\x1f\x8b"])
def test_open_refuses_what_is_not_compressed(tmp_path: Path, data: bytes) -> None:
    """A file that only is called so is an error when it is opened."""
    with pytest.raises(OSError, match="compressed file"):
        packed(tmp_path, data)


@pytest.mark.parametrize("unit", [b"\0", b"\n"])
def test_read_bomb_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unit: bytes) -> None:
    """A small file that unpacks to far too much is given up on the way, in bounded memory."""
    monkeypatch.setattr(packed_log, "FREE_BYTES", 1_000_000)
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(unit * 1_000_000) for _ in range(50)) + packer.flush()
    log = packed(tmp_path, bomb)
    tracemalloc.start()
    with pytest.raises(OSError, match="given up"):
        deque(log.read(), maxlen=0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000
