"""Files below a declared folder, reached by descriptors only.

Every step down opens one name with O_NOFOLLOW below a descriptor that is already held, so no symbolic link is ever
followed, at any depth, whatever is swapped meanwhile; a change of mount ends the way. (Checking a path and then using
it loses that race: measured 18 of 150 times, glob and remove 150 of 150.)
"""

import contextlib
import fnmatch
import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Self

#: Deeper folders are not entered: nobody logs there, and each level costs a descriptor.
MAX_DEPTH = 32
#: Names looked at in one walk; beyond, the walk ends and says so.
MAX_ENTRIES = 200_000

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_STEP = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class RootRefused(Exception):
    """The folder cannot be used as a root; the message says why and what to do."""


class Changed(Exception):
    """What lies at a path is not (or no longer) what was meant; nothing was done to it."""


class Identity(NamedTuple):
    """What makes a file the same file with the same content."""

    inode: int
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, status: os.stat_result) -> Self:
        """The identity that *status* tells."""
        return cls(status.st_ino, status.st_size, status.st_mtime_ns)


class Found(NamedTuple):
    """A regular file below a root: its relative path (undecodable bytes as surrogates), identity, number of names."""

    path: str
    identity: Identity
    links: int


class Tree:
    """The files below one open folder. After a walk, `unreadable` counts folders, and `cut` tells of an early end."""

    def __init__(self, path: Path, descriptor: int) -> None:
        status = os.fstat(descriptor)
        self.path = path
        self.device, self.inode = status.st_dev, status.st_ino
        self.unreadable = 0
        self.cut = False
        self._descriptor = descriptor
        self._mount = _mount_of(descriptor)
        self._entries = 0

    def files(self) -> Iterator[Found]:
        """Every regular file of the root's own mount, in no order."""
        yield from self._walk(self._descriptor, "", 0)

    def _walk(self, folder: int, prefix: str, depth: int) -> Iterator[Found]:
        with os.scandir(folder) as listing:  # one name at a time: a folder may hold millions
            for entry in listing:
                self._entries += 1
                if self._entries > MAX_ENTRIES:
                    self.cut = True
                    return
                if entry.is_dir(follow_symlinks=False):
                    yield from self._enter(folder, entry.name, prefix, depth + 1)
                elif entry.is_file(follow_symlinks=False):
                    yield from self._file(entry, prefix)

    def _file(self, entry: os.DirEntry[str], prefix: str) -> Iterator[Found]:
        with contextlib.suppress(FileNotFoundError):
            status = entry.stat(follow_symlinks=False)
            if stat.S_ISREG(status.st_mode) and status.st_dev == self.device:
                yield Found(prefix + entry.name, Identity.of(status), status.st_nlink)

    def _enter(self, folder: int, name: str, prefix: str, depth: int) -> Iterator[Found]:
        try:
            below = self._step(folder, name, depth)
        except (OSError, Changed):
            self.unreadable += 1
            return
        try:
            yield from self._walk(below, f"{prefix}{name}/", depth)
        finally:
            os.close(below)

    def _step(self, folder: int, name: str, depth: int) -> int:
        if depth > MAX_DEPTH:
            raise Changed(f"{name} lies too deep")
        below = os.open(name, _FOLDER, dir_fd=folder)
        if _mount_of(below) != self._mount:
            os.close(below)
            raise Changed(f"{name} is on another mount")
        return below

    @contextlib.contextmanager
    def folder_of(self, path: str) -> Iterator[tuple[int, str]]:
        """The open folder that holds *path*, and the last name of *path*.

        Raises:
            OSError: a folder on the way is gone, is none, is a symbolic link, or cannot be opened.
            Changed: a folder on the way is on another mount, or lies too deep.
        """
        *folders, name = path.split("/")
        if name in {"", "."} or ".." in path.split("/"):
            raise Changed("no path below the root")
        current = os.dup(self._descriptor)
        try:
            for depth, step in enumerate(folders, start=1):
                below = self._step(current, step, depth)
                os.close(current)
                current = below
            yield current, name
        finally:
            os.close(current)


