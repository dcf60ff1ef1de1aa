"""Tells which of the files beside a log hold lines that were not read, and from where on."""

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from exporter.sources.known_files import Identity, KnownFiles, LogFile
from exporter.sources.log_file import PlainLog, Version, version_of
from exporter.sources.log_position import Mark
from exporter.sources.packed_log import PackedLog
from exporter.sources.read_errors import ReadErrors
from exporter.sources.rotated_logs import PACKED

Told = TypeVar("Told")


@dataclass(frozen=True, slots=True)
class Found:
    """A file that is to be read from a mark, or, where it is new, from its beginning."""

    path: str
    identity: Identity
    mark: Mark | None


class Search:
    """One look at the files beside a log, of which *known* tells; *opened* gives those that are read anyway.

    Attributes:
        complete: whether it could be told of each file; a copy of an open file is told when that is closed.
        present: every file that is there.
    """

    def __init__(self, known: KnownFiles, opened: Callable[[], list[LogFile]], errors: ReadErrors) -> None:
        self.complete = True
        self._known = known
        self._opened = opened
        self._errors = errors
        self.present: set[Version] = set()
        self._identified: list[Mark] = []
        self._rotated: frozenset[str] = frozenset()

    def among(self, rotated: Sequence[str], others: Sequence[str]) -> Iterator[Found]:
        """The files in which something may be unread, one by one, so that each is read before the next.

        One of the *others* is only read if it is known, or a copy of a known one.
        """
        self._rotated = frozenset(rotated)
        fresh = [path for path in (*rotated, *others) if self._is_new(path)]
        self._known.keep(self.present)
        identified = {path: mark for path in fresh if (mark := self._ask(path, self._known.identified))}
        self._identified = list(identified.values())
        for path in fresh:
            mark = identified.get(path)
            found = Found(path, mark.identity, mark) if mark else self._ask(path, self._judge)
            if found is not None:
                self._known.forget_copy(found.identity)
                yield found

    def bound(self) -> list[Mark]:
        """The marks whose very files are there."""
        return [*self._known.settled_marks(self.present), *self._identified]

    def _is_new(self, path: str) -> bool:
        """Whether something is to be told of *path*."""
        try:
            status = os.stat(path)  # noqa: PTH116 -- each file at each search
        except OSError as error:
            self._errors.tell(path, error)
            return False
        version = version_of(status)
        if version in self.present or not stat.S_ISREG(status.st_mode):
            return False
        self.present.add(version)
        opened = self._opened()
        if self._known.settled(version) or any(log.identity == version[:2] for log in opened):
            return False
        original = self._known.original_of(version[:2])
        waiting = any(log.lines is original for log in opened)
        self.complete &= not waiting
        return not waiting

    def _ask(self, path: str, question: Callable[[LogFile], Told | None]) -> Told | None:
        """The answer about the file *path*; None where it cannot be read, which is told."""
        try:
            log = open_log(path)
        except OSError as error:
            self._errors.tell(path, error)
            return None
        try:
            return question(log)
        except OSError as error:
            self._errors.tell(path, error)
            self._known.settle(log.version())
            return None
        finally:
            log.close()

    def _judge(self, log: LogFile) -> Found | None:
        """What is to be read of a file that is not known by its identity."""
        original = next((one for one in self._opened() if _is_copy(log, one)), None)
        if original is not None:
            self._known.note_copy(log, original.lines)
            self.complete = False
            return None
        mark = self._known.recognised(log, self.bound())
        if mark is not None:
            return Found(log.path, log.identity, mark)
        if self._known.is_shorter_copy(log):
            self._known.dismiss(log)
            return None
        unread = self._known.unread(log)
        return Found(log.path, log.identity, unread) if unread or log.path in self._rotated else None


def open_log(path: str) -> LogFile:
    """The log *path*, compressed or not by its name.

    Raises:
        OSError: it cannot be opened, or it is no log.
    """
    return PackedLog(path) if path.endswith(PACKED) else PlainLog(path)


def _is_copy(log: LogFile, original: LogFile) -> bool:
    """Whether *log* is a copy of an open file, or of its beginning while it is made."""
    here = original.lines.here()
    if here.offset and (log.ends_at(here) or log.fits(here)):
        return True
    whole = isinstance(log, PlainLog) and isinstance(original, PlainLog) and log.length() > 0
    return whole and original.fits(log.done())
