"""One open log file, read on from a mark in whole lines.

Reading is by chunks of 64 KiB and lines are cut at the same length, so a line without end costs no memory.
"""

import errno
import os
import stat
from collections.abc import Iterator

from exporter.sources.log_position import HEAD_BYTES, TAIL_BYTES, Mark, checksums

#: Measured: larger chunks are no faster, and their memory stays with the process.
CHUNK_BYTES = 64 * 1024
#: Longer lines are cut: the rest up to the line's end is dropped.
MAX_LINE_BYTES = 64 * 1024

#: Device, inode, size and time of the last change: a file that has kept these was not written to.
Version = tuple[int, int, int, int]


def version_of(status: os.stat_result) -> Version:
    """The version of a file, from its status."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns


def open_regular(path: str) -> int:
    """A descriptor to read *path*, which neither waits for a pipe nor touches a device.

    Raises:
        OSError: the file cannot be opened or is no regular file.
    """
    if stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116 -- called for each file at each turn
        # It may be a pipe by now: not to wait for its writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        if stat.S_ISREG(os.fstat(descriptor).st_mode):
            return descriptor
        os.close(descriptor)
    raise OSError(errno.EINVAL, "not a regular file", path)


class Lines:
    """Cuts what is read of a file into whole lines; `mark` is the end of what was given.

    Attributes:
        mark: everything given.
        position: everything read; what is between is the begin of a line.
        head: the first bytes of the file, as far as they were read.
        seen: the bytes before the position.
    """

    def __init__(self, mark: Mark, head: bytes = b"", seen: bytes = b"") -> None:
        self.mark = mark
        self.position = mark.offset
        self.head = head
        self.seen = seen
        self._partial = b""
        self._cutting = False

    def feed(self, data: bytes) -> bytes:
        """The lines that *data* ends, each with its line feed; the rest is kept for the next call."""
        if len(self.head) < HEAD_BYTES:
            self.head += data[: HEAD_BYTES - len(self.head)]
        end = data.rfind(b"\n") + 1
        given = self._cut(data, end) if end else b""
        rest = data[end:]
        self._partial += rest[: MAX_LINE_BYTES - len(self._partial)]
        self._cutting = self._cutting or len(self._partial) >= MAX_LINE_BYTES
        self.position += len(data)
        self.seen = data[-TAIL_BYTES:] if len(data) >= TAIL_BYTES else (self.seen + data)[-TAIL_BYTES:]
        return given

    def rest(self) -> bytes:
        """The last line if its line feed never came, with one; nothing more is to be fed."""
        rest, self._partial = self._partial, b""
        if rest:
            self._give(self.position, self.seen)
        return rest + b"\n" if rest else b""

    def here(self) -> Mark:
        """The mark of everything read."""
        head, tail = checksums(self.head, self.seen, self.position)
        return Mark(self.mark.device, self.mark.inode, self.position, head, tail, 0, self.mark.name)

    def _cut(self, data: bytes, end: int) -> bytes:
        """What was kept and *data* up to *end*, which follows a line feed."""
        begin = data.find(b"\n") if self._cutting else 0
        given = self._partial + data[begin:end]
        self._partial = b""
        self._cutting = False
        self._give(self.position + end, data[end - TAIL_BYTES : end] if end >= TAIL_BYTES else self.seen + data[:end])
        return given

    def _give(self, offset: int, before: bytes) -> None:
        old = self.mark
        head, tail = checksums(self.head, before, offset)
        self.mark = Mark(old.device, old.inode, offset, head, tail, 0, old.name)


class PlainLog:
    """An open log file that may still grow.

    Raises:
        OSError: the file cannot be opened or is no regular file.
    """

    #: Whether nothing can be written to it any more.
    complete = False

    def __init__(self, path: str) -> None:
        self.path = path
        self._descriptor = open_regular(path)
        status = os.fstat(self._descriptor)
        self.identity = (status.st_dev, status.st_ino)
        # A link may mean another file after a restart.
        self._name = os.path.realpath(path)
        self._length = status.st_size
        self.start(0)

    @property
    def mark(self) -> Mark:
        """The end of what was given."""
        return self.lines.mark

    @property
    def backlog(self) -> int:
        """Bytes that were not read yet when the file was looked at last; may be asked by any thread."""
        return max(0, self._length - self.lines.position)

    def length(self) -> int:
        """The file's size in bytes."""
        self._length = os.fstat(self._descriptor).st_size
        return self._length

    def version(self) -> Version:
        """Changes with each write."""
        return version_of(os.fstat(self._descriptor))

    def start(self, offset: int) -> None:
        """Read on from *offset*."""
        head = os.pread(self._descriptor, min(HEAD_BYTES, offset), 0)
        seen = self._before(offset)
        self.lines = Lines(Mark(*self.identity, offset, *checksums(head, seen, offset), 0, self._name), head, seen)

    def start_at_end(self) -> None:
        """Read on from the end of the last whole line, so that a line half written now is read whole later."""
        size = self.length()
        start = max(0, size - MAX_LINE_BYTES)
        feed = os.pread(self._descriptor, size - start, start).rfind(b"\n")
        self.start(start + feed + 1 if feed >= 0 or start == 0 else size)

    def fits(self, mark: Mark) -> bool:
        """Whether the file has the content that *mark* was made for."""
        if mark.packed or self.length() < mark.offset:
            return False
        head = os.pread(self._descriptor, min(HEAD_BYTES, mark.offset), 0)
        return checksums(head, self._before(mark.offset), mark.offset) == (mark.head, mark.tail)

    def known(self, mark: Mark) -> bool:
        """Whether *mark* says that this file will not grow and has been dealt with, which no mark says of this kind."""
        del mark
        return False

    def ends_at(self, mark: Mark) -> bool:
        """Whether it is a copy of what *mark* has seen, and no more."""
        return not mark.packed and self.length() == mark.offset and self.fits(mark)

    def head(self) -> bytes:
        """The first bytes of the file as it is now."""
        return os.pread(self._descriptor, HEAD_BYTES, 0)

    def done(self) -> Mark:
        """The mark of the file's end as it is now."""
        size = self.length()
        return Mark(*self.identity, size, *checksums(self.head(), self._before(size), size), 0, self._name)

    def emptied(self) -> bool:
        """Whether the file was truncated since it was read, even if it has grown past the position again."""
        lines = self.lines
        if self.length() < lines.position or self._before(lines.position) != lines.seen:
            return True
        return os.pread(self._descriptor, len(lines.head), 0) != lines.head

    def read(self) -> Iterator[bytes]:
        """Everything new in whole lines, each piece ending with a line feed.

        Raises:
            OSError: the file cannot be read.
        """
        lines = self.lines
        while data := os.pread(self._descriptor, CHUNK_BYTES, lines.position):
            if given := lines.feed(data):
                yield given

    def rest(self) -> bytes:
        """The last line if its line feed never came, with one; the file is not read on."""
        return self.lines.rest()

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._descriptor)

    def _before(self, position: int) -> bytes:
        """The bytes just before *position*, as many as are compared."""
        length = min(TAIL_BYTES, position)
        return os.pread(self._descriptor, length, position - length)
