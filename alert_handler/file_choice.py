"""Which files below a root are cleaned up: those that patterns name, by age, size and what a program writes to.

Only regular files with one name count, the oldest first. What is chosen is an `Item`: the file as it was found, so
that who takes it later can see whether it is still the same.
"""

import heapq
import os
import re
from collections.abc import Iterable, Iterator
from typing import Annotated, Literal
from urllib.parse import quote, unquote_to_bytes

import msgspec

from alert_handler.compression import is_compressed, is_temporary
from alert_handler.rooted_files import Changed, Found, Identity, Tree, matches, open_for_writing
from chassis.logs import clean

#: Files that a plan chooses from, the oldest ones.
MAX_CANDIDATES = 20_000
#: A copy that an interrupted compression left behind is removed when it is this old, in seconds.
STALE_SECONDS = 3600

_GIB = 1024**3
_PATTERN = re.compile(r"[A-Za-z0-9_.@+=,~*?\[\]!-]{1,255}(?:/[A-Za-z0-9_.@+=,~*?\[\]!-]{1,255}){0,15}")
_MAX_DOUBLE_STARS = 2
_PLAIN = "/ !$&'()*+,;=:@[]"

Action = Literal["delete", "compress"]
Natural = Annotated[int, msgspec.Meta(ge=0)]


class Wanted(msgspec.Struct, frozen=True):
    """Which files of which root. Sizes in bytes; `keep_newest` files are never touched, however old."""

    root: str = ""
    files: tuple[str, ...] = ()
    action: Action = "delete"
    min_age_seconds: Annotated[float, msgspec.Meta(ge=0)] = 60.0
    larger_than_bytes: Natural = 0
    max_files: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 1000
    max_bytes: Annotated[int, msgspec.Meta(ge=1)] = 50 * _GIB
    keep_newest: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 1

    def __post_init__(self) -> None:
        """Refuse patterns that could leave the root (ValueError)."""
        for pattern in self.files:
            check_pattern(pattern)


class Item(msgspec.Struct, frozen=True, array_like=True):
    """One file of a plan; `path` is percent-encoded where it is not plain UTF-8 text."""

    path: str
    action: Action
    inode: int
    size: int
    mtime_ns: int

    @property
    def identity(self) -> Identity:
        """What the file must still be."""
        return Identity(self.inode, self.size, self.mtime_ns)

    @property
    def native_path(self) -> str:
        """The path as the system calls want it."""
        return os.fsdecode(unquote_to_bytes(self.path))

    @property
    def shown(self) -> str:
        """The path for people, in one line."""
        return clean(unquote_to_bytes(self.path).decode("utf-8", "replace"))


def check_pattern(pattern: str) -> None:
    """Refuse a pattern that could leave its root, or that holds anything unusual (ValueError)."""
    parts = pattern.split("/")
    if pattern.startswith("/") or {"..", ".", ""} & set(parts):
        raise ValueError(f"the file pattern {pattern[:80]!r} is not relative to the root")
    if not _PATTERN.fullmatch(pattern) or any(part.startswith("-") for part in parts):
        raise ValueError(f"the file pattern {pattern[:80]!r} holds more than letters, digits and _.@+=,~*?[]!-/")
    if any("**" in part and part != "**" for part in parts) or parts[-1] == "**":
        raise ValueError(f"the file pattern {pattern!r}: ** stands for folders: write **/*.log")
    if parts.count("**") > _MAX_DOUBLE_STARS:
        raise ValueError(f"the file pattern {pattern!r} has more than {_MAX_DOUBLE_STARS} **")


def choose(tree: Tree, wanted: Wanted, now: float) -> tuple[Item, ...]:
    """The files to clean up, oldest first, within the caps; leftovers of interrupted runs come before all.

    However many files there are, only `MAX_CANDIDATES` are held at once.

    Raises:
        OSError: the root cannot be read.
    """
    stale: list[Found] = []
    older = _without_newest(_matching(tree, wanted, stale, now), wanted.keep_newest)
    oldest = heapq.nsmallest(MAX_CANDIDATES, (found for found in older if _fits(found, wanted, now)), key=_age_key)
    if wanted.action == "compress":
        oldest = list(_compressible(tree, oldest))
    chosen = _capped([*sorted(stale, key=_age_key), *oldest], wanted)
    return tuple(_item(found, wanted.action) for found in chosen)


def _matching(tree: Tree, wanted: Wanted, stale: list[Found], now: float) -> Iterator[Found]:
    """The files that a pattern names; leftovers of interrupted runs go to *stale*."""
    for found in tree.files():
        if _is_stale(found, now):
            if len(stale) < wanted.max_files:
                stale.append(found)
        elif found.links == 1 and any(matches(found.path, pattern) for pattern in wanted.files):
            yield found


def _without_newest(files: Iterable[Found], count: int) -> Iterator[Found]:
    """All of *files* but the newest *count*."""
    newest: list[tuple[int, str, Found]] = []
    for found in files:
        heapq.heappush(newest, (*_age_key(found), found))
        if len(newest) > count:
            yield heapq.heappop(newest)[2]


def _age_key(found: Found) -> tuple[int, str]:
    return found.identity.mtime_ns, found.path


def _is_stale(found: Found, now: float) -> bool:
    name = found.path.rpartition("/")[2]
    return is_temporary(name) and found.identity.mtime_ns <= (now - STALE_SECONDS) * 1e9


def _fits(found: Found, wanted: Wanted, now: float) -> bool:
    old = found.identity.mtime_ns <= (now - wanted.min_age_seconds) * 1e9
    return old and found.identity.size > wanted.larger_than_bytes


def _compressible(tree: Tree, files: Iterable[Found]) -> Iterator[Found]:
    busy = open_for_writing(tree.path)
    for found in files:
        if found.path not in busy and not _is_compressed(tree, found.path):
            yield found


def _is_compressed(tree: Tree, path: str) -> bool:
    """Whether it is compressed, or cannot be read: then it is left alone too."""
    try:
        with tree.folder_of(path) as (folder, name):
            return is_compressed(folder, name)
    except (OSError, Changed):
        return True


def _capped(files: Iterable[Found], wanted: Wanted) -> Iterator[Found]:
    left, room = wanted.max_files, wanted.max_bytes
    for found in files:
        if left and found.identity.size <= room:
            left -= 1
            room -= found.identity.size
            yield found


def _item(found: Found, action: Action) -> Item:
    leftover = is_temporary(found.path.rpartition("/")[2])
    path = quote(os.fsencode(found.path), safe=_PLAIN)
    return Item(path, "delete" if leftover else action, *found.identity)
