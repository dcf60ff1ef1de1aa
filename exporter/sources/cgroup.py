"""Containers as the kernel sees them: folders of cgroup v2, found by the names that container engines give them."""

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

#: Docker, Podman, containerd, CRI-O: 64 hex digits, alone or between the engine's name and `.scope`.
_HASHED = re.compile(r"(?:[a-z-]+-)?(?P<id>[0-9a-f]{64})(?:\.scope)?")
#: systemd-nspawn and machinectl, LXC: a name.
_NAMED = re.compile(r"systemd-nspawn@(?P<service>.+)\.service|machine-(?P<machine>.+)\.scope|lxc\.payload\.(?P<lxc>.+)")
_ESCAPED = re.compile(r"\\x([0-9a-f]{2})")

#: The tree is looked through no further than this.
MAX_DEPTH = 8
MAX_FOLDERS = 20_000
_MAX_BYTES = 64 * 1024


class Usage(NamedTuple):
    """What a container uses; None where the kernel (or a controller that is off) does not tell.

    Attributes:
        cpu_seconds: processor time so far.
        throttled_seconds: time so far for which it was held back by its processor limit.
        memory: bytes that cannot be given back at once (the working set).
        memory_limit: bytes, its own limit or that of a group around it; None for none.
        oom_kills: processes killed for want of memory so far.
        pids: processes and threads.
        read: bytes read from block devices so far.
        written: bytes written to block devices so far.
    """

    cpu_seconds: float | None
    throttled_seconds: float | None
    memory: int | None
    memory_limit: int | None
    oom_kills: int | None
    pids: int | None
    read: int
    written: int


def is_version_2(root: Path) -> bool:
    """Whether *root* is the top of a unified hierarchy."""
    return (root / "cgroup.controllers").is_file()


def container_id(folder: str) -> str:
    """The id (or, where the engine gives one, the name) in the name of a cgroup's folder; empty for other groups."""
    if "conmon" in folder:
        return ""  # Podman's and CRI-O's watcher of a container, not the container
    if hashed := _HASHED.fullmatch(folder):
        return hashed["id"]
    if named := _NAMED.fullmatch(folder):
        name = next(filter(None, named.groups()))
        return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), name)
    return ""


def containers(root: Path) -> Iterator[tuple[str, Path]]:
    """The containers below *root*: id and folder. What a container keeps in groups of its own belongs to it."""
    waiting = [(root, 0)]
    seen = 0
    while waiting and seen < MAX_FOLDERS:
        folder, depth = waiting.pop()
        for name in _folders(folder):
            seen += 1
            if found := container_id(name):
                yield found, folder / name
            elif depth < MAX_DEPTH:
                waiting.append((folder / name, depth + 1))


def _folders(folder: Path) -> list[str]:
    """The names of the folders in *folder*, sorted; none where it is gone."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:
        return []


def usage(folder: Path, root: Path) -> Usage | None:
    """What the container in *folder* below *root* uses; None where it has ended."""
    if not folder.is_dir():
        return None
    cpu = _pairs(_read(folder / "cpu.stat"))
    read, written = _io(_read(folder / "io.stat"))
    return Usage(
        cpu_seconds=_seconds(cpu.get("usage_usec")),
        throttled_seconds=_seconds(cpu.get("throttled_usec")),
        memory=_working_set(folder),
        memory_limit=_limit(folder, root),
        oom_kills=_pairs(_read(folder / "memory.events")).get("oom_kill"),
        pids=_number(_read(folder / "pids.current")),
        read=read,
        written=written,
    )


def _working_set(folder: Path) -> int | None:
    """Memory in use without the file pages that nobody has used lately."""
    current = _number(_read(folder / "memory.current"))
    if current is None:
        return None
    return max(0, current - _pairs(_read(folder / "memory.stat")).get("inactive_file", 0))


def _limit(folder: Path, root: Path) -> int | None:
    """The least limit on the way from *folder* to *root*."""
    limits = []
    while folder != root and root in folder.parents:
        limits.append(_number(_read(folder / "memory.max")))
        folder = folder.parent
    return min((limit for limit in limits if limit), default=None)


def _io(text: str) -> tuple[int, int]:
    """Bytes read and written, all devices together."""
    read, written = (
        sum(int(amount) for amount in re.findall(rf"\b{key}=(\d{{1,19}})\b", text, re.ASCII))
        for key in ("rbytes", "wbytes")
    )
    return read, written


def _pairs(text: str) -> dict[str, int]:
    """The lines `name number`."""
    words = (line.partition(" ") for line in text.splitlines())
    return {name: number for name, _, rest in words if (number := _number(rest)) is not None}


def _number(text: str) -> int | None:
    word = text.strip()
    return int(word) if word.isascii() and word.isdecimal() and len(word) < 20 else None


def _seconds(microseconds: int | None) -> float | None:
    return None if microseconds is None else microseconds / 1e6


def _read(path: Path) -> str:
    """The text of a kernel file, which comes in one piece; empty where it is not there (any more)."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return ""
    try:
        return os.read(descriptor, _MAX_BYTES).decode("ascii", "replace")
    except OSError:
        return ""
    finally:
        os.close(descriptor)
