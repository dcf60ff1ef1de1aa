import errno
import gzip
import math
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alert_handler import compression
from alert_handler.compression import OutOfTime, compress, is_compressed, is_temporary
from alert_handler.rooted_files import Changed, Identity

TEXT = b"2026-01-02 a line of a log file\n" * 5000


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[int]:
    """An open folder with one old log file of mode 0640."""
    log = tmp_path / "x.log"
    log.write_bytes(TEXT)
    log.chmod(0o640)
    os.utime(log, ns=(10**18, 10**18 + 5))
    descriptor = os.open(tmp_path, os.O_RDONLY)
    yield descriptor
    os.close(descriptor)


def identity(path: Path) -> Identity:
    """What the file at *path* is now."""
    return Identity.of(path.stat())


def test_compress_keeps_content_mode_and_time(folder: int, tmp_path: Path) -> None:
    """The copy holds the same text, under the same mode, owner and time of change; the original is gone."""
    gained = compress(folder, "x.log", identity(tmp_path / "x.log"), math.inf)
    packed = tmp_path / "x.log.gz"
    assert os.listdir(tmp_path) == ["x.log.gz"]  # noqa: PTH208 -- a list of names
    assert gzip.decompress(packed.read_bytes()) == TEXT
    assert (packed.stat().st_mode & 0o777, packed.stat().st_mtime_ns) == (0o640, 10**18 + 5)
    assert gained == len(TEXT) - packed.stat().st_size


@pytest.mark.parametrize("fault", ["link", "unlink", "fsync", "write", "fchown"])
def test_compress_that_fails_leaves_the_folder_as_it_was(
    folder: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """No space, no right to link, to remove or to give the owner: the original stays, nothing else does."""
    expected, real = identity(tmp_path / "x.log"), os.unlink

    def fail(*arguments: object, **options: int) -> None:
        if fault == "unlink" and arguments[0] != "x.log":
            return real(str(arguments[0]), dir_fd=options["dir_fd"])
        raise OSError(errno.ENOSPC, "No space left on device")

    if fault == "fchown":
        os.chown(tmp_path / "x.log", 65534, 65534)
    monkeypatch.setattr(os, fault, fail)
    with pytest.raises(OSError, match="No space left"):
        compress(folder, "x.log", expected, math.inf)
    monkeypatch.undo()
    assert (list(tmp_path.iterdir()), identity(tmp_path / "x.log")) == ([tmp_path / "x.log"], expected)


def test_compress_never_replaces_another_file(folder: int, tmp_path: Path) -> None:
    """What has the new name already stays, and so does the original."""
    (tmp_path / "x.log.gz").write_text("older archive", encoding="ascii")
    with pytest.raises(Changed, match=r"x\.log\.gz exists already"):
        compress(folder, "x.log", identity(tmp_path / "x.log"), math.inf)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x.log", "x.log.gz"]
    assert (tmp_path / "x.log.gz").read_text(encoding="ascii") == "older archive"


def test_compress_notices_a_writer(folder: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that grows while it is read keeps its name and its new lines."""
    log, real = tmp_path / "x.log", compression._copy

    def copy_while_written(source: int, target: int, deadline: float) -> None:
        real(source, target, deadline)
        with log.open("ab") as writer:
            writer.write(b"one more line\n")

    monkeypatch.setattr(compression, "_copy", copy_while_written)
    with pytest.raises(Changed, match="changed since the plan"):
        compress(folder, "x.log", identity(log), math.inf)
    assert (list(tmp_path.iterdir()), log.read_bytes()) == ([log], TEXT + b"one more line\n")


def test_compress_out_of_time_leaves_the_original(folder: int, tmp_path: Path) -> None:
    """The deadline counts within a file too."""
    with pytest.raises(OutOfTime):
        compress(folder, "x.log", identity(tmp_path / "x.log"), 0.0)
    assert list(tmp_path.iterdir()) == [tmp_path / "x.log"]


def test_compress_what_would_not_shrink_is_left(folder: int, tmp_path: Path) -> None:
    """Noise only grows when it is packed."""
    (tmp_path / "noise").write_bytes(os.urandom(1000))
    with pytest.raises(Changed, match="would not shrink"):
        compress(folder, "noise", identity(tmp_path / "noise"), math.inf)
    assert not (tmp_path / "noise.gz").exists()


def test_compress_follows_no_link(folder: int, tmp_path: Path) -> None:
    """A link in place of the file is refused by the open itself."""
    (tmp_path / "link").symlink_to("/etc/passwd")
    with pytest.raises(OSError, match="symbolic links"):
        compress(folder, "link", identity(tmp_path / "x.log"), math.inf)


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.log.GZ", b"text", True),
        ("a.zst", b"", True),
        ("a.log", gzip.compress(b"x", mtime=0), True),
        ("a.log", b"\x28\xb5\x2f\xfd....", True),
        ("a.log", b"plain", False),
        ("a.log", b"", False),
    ],
)
def test_is_compressed_by_name_or_content(
    folder: int, tmp_path: Path, name: str, content: bytes, *, expected: bool
) -> None:
    """What is packed is not packed again, whatever it is called."""
    (tmp_path / name).write_bytes(content)
    assert is_compressed(folder, name) is expected


def test_is_temporary_knows_only_our_names() -> None:
    """Other hidden or temporary files are not ours."""
    assert is_temporary(".nightshift-00ff.tmp")
    assert not is_temporary("nightshift-00ff.tmp")
    assert not is_temporary(".nightshift-00ff")


@settings(deadline=None, max_examples=25)
@given(content=st.binary(min_size=200, max_size=3000).map(lambda data: data * 20))
def test_compress_is_lossless(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Any content comes back from its archive."""
    path = tmp_path_factory.mktemp("any")
    (path / "x").write_bytes(content)
    folder = os.open(path, os.O_RDONLY)
    compress(folder, "x", identity(path / "x"), math.inf)
    os.close(folder)
    assert gzip.decompress((path / "x.gz").read_bytes()) == content
