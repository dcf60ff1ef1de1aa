"""Compress a file in place: complete under its new name, or not at all.

The compressed copy is written under a temporary name in the same folder, made durable, given its name `.gz` without
ever replacing another file, and only then the original is removed. A crash leaves the original and at most a
temporary file, which `is_temporary` recognises.
"""

import contextlib
import os
import secrets
import time
import zlib
from collections.abc import Iterator

from alert_handler.rooted_files import Changed, Identity, check_status, remove

SUFFIX = ".gz"
_SUFFIXES = (".gz", ".tgz", ".bz2", ".xz", ".zst", ".lz4", ".lzma", ".br", ".zip", ".7z", ".rar")
_MAGIC = (b"\x1f\x8b", b"BZh", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd", b"\x04\x22\x4d\x18", b"PK\x03\x04", b"7z\xbc\xaf")
_GZIP = 31  # zlib's window size of 32 KiB with a gzip header
_LEVEL = 6
_CHUNK = 1024 * 1024
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_PREFIX = ".nightshift-"
_ENDING = ".tmp"


class OutOfTime(Exception):
    """The deadline passed in the middle; the original is untouched."""


def is_temporary(name: str) -> bool:
    """Whether *name* is that of a copy which an interrupted run left behind."""
    return name.startswith(_PREFIX) and name.endswith(_ENDING)


def is_compressed(folder: int, name: str) -> bool:
    """Whether *name* says, or its first bytes say, that it is compressed already."""
    if name.lower().endswith(_SUFFIXES):
        return True
    with _opened(os.open(name, _READ, dir_fd=folder)) as source:
        return os.pread(source, 8, 0).startswith(_MAGIC)


def compress(folder: int, name: str, expected: Identity, deadline: float) -> int:
    """Replace *name* by *name*.gz with the same owner, mode and time of change; gives the bytes gained.

    Raises:
        Changed: the file is not the expected one, is being written, would not shrink, or *name*.gz exists.
        OutOfTime: *deadline* (monotonic) passed.
        OSError: it cannot be done, e.g. no space is left for the copy.
    """
    with contextlib.ExitStack() as stack:
        source = stack.enter_context(_opened(os.open(name, _READ, dir_fd=folder)))
        check_status(os.fstat(source), expected)
        temporary = f"{_PREFIX}{secrets.token_hex(8)}{_ENDING}"
        target = stack.enter_context(_opened(os.open(temporary, _CREATE, 0o600, dir_fd=folder)))
        stack.callback(_unlink, folder, temporary)
        _copy(source, target, deadline)
        _take_over(source, target)
        gained = expected.size - os.fstat(target).st_size
        if gained <= 0:
            raise Changed("it would not shrink")
        _replace(folder, name, expected, target)
    return gained


def _replace(folder: int, name: str, expected: Identity, target: int) -> None:
    """Give the written copy its name, then remove the original; never only one of both."""
    final = name + SUFFIX
    try:
        os.link(f"/proc/self/fd/{target}", final, dst_dir_fd=folder)
    except FileExistsError as error:
        raise Changed(f"{final} exists already") from error
    try:
        remove(folder, name, expected)
    except (OSError, Changed):
        _unlink(folder, final)
        raise
    os.fsync(folder)


def _copy(source: int, target: int, deadline: float) -> None:
    packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
    while chunk := os.read(source, _CHUNK):
        if time.monotonic() >= deadline:
            raise OutOfTime
        _write(target, packer.compress(chunk))
    _write(target, packer.flush())


def _write(target: int, piece: bytes) -> None:
    view = memoryview(piece)
    while view:
        view = view[os.write(target, view) :]


def _take_over(source: int, target: int) -> None:
    """Owner, mode and times of *source* for *target*, made durable."""
    status, own = os.fstat(source), os.fstat(target)
    if (status.st_uid, status.st_gid) != (own.st_uid, own.st_gid):
        os.fchown(target, status.st_uid, status.st_gid)
    os.fchmod(target, status.st_mode & 0o777)
    os.utime(target, ns=(status.st_atime_ns, status.st_mtime_ns))
    os.fsync(target)


def _unlink(folder: int, name: str) -> None:
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)


@contextlib.contextmanager
def _opened(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)
