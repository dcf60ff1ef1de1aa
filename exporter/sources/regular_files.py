"""Opening files that others put down: regular files only, never waiting, and a stamp that tells whether one changed."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from exporter.errors import SourceUnavailable

#: Nanoseconds; a file changed so shortly before it was looked at may change again under the same stamp.
UNSETTLED_NS = 1_000_000_000


class Stamp(NamedTuple):
    """What changes whenever a file does; times in nanoseconds, size in bytes."""

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int

    @property
    def modified_seconds(self) -> float:
        """Unix time in seconds of the last writing."""
        return self.modified_ns / 1e9

    def settled(self, now_seconds: float) -> bool:
        """Whether the file was left alone long enough before *now_seconds* for its stamp to be trusted."""
        return abs(now_seconds * 1e9 - max(self.modified_ns, self.changed_ns)) > UNSETTLED_NS


def stamp_of(path: Path) -> Stamp:
    """The stamp of the regular file at *path*; a symbolic link is followed.

    Raises:
        SourceUnavailable: there is none, or it is a FIFO, socket, device or folder.
    """
    try:
        return _stamp(path, path.stat())
    except OSError as error:
        raise SourceUnavailable(f"{path}: cannot be read: {error.strerror}") from error


@contextmanager
def opened(path: Path) -> Iterator[tuple[BinaryIO, Stamp]]:
    """The regular file at *path*, open for reading and unbuffered, and its stamp; a FIFO is refused without waiting.

    Raises:
        SourceUnavailable: it cannot be opened or read, or is no regular file.
    """
    stamp_of(path)  # to open a device may do something
    try:
        # Without O_NONBLOCK the open of a FIFO that took the file's place since would wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb", buffering=0) as file:  # noqa: PTH123 -- a descriptor
            yield file, _stamp(path, os.fstat(descriptor))
    except OSError as error:
        raise SourceUnavailable(f"{path}: cannot be read: {error.strerror}") from error


def read(path: Path, limit: int) -> tuple[bytes, Stamp]:
    """The bytes of the regular file at *path*, at most *limit* of them, and its stamp.

    Raises:
        SourceUnavailable: it cannot be read, is no regular file, or is larger.
    """
    with opened(path) as (file, stamp):
        pieces: list[bytes] = []
        wanted = limit + 1
        while wanted and (piece := file.read(wanted)):
            pieces.append(piece)
            wanted -= len(piece)
        if not wanted:
            raise SourceUnavailable(f"{path}: is larger than {limit} bytes", "too_large")
        return b"".join(pieces), stamp


def matching(pattern: str) -> list[Path]:
    """The paths that *pattern* names, sorted; without a wildcard the one path, whether it is there or not.

    Raises:
        SourceUnavailable: it cannot be followed, as `a**`.
    """
    path = Path(pattern)
    if not any(sign in pattern for sign in "*?["):
        return [path]
    root = Path(path.anchor or ".")
    try:
        return sorted(root.glob(str(path.relative_to(path.anchor))))
    except (ValueError, OSError) as error:
        raise SourceUnavailable(f"{pattern}: {error}") from error


def _stamp(path: Path, status: os.stat_result) -> Stamp:
    if not stat.S_ISREG(status.st_mode):
        raise SourceUnavailable(f"{path}: is no regular file")
    return Stamp(status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
