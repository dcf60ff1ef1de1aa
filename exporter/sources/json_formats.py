"""Access logs in JSON, one object a line: nginx (keys named like its variables), Caddy and Traefik.

All lines of a chunk are read at once; where one of them is wrong they are read one by one, and it alone is left out.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Annotated, Generic, TypeVar

import msgspec
from msgspec import Meta

from exporter.sources.access_log import MAX_SECONDS, MAX_SIZE_DIGITS, Cell, Row, request_of

#: A status' first digit, as text formats have it.
_CLASSES = tuple(b"%d" % digit for digit in range(6))
#: What JSON that is none raises.
_UNREADABLE = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

Line = TypeVar("Line", bound=msgspec.Struct)

Status = Annotated[int, Meta(ge=100, le=599)]
Size = Annotated[int, Meta(ge=0, lt=10**MAX_SIZE_DIGITS)]
Seconds = Annotated[float, Meta(ge=0, lt=MAX_SECONDS)]
Nanoseconds = Annotated[int, Meta(ge=0, lt=int(MAX_SECONDS) * 10**9)]


class NginxLine(msgspec.Struct, gc=False):
    """What is read of nginx's line; the keys are the names of its variables."""

    status: Status
    request: str = ""
    request_method: str = ""
    request_uri: str = ""
    uri: str = ""
    body_bytes_sent: Size | None = None
    bytes_sent: Size = 0
    request_time: Seconds | None = None
    http_traceparent: str = ""
    trace_id: str = ""
    request_id: str = ""


class CaddyRequest(msgspec.Struct, gc=False):
    """The part of Caddy's line that the client sent."""

    method: str
    uri: str


class CaddyLine(msgspec.Struct, gc=False, rename={"trace_id": "traceID"}):
    """What is read of Caddy's line, with its usual `duration_format` (seconds)."""

    status: Status
    request: CaddyRequest
    size: Size = 0
    duration: Seconds | None = None
    trace_id: str = ""


class TraefikLine(msgspec.Struct, gc=False, rename="pascal"):
    """What is read of Traefik's line."""

    downstream_status: Status
    request_method: str
    request_path: str
    downstream_content_size: Size = 0
    duration: Nanoseconds | None = None
    trace_id: str = ""


class JsonFormat(Generic[Line]):
    """Reads lines as objects of one type, of which *row* makes rows."""

    traced = True

    def __init__(self, line: type[Line], row: Callable[[Line], Row], per_second: float = 1.0) -> None:
        self.per_second = per_second
        # Not strict: nginx puts numbers in quotes where its format says so.
        self._decoder = msgspec.json.Decoder(line, strict=False)
        self._row = row

    def rows(self, chunk: bytes, lines: int) -> Sequence[Row]:
        """The rows of all lines that are in the format."""
        try:
            found = self._decoder.decode_lines(chunk)
        except _UNREADABLE:
            found = []
        if len(found) != lines:  # one is wrong, or objects and lines do not go together
            found = list(self._one_by_one(chunk))
        return [self._row(line) for line in found]

    def _one_by_one(self, chunk: bytes) -> Iterator[Line]:
        for line in chunk.split(b"\n"):
            try:
                yield self._decoder.decode(line)
            except _UNREADABLE:
                continue  # it is counted as unparsed: there are fewer rows than lines

    def second_look(self, odd: bytes) -> Sequence[Row]:  # noqa: ARG002 -- text formats need it
        """Nothing: a line that was left out is in another format."""
        return ()

    def numbers(self, column: Iterable[Cell]) -> list[int | float]:
        """The numbers of a column."""
        return [cell for cell in column if not isinstance(cell, bytes)]


def nginx_row(line: NginxLine) -> Row:
    """The row of nginx's line; without a request it is no row."""
    method, target = line.request_method, line.request_uri or line.uri
    if not (method and target):
        method, _, rest = line.request.partition(" ")
        target = rest.partition(" ")[0]
    size = line.bytes_sent if line.body_bytes_sent is None else line.body_bytes_sent
    trace = line.http_traceparent or line.trace_id or line.request_id
    return (
        request_of(method, target),
        _CLASSES[line.status // 100],
        size,
        _time(line.request_time),
        trace.encode(errors="replace"),
        b"",
    )


def caddy_row(line: CaddyLine) -> Row:
    """The row of Caddy's line."""
    request = request_of(line.request.method, line.request.uri)
    return (
        request,
        _CLASSES[line.status // 100],
        line.size,
        _time(line.duration),
        line.trace_id.encode(errors="replace"),
        b"",
    )


def traefik_row(line: TraefikLine) -> Row:
    """The row of Traefik's line."""
    request = request_of(line.request_method, line.request_path)
    status, size = _CLASSES[line.downstream_status // 100], line.downstream_content_size
    return request, status, size, _time(line.duration), line.trace_id.encode(errors="replace"), b""


def _time(given: float | None) -> Cell:
    return b"" if given is None else given
