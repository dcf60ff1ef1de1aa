"""A rotated log that was compressed with gzip, unpacked chunk by chunk.

What it unpacks to is bounded: a small file that unpacks to gigabytes is given up.
"""

import errno
import os
import zlib
from collections.abc import Iterator

from msgspec.structs import replace

from exporter.sources.log_file import CHUNK_BYTES, Lines, Version, open_regular, version_of
from exporter.sources.log_position import HEAD_BYTES, TAIL_BYTES, Mark, checksums

#: Unpacked bytes for each compressed one, beyond which a file is taken for a bomb: logs have 5 to 50.
MAX_RATIO = 200
#: Below this a file may unpack to whatever it likes: lines that are all the same have up to 1000.
FREE_BYTES = 64 * 1024 * 1024
#: zlib's code for a gzip header.
_GZIP = 31


class PackedLog:
    """An open compressed log, which has the same face as `PlainLog`.

    Raises:
        OSError: the file cannot be opened, is no regular file, or is not gzip from its first byte on.
    """

    complete = True

    def __init__(self, path: str) -> None:
        self.path = path
        self._descriptor = open_regular(path)
        status = os.fstat(self._descriptor)
        self.identity = (status.st_dev, status.st_ino)
        self._version = version_of(status)
        self._size = status.st_size
        try:
            self._head = self._begin()
        except OSError:
            self.close()
            raise
        self.lines = Lines(Mark(*self.identity, name=path))

    @property
    def mark(self) -> Mark:
        """The end of what was given."""
        return self.lines.mark

    @property
    def backlog(self) -> int:
        """Compressed bytes, as if nothing of them had been read."""
        return self._size

    def version(self) -> Version:
        """What the file was when it was opened."""
        return self._version

    def head(self) -> bytes:
        """The first unpacked bytes."""
        return self._head

    def done(self) -> Mark:
        """The mark by which the file is known once all of it has been dealt with."""
        return replace(self.mark, head=zlib.crc32(self._head), packed=self._size)

    def known(self, mark: Mark) -> bool:
        """Whether *mark* says that all of this file has been dealt with."""
        return mark.identity == self.identity and mark.packed == self._size and mark.head == zlib.crc32(self._head)

    def length(self) -> int:
        """Unpacked bytes (modulo 4 GiB), as the file itself says at its end."""
        return int.from_bytes(os.pread(self._descriptor, 4, max(0, self._size - 4)), "little")

    def ends_at(self, mark: Mark) -> bool:
        """Whether it is a copy of what *mark* has seen, and no more; unpacks no more than the beginning."""
        return not mark.packed and self.length() == mark.offset % 2**32 and self._begins(mark)

    def fits(self, mark: Mark) -> bool:
        """Whether the file has the content that *mark* was made for; unpacks it up to there.

        Raises:
            OSError: the file cannot be read or is damaged before that.
        """
        if mark.packed or not self._begins(mark):
            return False
        position, seen = 0, b""
        for data in self._unpacked(CHUNK_BYTES):
            seen = (seen + data[: mark.offset - position])[-TAIL_BYTES:]
            position += len(data)
            if position >= mark.offset:
                return checksums(self._head, seen, mark.offset) == (mark.head, mark.tail)
        return mark.offset == 0

    def start(self, offset: int) -> None:
        """Read on from *offset* of the unpacked bytes."""
        self.lines = Lines(Mark(*self.identity, offset, name=self.path), self._head[:offset])

    def read(self) -> Iterator[bytes]:
        """Everything from the position on in whole lines, each piece ending with a line feed.

        Raises:
            OSError: the file cannot be read, is damaged, or unpacks to far too much; what came before was given.
        """
        lines = self.lines
        skip, lines.seen = lines.position, b""
        for data in self._unpacked(CHUNK_BYTES):
            new = data[skip:]
            if skip:
                lines.seen = (lines.seen + data[:skip])[-TAIL_BYTES:]
            skip = max(0, skip - len(data))
            if new and (given := lines.feed(new)):
                yield given

    def rest(self) -> bytes:
        """The last line if it has no line feed, with one."""
        return self.lines.rest()

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._descriptor)

    def _begin(self) -> bytes:
        """The first unpacked bytes, as many as are compared."""
        head = b""
        for data in self._unpacked(HEAD_BYTES):
            head += data
            if len(head) >= HEAD_BYTES:
                break
        return head[:HEAD_BYTES]

    def _begins(self, mark: Mark) -> bool:
        """Whether the first bytes are those of *mark*'s file."""
        length = min(HEAD_BYTES, mark.offset)
        return len(self._head) >= length and zlib.crc32(self._head[:length]) == mark.head

    def _unpacked(self, chunk: int) -> Iterator[bytes]:
        """The content from its start, at most *chunk* bytes at a time."""
        limit = max(FREE_BYTES, MAX_RATIO * self._size)
        total = 0
        for data in _members(self._descriptor, chunk):
            total += len(data)
            if total > limit:
                raise OSError(errno.EFBIG, f"unpacks to more than {limit} bytes, given up", self.path)
            yield data


def _members(descriptor: int, chunk: int) -> Iterator[bytes]:
    """Unpacks every member of a gzip file.

    Raises:
        OSError: the file cannot be read, or it is damaged or cut off.
    """
    position, packed = 0, b""
    unpacker = zlib.decompressobj(_GZIP)
    while True:
        if not packed:
            packed = os.pread(descriptor, CHUNK_BYTES, position)
            position += len(packed)
            packed = packed.lstrip(b"\0") if unpacker.eof else packed
        if unpacker.eof:
            if not packed:
                return
            unpacker = zlib.decompressobj(_GZIP)
        data = _unpack(unpacker, packed, chunk)
        if data:
            yield data
        elif not packed:
            raise OSError(errno.EBADMSG, "the compressed file is cut off")
        packed = unpacker.unused_data.lstrip(b"\0") if unpacker.eof else unpacker.unconsumed_tail


def _unpack(unpacker: "zlib._Decompress", packed: bytes, chunk: int) -> bytes:
    try:
        return unpacker.decompress(packed, chunk)
    except zlib.error as error:
        raise OSError(errno.EBADMSG, f"the compressed file is damaged: {error}") from error
