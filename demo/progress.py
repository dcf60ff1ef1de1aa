"""Says what happens: one line per step with the elapsed time, and on a terminal a live line of what is waited for."""

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TextIO

_SPIN = "|/-\\"
# A live line is redrawn this often at most.
_REDRAW_SECONDS = 0.1


@dataclass
class Progress:
    """Writes to `out`; the live line appears only on a terminal."""

    out: TextIO = field(default_factory=lambda: sys.stdout)
    clock: Callable[[], float] = time.monotonic
    _start: float = -1.0
    _drawn: float = -1.0
    _turn: int = 0

    def __post_init__(self) -> None:
        """Starts the clock."""
        self._start = self.clock()

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return self.clock() - self._start

    def step(self, text: str) -> None:
        """Writes one lasting line."""
        self._clear()
        self.out.write(f"[{self.elapsed:6.1f} s] {text}\n")
        self.out.flush()

    def text(self, text: str = "") -> None:
        """Writes lasting text without a time."""
        self._clear()
        self.out.write(text + "\n")
        self.out.flush()

    def waiting(self, text: str) -> None:
        """Shows what is waited for; on anything but a terminal this is silent."""
        if not self.out.isatty() or self.clock() - self._drawn < _REDRAW_SECONDS:
            return
        self._drawn = self.clock()
        self._turn += 1
        self.out.write(f"\r\x1b[2K[{self.elapsed:6.1f} s] {_SPIN[self._turn % len(_SPIN)]} {text}")
        self.out.flush()

    def _clear(self) -> None:
        """Takes the live line away."""
        if self._drawn >= 0 and self.out.isatty():
            self.out.write("\r\x1b[2K")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Gives a text table: the first column to the left, all others to the right."""
    columns = list(zip(head, *rows, strict=True))
    widths = [max(map(len, column)) for column in columns]
    ruler = "  ".join("-" * width for width in widths)
    lines = [_row(head, widths), ruler, *(_row(row, widths) for row in rows)]
    return "\n".join(lines)


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Gives one line of a table."""
    first = cells[0].ljust(widths[0])
    rest = (cell.rjust(width) for cell, width in zip(cells[1:], widths[1:], strict=True))
    return "  ".join([first, *rest]).rstrip()
