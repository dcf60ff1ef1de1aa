"""Finds the rotated files of a log beside it: `<path>.N`, `<path>-YYYYMMDD` and the like, with `.gz` or without."""

import fnmatch
import glob
import os
import re
import time
from collections.abc import Callable, Iterator
from itertools import islice

from exporter.sources.read_errors import ReadErrors

#: The newest rotated files of a log; older ones are not looked at.
MAX_ROTATED = 400
#: A folder that was changed so short a time ago (seconds) may have been changed again within the same clock tick.
UNSETTLED_SECONDS = 2.0
PACKED = ".gz"

_ROTATED = re.compile(r"(.+?)(?:\.(\d{1,5})|[-.](\d{4}-?\d\d-?\d\d(?:[-_T.]?\d{1,10})?))(\.gz)?", re.DOTALL)


def rotated(name: str) -> tuple[str, tuple[int, str, int]] | None:
    """The log that *name* is a rotated file of, and its age: the oldest has the least; None for any other name."""
    found = _ROTATED.fullmatch(name)
    if found is None:
        return None
    base, number, date, _ = found.groups()
    return base, (1, "", -int(number)) if number else (0, re.sub(r"\D", "", date), 0)


class Folder:
    """The names in one directory, listed again only when they may have changed; *wall* is a clock in seconds.

    Attributes:
        names: every name.
        version: changes with each listing.
        readable: whether the names could be listed.
    """

    def __init__(self, path: str, wall: Callable[[], float] = time.time) -> None:
        self.path = path
        self.names: list[str] = []
        self.version = 0
        self.readable = False
        self._wall = wall
        self._changed = -1
        self._rotated: dict[str, list[str]] = {}

    def look(self) -> None:
        """List the names if they may have changed.

        Raises:
            OSError: the directory cannot be read; it has no names then.
        """
        try:
            changed = os.stat(self.path or ".").st_mtime_ns  # noqa: PTH116 -- at each turn
            if changed != self._changed:
                self.readable = True
                self._list(os.listdir(self.path or "."))  # noqa: PTH208 -- the names alone
                settled = changed / 1e9 < self._wall() - UNSETTLED_SECONDS
                self._changed = changed if settled else -1
        except OSError:
            self._list([])
            self._changed = -1
            self.readable = False
            raise

    @property
    def settled(self) -> bool:
        """Whether all names are known: a listing while files are renamed may miss some of them."""
        return self._changed != -1

    def rotated(self, base: str) -> Iterator[str]:
        """The paths of the rotated files of the log *base*, oldest first; not the packed twin of an unpacked one."""
        names = self._rotated.get(base, [])
        for name in names[-MAX_ROTATED:]:
            if not (name.endswith(PACKED) and name.removesuffix(PACKED) in names):
                yield os.path.join(self.path, name)  # noqa: PTH118 -- thousands of them

    def others(self, base: str) -> Iterator[str]:
        """The paths of files that begin like *base* and are not named like its rotated files."""
        known = {base, *self._rotated.get(base, ())}
        names = (name for name in self.names if name.startswith(base) and name not in known)
        for name in islice(names, MAX_ROTATED):
            yield os.path.join(self.path, name)  # noqa: PTH118 -- thousands of them

    def logs(self, pattern: str) -> Iterator[str]:
        """The paths of the logs whose names fit *pattern*, also of those of which only rotated files are there."""
        fits = re.compile(fnmatch.translate(pattern)).match
        for base in self._rotated:
            if fits(base):
                yield os.path.join(self.path, base)  # noqa: PTH118 -- thousands of them
        for name in self.names:
            found = rotated(name)
            if fits(name) and not (found and fits(found[0])) and not name.endswith(PACKED):
                yield os.path.join(self.path, name)  # noqa: PTH118 -- thousands of them

    def _list(self, names: list[str]) -> None:
        self.names = sorted(names)
        self.version += 1
        aged = sorted((found, name) for name in names if (found := rotated(name)))
        self._rotated = {}
        for (base, _), name in aged:
            self._rotated.setdefault(base, []).append(name)


class Folders:
    """The directories of one follower, each looked at once a turn; *wall* is a clock in seconds."""

    def __init__(self, errors: ReadErrors, wall: Callable[[], float]) -> None:
        self._errors = errors
        self._wall = wall
        self._looked: dict[str, Folder] = {}
        self._before: dict[str, Folder] = {}

    def turn(self) -> None:
        """From now on each directory is looked at again; those that nobody asked for are forgotten."""
        self._before, self._looked = self._looked, {}

    def at(self, path: str) -> Folder:
        """The directory *path* as it is in this turn; without names where it cannot be read, which is told."""
        if path not in self._looked:
            folder = self._looked[path] = self._before.get(path) or Folder(path, self._wall)
            try:
                folder.look()
                self._errors.clear(path)
            except OSError as error:
                self._errors.tell(path, error)
        return self._looked[path]


def folders_of(pattern: str) -> list[str]:
    """The directories that the folder part of a path or glob means."""
    folder = os.path.dirname(pattern)  # noqa: PTH120 -- as the pattern is written
    return sorted(glob.glob(folder, recursive=True)) if glob.has_magic(folder) else [folder]  # noqa: PTH207 -- text in, text out
