"""How far logs have been read, as a value that can be kept and found again after a restart.

A file is known by device and inode and by checksums of its beginning and of the bytes before the position, so that
it is found again when it was renamed, copied or compressed, and not taken for another one that got its inode.
"""

import logging
from collections.abc import Mapping
from typing import Annotated
from zlib import crc32

import msgspec

from chassis.logs import event
from exporter.errors import ExporterError

log = logging.getLogger(__name__)

#: Of a file's beginning, so many bytes are compared.
HEAD_BYTES = 1024
#: Of what stands before the position, so many.
TAIL_BYTES = 64
#: The form in which positions are kept; another one is not read.
VERSION = 1


class PositionInvalid(ExporterError):
    """Kept bytes that are no position; the message says why."""

    reason = "position"


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """One file and how far it has been read.

    Attributes:
        device, inode: the file's identity while it exists.
        offset: bytes given so far, up to the end of a line; of a compressed file, unpacked ones.
        head: checksum of the first `HEAD_BYTES`, or of all that was given where that is less.
        tail: checksum of the last `TAIL_BYTES` before the offset, or of all where that is less.
        packed: the size of a compressed file that has been dealt with, 0 for any other.
        name: where the file was seen last.
    """

    device: int
    inode: int
    offset: Annotated[int, msgspec.Meta(ge=0)] = 0
    head: int = 0
    tail: int = 0
    packed: int = 0
    name: str = ""

    @property
    def identity(self) -> tuple[int, int]:
        """Device and inode."""
        return self.device, self.inode


class Position(msgspec.Struct, frozen=True):
    """How far the logs of one follower have been read.

    Attributes:
        patterns: the paths and globs that were followed.
        logs: path -> the files that the path has meant and its rotated ones, as far as they are known.
        version: the form of this value.
    """

    patterns: tuple[str, ...] = ()
    logs: Mapping[str, tuple[Mark, ...]] = {}
    version: int = VERSION

    def encode(self) -> bytes:
        """As JSON."""
        return msgspec.json.encode(self)

    @classmethod
    def decode(cls, kept: bytes) -> "Position":
        """What `encode` gave.

        Raises:
            PositionInvalid: *kept* is something else, or of another version.
        """
        try:
            position = msgspec.json.decode(kept, type=cls)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise PositionInvalid(f"the kept position of a log cannot be read: {error}") from error
        if position.version != VERSION:
            raise PositionInvalid(f"the kept position of a log is of version {position.version}, not {VERSION}")
        return position


def resumed(kept: bytes | None, **fields: object) -> Position | None:
    """The position that *kept* holds; None where nothing was kept or where it is damaged, which is logged.

    *fields* say in the log whose position it is.
    """
    if kept is None:
        return None
    try:
        return Position.decode(kept)
    except PositionInvalid as error:
        event(log, logging.WARNING, f"{error}; its logs are read as if for the first time", **fields)
        return None


def checksums(head: bytes, tail: bytes, offset: int) -> tuple[int, int]:
    """`Mark.head` and `Mark.tail` at *offset*, from a file's first bytes and the ones before the offset."""
    return crc32(head[: min(HEAD_BYTES, offset)]), crc32(tail[-TAIL_BYTES:])
