"""An HTTP/1.1 response read piece by piece, strictly and within bounds (RFC 9112); knows nothing of sockets.

What a strict reader must refuse is refused: both Content-Length and Transfer-Encoding, lengths that differ, control
characters in headers, folded lines, line ends without a carriage return. A proxy might read it another way.
"""

import re
import zlib
from collections.abc import Callable
from typing import Final

from exporter.probing.attempt import ProbeFailed

MAX_HEAD_BYTES: Final = 64 * 1024
_MAX_LINE_BYTES = 1024
_MAX_INFORMATIONAL = 10
#: Decompressed at once; a bomb is noticed after at most as much beyond the limit.
_STEP_BYTES = 64 * 1024
_STATUS_LINE = re.compile(rb"HTTP/(\d\.\d) ([1-9]\d\d)(?: ([^\x00-\x08\x0a-\x1f\x7f]*))?\r\n")
_HEADERS = re.compile(rb"(?:[!#$%&'*+.^_`|~0-9A-Za-z-]++:[^\x00-\x08\x0a-\x1f\x7f]*+\r\n)*+")
_HEADER = re.compile(rb"([^:\r\n]++):[ \t]*([^\r\n]*+)\r\n")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\r\n\x00]*)?\r\n")
_WINDOW_BITS = {"gzip": 31, "x-gzip": 31, "deflate": 15}


