"""Follows one log by its path: through renames, truncations and replacements, with its rotated files.

The open files are read by their descriptors, so a rename loses nothing. What is found beside them is either known
(by identity, or by content where it was copied or compressed) and read on from where reading had come to, or it
came since the last look and is read whole.
"""

import errno
import os
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass

from exporter.sources.known_files import Emptied, Identity, KnownFiles, LogFile, holds
from exporter.sources.log_file import PlainLog, version_of
from exporter.sources.log_position import Mark
from exporter.sources.read_errors import ReadErrors
from exporter.sources.rotated_logs import Folder, Folders
from exporter.sources.unread_files import Found, Search, open_log

#: How long (seconds) a renamed file is read on, because its writer may hold it for a while.
DRAIN_SECONDS = 60.0
#: Renamed files that are read on at once; the oldest is given up.
MAX_DRAINING = 4


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the logs of one follower share; *wall* is a clock in seconds."""

    folders: Folders
    errors: ReadErrors
    wall: Callable[[], float]


@dataclass(frozen=True, slots=True, eq=False)
class Older:
    """An open file that the path means no more; *followed* if it did while it was read, *since* when (seconds)."""

    log: LogFile
    since: float
    followed: bool


class FollowedLog:
    """One log and its rotated files; *marks* say how far they have been read.

    Attributes:
        path: what is followed.
        readable: whether the path could be opened at the last look.
        refused: whether it is there and could not.
        rotations: renames, truncations and replacements seen.
    """

    def __init__(self, path: str, marks: tuple[Mark, ...], surroundings: Surroundings) -> None:
        self.path = path
        self.readable = False
        self.refused = False
        self.rotations = 0
        self._around = surroundings
        self._known = KnownFiles(marks)
        #: Where the log was read last before a restart, until that is found.
        self._sought = marks[-1] if marks else None
        self._current: PlainLog | None = None
        #: Whether it is known where reading of the current file begins.
        self._placed = False
        self._older: list[Older] = []
        self._unfinished = True
        self._listed: tuple[int, ...] = ()
        self._search = self._new_search()
        self._at_end_of: Identity | None = None
        self._missing_since: float | None = None

    @property
    def marks(self) -> tuple[Mark, ...]:
        """How far every file has been read, the current one last."""
        current = () if self._current is None else (self._current.mark,)
        return (*self._known.marks, *[older.log.mark for older in self._older], *current)

    @property
    def backlog(self) -> int:
        """Bytes of the open files that are not read yet."""
        logs = [older.log for older in tuple(self._older)]
        return sum(log.backlog for log in (*logs, self._current) if log is not None)

    @property
    def gone(self) -> bool:
        """Whether nothing is there and nothing is left to read."""
        listed = all(folder.readable for folder, _ in self._places())
        return listed and self._current is None and not self._older and not any(self._beside())

    def begin(self, *, from_beginning: bool, backlog: bool) -> None:
        """Look at a log for the first time: what is there already is read or passed over."""
        if not (from_beginning and backlog):
            for path in self._beside():
                self._pass_over(path)
        self._open()
        if from_beginning:
            return
        if self._current is not None:
            self._current.start_at_end()
            self._placed = True
        elif (status := _status(self.path)) is not None:
            self._at_end_of = (status.st_dev, status.st_ino)

    def read(self) -> Iterator[bytes]:
        """Everything that was written since the last call, in whole lines, the oldest first."""
        yield from self._read_older()
        yield from self._read_current()
        yield from self._notice_rotation()
        fresh = self._current is None or not self._placed
        self._open()
        yield from self._read_beside()
        if fresh and self._current is not None:
            self._place(self._current)
            yield from self._read_on(self._current)
        self._tell_lost()

    def close(self) -> tuple[Mark, ...]:
        """Give every descriptor back; the marks to go on from."""
        marks = self.marks
        for older in self._older:
            older.log.close()
        self._older.clear()
        if self._current is not None:
            self._current.close()
            self._current = None
        return marks

    # -- the file that the path means --

    def _read_current(self) -> Iterator[bytes]:
        log = self._current
        if log is None or not self._placed:
            return
        emptied = self._is_emptied(log)
        if emptied:
            self._begin_again(log)
        if emptied is not None and self._placed:
            yield from self._read_on(log)

    def _begin_again(self, log: PlainLog) -> None:
        """The file was truncated; what of it was not read may be in a copy, which comes first."""
        self.rotations += 1
        if log.mark.offset and log.fits(log.mark):
            log.start(log.mark.offset)  # it lost no more than a line that had no end yet
            return
        if log.mark.offset:
            self._known.remember(log.mark)
        self._known.emptied.append(Emptied(log.mark, log.lines.head))
        self._unfinished = True
        self._placed = False
        log.start(0)

    def _notice_rotation(self) -> Iterator[bytes]:
        """Put the current file among the older ones if the path means another one now."""
        status, log = _status(self.path), self._current
        if status is None:
            self.readable = False
            yield from self._notice_missing()
        elif log is not None:
            self._missing_since = None
            self.readable = True
            if (status.st_dev, status.st_ino) != log.identity:
                yield from self._retire(log)

    def _notice_missing(self) -> Iterator[bytes]:
        """A log that does not come back is given up after a while."""
        now = self._around.wall()
        if self._missing_since is None:
            self._missing_since = now
        elif abs(now - self._missing_since) >= DRAIN_SECONDS and self._current is not None:
            yield from self._retire(self._current)

    def _retire(self, log: PlainLog) -> Iterator[bytes]:
        self._place(log)
        self.rotations += 1
        self._unfinished = True
        self._older.append(Older(log, self._around.wall(), followed=True))
        self._current = None
        yield from self._read_on(log)

    def _open(self) -> None:
        """Open the file that the path means, if none is open; it is placed at once if it is known."""
        if self._current is not None:
            return
        try:
            log = PlainLog(self.path)
        except FileNotFoundError:
            self.readable = self.refused = False
            return
        except OSError as error:
            self.readable, self.refused = False, True
            self._around.errors.tell(self.path, error)
            return
        self.readable, self.refused = True, False
        self._missing_since = None
        self._around.errors.clear(self.path)
        self._current = self._again(log)
        if self._current is log:
            self._placed = self._start_known(log)

    def _again(self, log: PlainLog) -> PlainLog:
        """The open file that the path means again, or *log*."""
        for older in self._older:
            old = older.log
            if isinstance(old, PlainLog) and old.identity == log.identity:
                self._older.remove(older)
                log.close()
                self._placed = True
                return old
        return log

    def _start_known(self, log: PlainLog) -> bool:
        """Read on where this very file had been read up to; whether it is known."""
        mark = self._known.identified(log)
        if mark is not None:
            self._known.forget(mark)
            log.start(mark.offset)
            return True
        truncated = [known for known in self._known.marks if known.identity == log.identity and not known.packed]
        self._known.emptied.extend(Emptied(known, None) for known in truncated)
        self.rotations += bool(truncated)
        return False

    def _place(self, log: PlainLog) -> None:
        """Decide where reading begins in a file of which no more is known than what is in it."""
        if self._placed:
            return
        mark = self._known.recognised(log, self._search.bound(), whole=False)
        if mark is not None:
            self._known.forget(mark)
            log.start(mark.offset)
        elif log.identity == self._at_end_of:
            log.start_at_end()
        self._placed = True

    def _tell_lost(self) -> None:
        """Say so if the file that was read last before a restart is nowhere."""
        sought, self._sought = self._sought, None
        if sought is not None and sought.offset and holds(self._known.marks, sought):
            error = OSError(errno.ENODATA, "the file that was read last before the restart is gone")
            self._around.errors.tell(self.path, error)

    # -- the files beside it --

    def _read_beside(self) -> Iterator[bytes]:
        """What is unread in rotated files."""
        listed = tuple(folder.version for folder, _ in self._places())
        if not self._unfinished and listed == self._listed:
            return
        self._unfinished = True
        search = self._search = self._new_search()
        for found in search.among(list(self._beside()), list(self._elsewhere())):
            yield from self._take(found)
        self._unfinished = not search.complete
        self._listed = listed
        if search.complete:
            self._known.emptied.clear()
            if all(folder.settled for folder, _ in self._places()):
                self._known.forget_gone(search.present)

    def _new_search(self) -> Search:
        return Search(self._known, self._open_logs, self._around.errors)

    def _open_logs(self) -> list[LogFile]:
        logs = [older.log for older in self._older]
        return logs if self._current is None else [*logs, self._current]

    def _places(self) -> list[tuple[Folder, str]]:
        """The folders in which rotated files may be, each with the name that they begin with."""
        paths = [self.path]
        if os.path.islink(self.path):  # noqa: PTH114 -- at each turn
            paths.append(os.path.realpath(self.path))
        return [(self._around.folders.at(folder), name) for folder, name in map(os.path.split, paths)]

    def _beside(self) -> Iterator[str]:
        """The rotated files, oldest first."""
        for folder, name in self._places():
            yield from folder.rotated(name)

    def _elsewhere(self) -> Iterator[str]:
        """Where a file is missing, others that may be it."""
        if self._sought or self._known.emptied:
            for folder, name in self._places():
                yield from folder.others(name)
            yield from [mark.name for mark in self._known.marks]

    def _take(self, found: Found) -> Iterator[bytes]:
        """Read a file that was found; one that was renamed meanwhile is found again."""
        try:
            log = open_log(found.path)
        except OSError as error:
            self._around.errors.tell(found.path, error)
            return
        if log.identity != found.identity:
            log.close()
            return
        mark = found.mark
        if mark is None:
            self.rotations += bool(self._listed)
        else:
            self._known.forget(mark)
            log.start(mark.offset)
        if mark is not None and log.complete and (log.known(mark) or log.ends_at(mark)):
            self._known.dismiss(log)
            log.close()
            return
        taken = Older(log, self._around.wall(), followed=False)
        # What the first search finds is older than a file that was followed since; later finds are newer.
        followed = [number for number, older in enumerate(self._older) if older.followed and not self._listed]
        self._older.insert(followed[0] if followed else len(self._older), taken)
        yield from self._drain(taken)
        for older in self._surplus():
            yield from self._drain(older, give_up=True)

    def _pass_over(self, path: str) -> None:
        """Take a rotated file for read."""
        try:
            log = open_log(path)
        except OSError:
            status = _status(path)
            if status is not None:
                self._known.settle(version_of(status))
            return
        self._known.dismiss(log)
        log.close()

    # -- files that the path meant --

    def _read_older(self) -> Iterator[bytes]:
        surplus = self._surplus()
        for older in tuple(self._older):
            yield from self._drain(older, give_up=older in surplus)

    def _surplus(self) -> list[Older]:
        """The oldest, if they are too many to be kept open."""
        return self._older[: max(0, len(self._older) - MAX_DRAINING)]

    def _drain(self, older: Older, *, give_up: bool = False) -> Iterator[bytes]:
        """What is new in an older file; it is closed when it had its time or can get nothing more."""
        log = older.log
        version = log.version()
        whole = not self._is_emptied(log) and (yield from self._read_on(log))
        if not (give_up or log.complete or abs(self._around.wall() - older.since) >= DRAIN_SECONDS):
            return
        self._older.remove(older)
        rest = log.rest() if whole else b""
        self._known.remember(log.done() if whole and log.complete else log.mark)
        self._known.settle(version)
        log.close()
        if rest:
            yield rest

    def _is_emptied(self, log: LogFile) -> bool | None:
        """Whether a file was truncated since it was read; None where it cannot be told, which is logged."""
        try:
            return isinstance(log, PlainLog) and log.emptied()
        except OSError as error:
            self._around.errors.tell(log.path, error)
            return None

    def _read_on(self, log: LogFile) -> Generator[bytes, None, bool]:
        """Everything new in an open file; whether it could be read, which is told where it could not."""
        try:
            yield from log.read()
        except OSError as error:
            self._around.errors.tell(log.path, error)
            return False
        self._around.errors.clear(log.path)
        return True


def _status(path: str) -> os.stat_result | None:
    """The status of *path*; None where it is not there or must not be asked."""
    try:
        return os.stat(path)  # noqa: PTH116 -- each file at each turn
    except OSError:
        return None
