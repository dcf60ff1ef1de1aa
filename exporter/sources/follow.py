"""Follows a log file by name: through rotation by rename, truncation, and lines that are written in pieces.

After a rename the old file is read on for a minute, because its writer may hold it for a while. Reading is by
chunks of 64 KiB and lines are cut at the same length, so a line without end costs no memory.
"""

import errno
import os
import stat
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from exporter.sources.log_position import Position

#: Measured: larger chunks are no faster, and their memory stays with the process.
CHUNK_BYTES = 64 * 1024
#: Longer lines are cut: the rest up to the line's end is dropped.
MAX_LINE_BYTES = 64 * 1024
#: How long (seconds) a renamed file is read on.
DRAIN_SECONDS = 60.0
#: Renamed files that are read on at once; the oldest is given up.
MAX_DRAINING = 4
#: Bytes before the position that tell whether a file was emptied and filled again.
_SEEN_BYTES = 64


class OpenLog:
    """One open log file and how far it has been read.

    Raises:
        OSError: the file cannot be opened or is no regular file.
    """

    def __init__(self, path: Path, *, at_end: bool) -> None:
        # Not to wait for the writer of a pipe, which is refused below.
        self._descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        status = os.fstat(self._descriptor)
        if not stat.S_ISREG(status.st_mode):
            os.close(self._descriptor)
            raise OSError(errno.EINVAL, "not a regular file", str(path))
        self.identity = (status.st_dev, status.st_ino)
        self._position = self._last_line_start(status.st_size) if at_end else 0
        self._partial = b""
        self._cutting = False
        self._seen = self._before(self._position)

    def read(self) -> Iterator[bytes]:
        """Everything new in whole lines, each piece ending with a line feed.

        Raises:
            OSError: the file cannot be read.
        """
        self._start_over_if_emptied()
        while data := os.pread(self._descriptor, CHUNK_BYTES, self._position):
            self._position += len(data)
            self._seen = (self._seen + data)[-_SEEN_BYTES:]
            lines = self._lines(data)
            if lines:
                yield lines

    def rest(self) -> bytes:
        """The last line if its line feed never came, with one; the file is not read on."""
        rest, self._partial = self._partial, b""
        return rest + b"\n" if rest else b""

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._descriptor)

    def _lines(self, data: bytes) -> bytes:
        """The whole lines of what was left and *data*; the rest is left for the next call."""
        if self._cutting:
            end = data.find(b"\n")
            if end < 0:
                return b""
            data = data[end:]
            self._cutting = False
        data = self._partial + data
        cut = data.rfind(b"\n") + 1
        self._partial = data[cut:]
        if len(self._partial) > MAX_LINE_BYTES:
            self._partial = self._partial[:MAX_LINE_BYTES]
            self._cutting = True
        return data[:cut]

    def _start_over_if_emptied(self) -> None:
        """Back to the start if the file was truncated, even if it has grown past the position again."""
        size = os.fstat(self._descriptor).st_size
        if size < self._position or (size > self._position and self._before(self._position) != self._seen):
            self._position = 0
            self._partial = self._seen = b""
            self._cutting = False

    def _before(self, position: int) -> bytes:
        """The bytes just before *position*, as many as are compared."""
        length = min(_SEEN_BYTES, position)
        return os.pread(self._descriptor, length, position - length)

    def _last_line_start(self, size: int) -> int:
        """The end of the last whole line, so that a line half written now is read whole later."""
        start = max(0, size - MAX_LINE_BYTES)
        feed = os.pread(self._descriptor, size - start, start).rfind(b"\n")
        return start + feed + 1 if feed >= 0 or start == 0 else size


class _PathFollower:
    """Follows the file that is called *path*; *monotonic* is the clock of draining, in seconds.

    A file that is there at the first read is followed from its end unless *from_beginning*; one that comes later
    was written while it was followed, and is read from its beginning.
    """

    def __init__(self, path: Path, *, from_beginning: bool, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.readable = False
        self._path = path
        self._at_end = not from_beginning
        self._monotonic = monotonic
        self._current: OpenLog | None = None
        self._draining: list[tuple[float, OpenLog]] = []

    def read(self) -> Iterator[bytes]:
        """Everything that was written since the last call, in whole lines.

        Raises:
            OSError: a file that was opened cannot be read.
        """
        yield from self._drain()
        if self._current is not None:
            yield from self._current.read()
        if self._replaced():
            self._retire()
            self._open()
            if self._current is not None:
                yield from self._current.read()
        self._at_end = False

    def close(self) -> None:
        """Give every descriptor back."""
        self._retire()
        for _, log in self._draining:
            log.close()
        self._draining.clear()

    def _replaced(self) -> bool:
        """Whether the name now means a file that is not the open one."""
        try:
            status = self._path.stat()
        except OSError:
            self.readable = False
            return False
        return self._current is None or (status.st_dev, status.st_ino) != self._current.identity

    def _retire(self) -> None:
        if self._current is not None:
            self._draining.append((self._monotonic() + DRAIN_SECONDS, self._current))
            self._current = None

    def _open(self) -> None:
        try:
            self._current = OpenLog(self._path, at_end=self._at_end)
            self.readable = True
        except OSError:
            self.readable = False  # the gauge nightshift_traffic_log_readable says so; the next turn tries again

    def _drain(self) -> Iterator[bytes]:
        """What renamed files still got; those that had their time are closed."""
        now = self._monotonic()
        for number, (deadline, log) in enumerate(list(self._draining)):
            yield from log.read()
            if now >= deadline or len(self._draining) - number > MAX_DRAINING:
                rest = log.rest()
                if rest:
                    yield rest
                log.close()
                self._draining.remove((deadline, log))


@dataclass(frozen=True, slots=True)
class Piece:
    """New lines of one log.

    Attributes:
        data: whole lines, each ending with a line feed.
        position: everything given up to and including these lines; what a restart may go on from.
        path: the followed path whose lines they are.
    """

    data: bytes
    position: Position
    path: str = ""


class Follower:
    """Follows the files that *patterns* (paths or globs) name; *wall* is a clock in seconds.

    A file that is there at the first look is followed from its end unless *from_beginning*, with its rotated files
    before it if *backlog*; one that comes later is read from its beginning. With *resume* all that it knows is read
    on from there. One thread may read; the attributes may be looked at from any.

    Attributes:
        position: everything given so far.
        rotations: renames, truncations and replacements seen so far.
        read_errors: files that could not be read, each counted once until it can be read again.
    """

    def __init__(
        self,
        patterns: Sequence[str],
        *,
        from_beginning: bool = False,
        backlog: bool = False,  # noqa: ARG002 -- comes with the next change
        resume: Position | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.position = resume or Position(tuple(patterns))
        self.rotations = 0
        self.read_errors = 0
        self._followed = [_PathFollower(Path(path), from_beginning=from_beginning, monotonic=wall) for path in patterns]

    @property
    def readable(self) -> bool:
        """Whether at least one file is open and none that is there was refused."""
        return all(followed.readable for followed in self._followed)

    @property
    def backlog_bytes(self) -> int:
        """Bytes that are written and not given yet, as of the last look."""
        return 0

    def open(self) -> None:
        """Look for the files, so that `position` says where reading begins; `read` does it where nobody did."""

    def read(self) -> Iterator[Piece]:
        """Everything that was written since the last call, older files first."""
        self.open()
        for followed in self._followed:
            for data in followed.read():
                yield Piece(data, self.position)

    def close(self) -> None:
        """Give every descriptor back."""
        for followed in self._followed:
            followed.close()