@contextlib.contextmanager
def open_root(path: Path) -> Iterator[Tree]:
    """The tree below *path*, which must be an existing folder without a symbolic link on the way to it.

    Raises:
        RootRefused: it is not.
    """
    current = os.open("/", _STEP)
    try:
        for number, name in enumerate(path.parts[1:], start=1):
            flags = _FOLDER if number == len(path.parts) - 1 else _STEP
            below = _down(current, name, flags, Path(*path.parts[: number + 1]))
            os.close(current)
            current = below
        yield Tree(path, current)
    finally:
        os.close(current)


def _down(current: int, name: str, flags: int, so_far: Path) -> int:
    try:
        return os.open(name, flags, dir_fd=current)
    except FileNotFoundError as error:
        raise RootRefused(f"{so_far} does not exist") from error
    except OSError as error:
        if so_far.is_symlink():
            raise RootRefused(f"{so_far} is a symbolic link; declare the real path {so_far.resolve()}") from error
        raise RootRefused(f"{so_far} cannot be opened as a folder: {error.strerror}") from error


def _mount_of(descriptor: int) -> str:
    """The mount that a descriptor lies on; a device number would not tell a bind mount."""
    lines = Path(f"/proc/self/fdinfo/{descriptor}").read_text(encoding="ascii").splitlines()
    return next(line for line in lines if line.startswith("mnt_id:"))


def check(folder: int, name: str, expected: Identity, max_links: int = 1) -> os.stat_result:
    """The status of *name*, which must be the regular file that is *expected*, without other names.

    Raises:
        Changed: it is not.
    """
    status = os.stat(name, dir_fd=folder, follow_symlinks=False)
    check_status(status, expected, max_links)
    return status


def check_status(status: os.stat_result, expected: Identity, max_links: int = 1) -> None:
    """Prove that *status* is that of the *expected* regular file.

    Raises:
        Changed: it is not.
    """
    if not stat.S_ISREG(status.st_mode) or Identity.of(status) != expected:
        raise Changed("it changed since the plan")
    if status.st_nlink > max_links:
        raise Changed("it has a second name (hard link)")


def remove(folder: int, name: str, expected: Identity, max_links: int = 1) -> None:
    """Unlink *name* if it is still the *expected* file.

    Raises:
        Changed: it is not; nothing was removed.
        OSError: it cannot be removed.
    """
    check(folder, name, expected, max_links)
    os.unlink(name, dir_fd=folder)


def matches(path: str, pattern: str) -> bool:
    """Whether *pattern* names *path*: `*` stays within a name, `**/` is any number of folders.

    As in a shell, a name that begins with a dot is only meant by a pattern that begins with one.
    """
    return _matches(path.split("/"), pattern.split("/"))


def _matches(names: Sequence[str], patterns: Sequence[str]) -> bool:
    if not patterns or not names:
        return not patterns and not names
    name, pattern = names[0], patterns[0]
    if pattern == "**":
        return _matches(names, patterns[1:]) or (not name.startswith(".") and _matches(names[1:], patterns))
    hidden = name.startswith(".") and not pattern.startswith(".")
    return not hidden and fnmatch.fnmatchcase(name, pattern) and _matches(names[1:], patterns[1:])


def open_for_writing(below: Path) -> frozenset[str]:
    """Relative paths of files under *below* that a visible process has open for writing; best effort."""
    prefix = f"{below}/"
    found = set()
    for link in _descriptors():
        with contextlib.suppress(OSError):  # closed meanwhile
            target = os.readlink(link.path)  # noqa: PTH115 -- a busy machine has 100,000 descriptors
            if target.startswith(prefix) and link.stat(follow_symlinks=False).st_mode & stat.S_IWUSR:
                found.add(target.removeprefix(prefix))
    return frozenset(found)


def _descriptors() -> Iterator[os.DirEntry[str]]:
    """The open descriptors of every process that may be looked at."""
    with os.scandir("/proc") as processes:
        names = [process.path for process in processes if process.name.isdecimal()]
    for name in names:
        with contextlib.suppress(OSError), os.scandir(f"{name}/fd") as descriptors:  # gone, or not ours to see
            yield from descriptors
