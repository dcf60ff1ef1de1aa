"""Puts together what one error wrote over several lines: stack traces of PHP, Python, Java, Node and Go.

Two ways: a log whose every entry begins alike (`starts`) goes by that; any other goes by the shape of the lines that
go on: frames, causes, what is indented. An event is bounded in lines and bytes; what is over is left out. One that
nothing follows is given after `PATIENCE_SECONDS`.
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from exporter.sources.log_levels import Level, level_guessed

MAX_LINES = 200
MAX_BYTES = 16 * 1024
#: Lines that may go on after the bound, before what goes on is taken for something else.
MAX_ABSORBED = 10_000
PATIENCE_SECONDS = 1.0

#: Goes on from whatever stands before it.
_GOES_ON = re.compile(
    r"[ \t]+\S|#\d+ |Stack trace:|Caused by: |Suppressed: |\.\.\. \d+ |During handling of the above exception"
    r"|The above exception was the direct cause|\[stacktrace\]|[})\]]+[;,]?$|thrown in |\^+$"
)
TRACEBACK = re.compile(r"\s*(?:\+ Exception Group )?Traceback \(most recent call last\):")
PYTHON_CHAIN = re.compile(r"During handling of the above exception|The above exception was the direct cause")
_GO = re.compile(r"panic: |fatal error: |goroutine \d+ \[")
_GO_GOES_ON = re.compile(
    r"goroutine \d+ |\S+\(.*\)$|created by |exit status |\[signal |\[recovered|runtime stack:|r\w+ "
)
NODE_PLACE = re.compile(r"(?:file://)?/\S+:\d+$|node:\S+:\d+$")
EXCEPTION = re.compile(r"(?:[A-Za-z_$][\w$]*[.\\:]{1,2})*(?:[A-Z][\w$]*)?(?:Error|Exception|Throwable|Failure|Exit)\b")
_NEXT = re.compile(r"Next \S+")
_NODE_END = re.compile(r"Node\.js v")


class Block(NamedTuple):
    """The lines of one event: the first, and what goes on from it."""

    head: str
    rest: tuple[str, ...] = ()


class Assembler:
    """Joins lines to blocks; *starts* tells the first line of an entry, None to go by shape.

    *monotonic* is the clock of patience, in seconds.
    """

    def __init__(self, starts: re.Pattern[str] | None = None, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._starts = starts
        self._monotonic = monotonic
        self._lines: list[str] = []
        self._bytes = 0
        self._absorbed = 0
        self._mode = ""
        self._gap = False
        self._fed = 0.0

    @property
    def open_lines(self) -> list[str]:
        """The lines of the event that may go on; a restart feeds them again."""
        return list(self._lines)

    def feed(self, lines: Iterable[str]) -> Iterator[Block]:
        """The events that *lines* complete, in order."""
        goes_on = self._goes_on if self._starts is None else self._is_inside
        self._fed = self._monotonic()
        for line in lines:
            if self._lines and goes_on(line):
                self._append(line)
                continue
            if self._lines:
                yield self._take()
            if line and not line.isspace():
                self._open(line)

    def overdue(self) -> Iterator[Block]:
        """The open event if nothing came for `PATIENCE_SECONDS`; also if the clock went back."""
        if self._lines and not 0 <= self._monotonic() - self._fed < PATIENCE_SECONDS:
            yield self._take()

    def _open(self, line: str) -> None:
        self._lines.append(line)
        self._bytes = len(line)
        if self._starts is None:
            self._mode = _mode_of(line)

    def _append(self, line: str) -> None:
        """Keep *line* as far as the bounds allow."""
        self._bytes += len(line) + 1
        if len(self._lines) < MAX_LINES and self._bytes <= MAX_BYTES:
            self._lines.append(line)
        else:
            self._absorbed += 1

    def _take(self) -> Block:
        """The open event, which is over."""
        block = Block(self._lines[0], tuple(self._lines[1:]))
        self._lines.clear()
        self._absorbed = 0
        self._mode = ""
        self._gap = False
        return block

    def _is_inside(self, line: str) -> bool:
        """Whether *line* is no first line; an entry without end is taken for lines without a head."""
        inside = len(self._lines) < MAX_LINES and self._bytes < MAX_BYTES
        return inside and not (self._starts and self._starts.match(line))

    def _goes_on(self, line: str) -> bool:
        """Whether *line* goes on from the open event, by its shape and by what came before."""
        if self._absorbed >= MAX_ABSORBED or line[:1].isdigit():
            return False
        if not line:
            self._gap = bool(self._mode)
            return self._gap
        gap, self._gap = self._gap, False
        if TRACEBACK.match(line):
            return self._traceback_goes_on()
        if self._mode and self._mode_goes_on(line, gap=gap):
            return True
        if not gap and _GOES_ON.match(line):
            return True
        return not self._mode and self._exception_goes_on(line)

    def _traceback_goes_on(self) -> bool:
        """Whether a traceback belongs to the open event: it is the next of a chain, or an error announced it."""
        belongs = self._mode == "chain" or (not self._mode and level_guessed(self._lines[0]) >= Level.ERROR)
        self._mode = "frames" if belongs else self._mode
        return belongs

    def _exception_goes_on(self, line: str) -> bool:
        """Whether *line* names the exception that the open event, an error of one line, is about."""
        belongs = (
            len(self._lines) == 1
            and EXCEPTION.match(line) is not None
            and EXCEPTION.match(self._lines[0]) is None
            and level_guessed(self._lines[0]) >= Level.ERROR
        )
        self._mode = "exception" if belongs else self._mode
        return belongs

    def _mode_goes_on(self, line: str, *, gap: bool) -> bool:
        """Whether *line*, perhaps after blank ones, goes on in the language that the event is written in."""
        if self._mode == "frames" and line[0] not in " \t":
            self._mode = "raised"  # this line is the exception
            return True
        if self._mode in ("frames", "raised") and PYTHON_CHAIN.match(line):
            self._mode = "chain"
            return True
        if self._mode == "go":
            return _GO_GOES_ON.match(line) is not None or (not gap and line[0] == "\t")
        if self._mode == "node":
            return EXCEPTION.match(line) is not None or _NODE_END.match(line) is not None
        return _NEXT.match(line) is not None


def _mode_of(line: str) -> str:
    """What the first line tells of the language of an event; empty where it tells nothing."""
    if TRACEBACK.match(line):
        return "frames"
    if _GO.match(line):
        return "go"
    if NODE_PLACE.match(line):
        return "node"
    return "exception" if "Exception" in line or "Uncaught" in line or "Error" in line else ""