class Response:
    """Takes bytes until the response is whole; its first response after any 1xx.

    Attributes:
        version: `1.1` or as the server says.
        status: 0 before it is known.
        headers: names in lower case, in their order.
        length: what Content-Length says, -1 without.
        received: bytes of the body as they came.
        decoded: bytes of the body after decompression.
        body: the first *keep* bytes of the decoded body.
        complete: nothing more belongs to it.
    """

    def __init__(self, method: str, limit: int, keep: int, *, decompress: bool = False) -> None:
        self.version = ""
        self.status = 0
        self.headers: list[tuple[str, str]] = []
        self.length = -1
        self.received = 0
        self.decoded = 0
        self.body = bytearray()
        self.complete = False
        self._method = method
        self._limit = limit
        self._keep = keep
        self._decompress = decompress
        self._decoder: zlib._Decompress | None = None
        self._informational = 0
        self._left = 0
        self._buffer = b""
        #: How far the buffer is read: to cut it at every chunk would be quadratic.
        self._at = 0
        # A function, not a bound method: that would be a cycle, and each response would wait for the collector.
        self._next: Callable[[Response], bool] = Response._head

    def header(self, name: str) -> str | None:
        """The first value of the header *name* (lower case)."""
        return next((value for key, value in self.headers if key == name), None)

    def feed(self, data: bytes) -> bool:
        """Take what came; whether the response is complete.

        Raises:
            ProbeFailed: it breaks the protocol (`protocol`) or a bound (`too_large`).
        """
        self._buffer = self._buffer[self._at :] + data if self._at < len(self._buffer) else data
        self._at = 0
        while not self.complete and self._next(self):
            pass
        if self.complete:
            self._buffer = b""
            self._check_decoded()
        return self.complete

    def end(self) -> None:
        """Take the end of the connection.

        Raises:
            ProbeFailed: the response is not complete (`protocol`).
        """
        if self._next is Response._until_close:
            self.complete = True
            self._check_decoded()
        if not self.complete:
            got = f"after {self.received} bytes of its body" if self.status else "before its headers were complete"
            raise _broken(f"the connection ended {got}")

    def _head(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n", self._at)
        if end < 0 or end - self._at > MAX_HEAD_BYTES:
            if len(self._buffer) - self._at > MAX_HEAD_BYTES:
                raise ProbeFailed("too_large", f"the headers are larger than {MAX_HEAD_BYTES} bytes")
            if not b"HTTP/".startswith(self._buffer[self._at : self._at + 5]):
                raise _broken("what came is not HTTP")
            return False
        head = self._buffer[self._at : end + 2]
        self._at = end + 4
        line = _STATUS_LINE.match(head)
        if line is None:
            raise _broken("the status line is malformed")
        if _HEADERS.fullmatch(head, line.end()) is None:
            raise _broken("a header line is malformed")
        self.version, self.status = line[1].decode(), int(line[2])
        if self.status < 200:
            return self._skip_informational()
        pairs = _HEADER.findall(head, line.end())
        self.headers = [(name.decode().lower(), value.rstrip().decode("latin-1")) for name, value in pairs]
        self._frame()
        return True

    def _skip_informational(self) -> bool:
        self._informational += 1
        if self.status == 101 or self._informational > _MAX_INFORMATIONAL:
            raise _broken(f"the interim response {self.status} was not asked for")
        self.status = 0
        return True

    def _frame(self) -> None:
        """Find out how the body ends."""
        encodings = [value.lower() for name, value in self.headers if name == "transfer-encoding"]
        lengths = {value for name, value in self.headers if name == "content-length"}
        if encodings and (encodings != ["chunked"] or lengths):
            raise _broken("Transfer-Encoding is not just `chunked`, or comes with a Content-Length")
        if lengths:
            self.length = _length(lengths)
        if self._method == "HEAD" or self.status in (204, 304):
            self.complete = True
            return
        self._prepare_decoder()
        if encodings:
            self._next = Response._chunk_size
        elif self.length >= 0:
            self._left = self.length
            self._next = Response._counted
            if self.length > self._limit:
                raise _too_large(self._limit)
        else:
            self._next = Response._until_close

    def _prepare_decoder(self) -> None:
        encoding = (self.header("content-encoding") or "").lower()
        if self._decompress and encoding in _WINDOW_BITS:
            self._decoder = zlib.decompressobj(_WINDOW_BITS[encoding])

    def _counted(self) -> bool:
        self._left -= self._take_body(self._left)
        self.complete = not self._left
        return False

    def _until_close(self) -> bool:
        self._take_body(len(self._buffer) - self._at)
        return False

    def _chunk_size(self) -> bool:
        line = self._line()
        if line is None:
            return False
        match = _CHUNK.fullmatch(line)
        if match is None:
            raise _broken("the size of a chunk is malformed")
        self._left = int(match[1], 16)
        self._next = Response._chunk if self._left else Response._trailer
        return True

    def _chunk(self) -> bool:
        self._left -= self._take_body(self._left)
        if self._left:
            return False
        self._next = Response._chunk_end
        return True

    def _chunk_end(self) -> bool:
        if len(self._buffer) < self._at + 2:
            return False
        if not self._buffer.startswith(b"\r\n", self._at):
            raise _broken("a chunk is longer than it says")
        self._at += 2
        self._next = Response._chunk_size
        return True

    def _trailer(self) -> bool:
        line = self._line()
        if line is None:
            return False
        self._left += len(line)
        if self._left > MAX_HEAD_BYTES:
            raise ProbeFailed("too_large", f"the trailers are larger than {MAX_HEAD_BYTES} bytes")
        self.complete = line == b"\r\n"
        return True

    def _line(self) -> bytes | None:
        """The next line with its end; None as long as it is not whole."""
        end = self._buffer.find(b"\r\n", self._at, self._at + _MAX_LINE_BYTES)
        if end < 0:
            if len(self._buffer) - self._at > _MAX_LINE_BYTES:
                raise _broken(f"a line is longer than {_MAX_LINE_BYTES} bytes")
            return None
        line = self._buffer[self._at : end + 2]
        self._at = end + 2
        return line

    def _take_body(self, most: int) -> int:
        """Take up to *most* bytes of what came as body; how many they were."""
        piece = self._buffer[self._at : self._at + most]
        self._at += len(piece)
        self.received += len(piece)
        if self.received > self._limit:
            raise _too_large(self._limit)
        if self._decoder is None:
            self._keep_decoded(piece)
        else:
            self._decode(self._decoder, piece)
        return len(piece)

    def _decode(self, decoder: "zlib._Decompress", piece: bytes) -> None:
        try:
            while piece and not decoder.eof:
                self._keep_decoded(decoder.decompress(piece, _STEP_BYTES))
                piece = decoder.unconsumed_tail
        except zlib.error as error:
            raise _broken(f"the body cannot be decompressed: {error}") from error

    def _check_decoded(self) -> None:
        """Refuse a compressed body that is cut off: its beginning alone may look well."""
        if self._decoder is not None and self.received and not self._decoder.eof:
            raise _broken("the compressed body ends too early")

    def _keep_decoded(self, piece: bytes) -> None:
        self.decoded += len(piece)
        if self.decoded > self._limit:
            raise _too_large(self._limit)
        room = self._keep - len(self.body)
        if room > 0:
            self.body += piece[:room]


def _length(values: set[str]) -> int:
    if len(values) > 1 or not all(value.isdecimal() and value.isascii() and len(value) < 16 for value in values):
        raise _broken("Content-Length is not one number")
    return int(next(iter(values)))


def _broken(text: str) -> ProbeFailed:
    return ProbeFailed("protocol", f"no valid HTTP response: {text}")


def _too_large(limit: int) -> ProbeFailed:
    return ProbeFailed("too_large", f"the body is larger than body_size_limit, {limit} bytes")
