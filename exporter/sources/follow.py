"""Follows log files by paths and globs: through rotation, truncation, restarts, and lines written in pieces.

Every line is given once, whichever way the logs are rotated: by rename, by copy and truncate, by delete and create,
compressed or not, also several times between two looks, and also over a restart that goes on from a position. What
can be lost lies with the writer or the rotation, and it is only this:

- what was written after the last look and truncated or deleted without a copy, also while nothing was running;
- what was written between the copy and the truncation of a copytruncate (unless a look saw it);
- a line whose writer was cut off in its middle: copytruncate between its halves makes two lines of it, and so does a
  writer that ends a line in a renamed file more than a minute, or five rotations, after the rename;
- files that begin and end alike, once they are copied or compressed or get another's inode: they are told apart by
  their first KiB and by the 64 bytes before the position, which differ wherever lines carry a time;
- more than 400 rotated files between two looks, and rotated files in another folder or under another name than
  `<path>.N`, `<path>-YYYYMMDD` (with more digits or without, with `.gz` or without).
"""

import logging
import os
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from glob import has_magic

from chassis.logs import event
from exporter.sources.followed_log import FollowedLog, Surroundings
from exporter.sources.log_position import Mark, Position
from exporter.sources.read_errors import ReadErrors
from exporter.sources.rotated_logs import Folders, folders_of

log = logging.getLogger(__name__)

#: Logs that are followed at once; of more, those that were written to last.
MAX_LOGS = 128
#: Logs whose position is kept, followed or not.
MAX_POSITIONS = 1000


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
    """

    def __init__(
        self,
        patterns: Sequence[str],
        *,
        from_beginning: bool = False,
        backlog: bool = False,
        resume: Position | None = None,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._patterns = tuple(patterns)
        self._earlier = frozenset(resume.patterns if resume else ())
        self.position = Position(self._patterns, dict(resume.logs) if resume else {})
        self._from_beginning = from_beginning
        self._backlog = backlog
        self._errors = ReadErrors()
        self._around = Surroundings(Folders(self._errors, wall), self._errors, wall)
        self._followed: dict[str, FollowedLog] = {}
        self._first = True
        self._retired_rotations = 0
        self._told_limit = False

    @property
    def readable(self) -> bool:
        """Whether every named path is open, at least one file of globs is, and none that is there is refused."""
        logs = dict(self._followed)
        named = [path for path in self._patterns if not has_magic(path)]
        opened = any(log.readable for log in logs.values())
        refused = any(log.refused for log in logs.values())
        return opened and not refused and all(path in logs and logs[path].readable for path in named)

    @property
    def rotations(self) -> int:
        """Renames, truncations and replacements seen so far."""
        return self._retired_rotations + sum(log.rotations for log in tuple(self._followed.values()))

    @property
    def read_errors(self) -> int:
        """Files that could not be read, each counted once until it can be read again."""
        return self._errors.count

    @property
    def backlog_bytes(self) -> int:
        """Bytes of open files that are written and not read yet."""
        return sum(log.backlog for log in tuple(self._followed.values()))

    def open(self) -> None:
        """Look for the files, so that `position` says where reading begins; each `read` does it too."""
        self._around.folders.turn()
        paths = self._within_limit(self._paths())
        for path, pattern in paths.items():
            if path not in self._followed:
                self._follow(path, pattern)
        for path in [path for path in self._followed if path not in paths and self._followed[path].gone]:
            self._forget(path)
        self._first = False

    def read(self) -> Generator[Piece, None, None]:
        """Everything that was written since the last call, older files of a log first.

        It may be broken off after any piece; the next call goes on there.
        """
        self.open()
        for path, followed in tuple(self._followed.items()):
            yield from self._read_one(path, followed)
            self._note(path, followed.marks)

    def close(self) -> None:
        """Give every descriptor back."""
        for followed in self._followed.values():
            followed.close()
        self._followed.clear()

    def _read_one(self, path: str, followed: FollowedLog) -> Iterator[Piece]:
        """The new lines of one log; a fault that is not told yet costs no other log."""
        try:
            for data in followed.read():
                self._note(path, followed.marks)
                yield Piece(data, self.position, path)
        except OSError as error:
            self._errors.tell(path, error)

    def _paths(self) -> dict[str, str]:
        """The logs that the patterns mean now, each with its pattern."""
        paths: dict[str, str] = {}
        for pattern in self._patterns:
            for path in self._matches(pattern) if has_magic(pattern) else [pattern]:
                paths.setdefault(path, pattern)
        return paths

    def _matches(self, pattern: str) -> list[str]:
        """The logs that a glob means; a link to one of them is not another one."""
        name = os.path.basename(pattern)  # noqa: PTH119 -- as the pattern is written
        found = [path for place in folders_of(pattern) for path in self._around.folders.at(place).logs(name)]
        links = {path for path in found if os.path.islink(path)}  # noqa: PTH114 -- at each turn
        return [path for path in found if path not in links or os.path.realpath(path) not in found]

    def _within_limit(self, paths: dict[str, str]) -> dict[str, str]:
        if len(paths) <= MAX_LOGS:
            return paths
        if not self._told_limit:
            text = f"more than {MAX_LOGS} logs, those written to last are followed; write a narrower glob"
            event(log, logging.WARNING, text, patterns=" ".join(self._patterns))
            self._told_limit = True
        latest = sorted(paths, key=_written, reverse=True)[:MAX_LOGS]
        for path in [path for path in self._followed if path in paths and path not in latest]:
            self._leave(path)
        return {path: paths[path] for path in latest}

    def _follow(self, path: str, pattern: str) -> None:
        marks = self.position.logs.get(path)
        followed = FollowedLog(path, marks or (), self._around)
        if marks is None and self._first and pattern not in self._earlier:
            followed.begin(from_beginning=self._from_beginning, backlog=self._backlog)
        self._followed[path] = followed
        self._note(path, followed.marks)

    def _leave(self, path: str) -> None:
        """Follow a log no more; its position is kept."""
        followed = self._followed.pop(path)
        self._retired_rotations += followed.rotations
        self._note(path, followed.close())

    def _forget(self, path: str) -> None:
        """A log is gone, with all its files."""
        self._leave(path)
        logs = {known: marks for known, marks in self.position.logs.items() if known != path}
        self.position = Position(self._patterns, logs)

    def _note(self, path: str, marks: tuple[Mark, ...]) -> None:
        """Move the position on; it is a new value, because others may hold the old one."""
        if self.position.logs.get(path) == marks:
            return
        logs = {**self.position.logs, path: marks}
        if len(logs) > MAX_POSITIONS:
            del logs[next(known for known in logs if known not in self._followed)]
        self.position = Position(self._patterns, logs)


def _written(path: str) -> float:
    """When *path* was written to last; 0 where it is not there."""
    try:
        return os.stat(path).st_mtime  # noqa: PTH116 -- hundreds of them
    except OSError:
        return 0.0
