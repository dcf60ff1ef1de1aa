"""What a line of an access log says, whatever its format: the row, and what reads lines into rows.

A chunk of whole lines is read at once. For text formats one regular expression runs over the chunk: it never goes
back (possessive quantifiers), bounds every number, and gives one row per line, so hostile lines cost what others do.
"""

import re
from collections.abc import Callable, Iterable, Sequence
from itertools import filterfalse
from operator import itemgetter
from typing import Protocol, cast

import msgspec

#: The columns of a row: `GET /path` without query, the status' first digit, bytes, request time, the trace (only where
#: the format may have one), and last the line if it is in another format. What is not told is empty.
REQUEST, STATUS, SIZE, SECONDS, TRACE = range(5)
ODD = -1
#: A cell of a row, as it was written or, where that costs nothing, as a number.
Cell = bytes | int | float
Row = tuple[bytes, bytes, Cell, Cell, bytes] | tuple[bytes, bytes, Cell, Cell, bytes, bytes]
#: What a regular expression finds, one tuple of its groups a line.
Groups = Sequence[tuple[bytes, ...]]

#: More bytes, or a longer time, are no answer's: such a line is not counted.
MAX_SIZE_DIGITS = 15
MAX_SECONDS = 1e6

_LINE_BREAKS = b"\r\n"
_numbers = msgspec.json.Decoder(list[int | float]).decode


class LineFormat(Protocol):
    """Reads the lines of one format.

    Attributes:
        per_second: of the unit of its request times, so many make a second.
        traced: whether its rows have the column of traces.
    """

    per_second: float
    traced: bool

    def rows(self, chunk: bytes, lines: int) -> Sequence[Row]:
        """The rows of *chunk*, so many whole *lines*; a row without a request has the line as it is."""

    def second_look(self, odd: bytes) -> Sequence[Row]:
        """The rows of lines that `rows` gave back unread; those that are in another format are left out."""

    def numbers(self, column: Iterable[Cell]) -> list[int | float]:
        """The sizes or the request times of a column, without those that are missing."""


def as_they_are(groups: Groups) -> Sequence[Row]:
    """The rows of an expression whose groups are the columns in their order."""
    return cast("Sequence[Row]", groups)


class TextFormat:
    """A format by two regular expressions, whose groups *shape* makes rows of.

    The *quick* one may run over the end of a line whose quotes do not match; then it gives fewer rows than there are
    lines, and the *strict* one, which never does, reads the chunk instead. What the quick one leaves as odd (escaped
    quotes, mostly) is read by the strict ones, first come first served.
    """

    def __init__(
        self,
        quick: re.Pattern[bytes],
        strict: Sequence[re.Pattern[bytes]],
        *,
        per_second: float = 1.0,
        traced: bool = False,
        shape: Callable[[Groups], Sequence[Row]] = as_they_are,
    ) -> None:
        self.per_second = per_second
        self.traced = traced
        self._quick = quick
        self._strict = tuple(strict)
        self._shape = shape

    def or_else(self, other: "TextFormat") -> "TextFormat":
        """This format, and what it does not read as the *other*, whose groups have the same order."""
        self._strict += other._strict  # noqa: SLF001 -- of its own class
        return self

    def rows(self, chunk: bytes, lines: int) -> Sequence[Row]:
        """The rows of *chunk*, one for each of its *lines*."""
        found = self._quick.findall(chunk)
        return self._shape(found if len(found) == lines else self._strict[0].findall(chunk))

    def second_look(self, odd: bytes) -> Sequence[Row]:
        """The rows of lines that `rows` gave back unread."""
        read: list[Row] = []
        for pattern in self._strict:
            found = self._shape(pattern.findall(odd))
            read += filter(itemgetter(REQUEST), found)
            odd = b"".join([row[-1] for row in filterfalse(itemgetter(REQUEST), found)])
        return read

    def numbers(self, column: Iterable[Cell]) -> list[int | float]:
        """The numbers of a column; all are read at once, which is four times quicker than one by one."""
        return _numbers(b"[%b]" % b",".join(filter(None, cast("Iterable[bytes]", column))))


def request_of(method: str, target: str) -> bytes:
    """The request cell of a method and a path with or without its query, on one line whatever they hold."""
    text = f"{method} {target.partition('?')[0]}" if method and target else ""
    return text.encode("utf-8", "replace").translate(None, _LINE_BREAKS)
