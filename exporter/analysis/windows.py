"""Counts of the last minutes, from counts that only grow."""

from collections import deque
from collections.abc import Sequence

#: Of so many parts a window is made; it moves on by one at a time.
PARTS = 10


class Window:
    """What was counted in the last *seconds*, to a tenth; keeps at most eleven copies of the counts.

    *now* is always a clock in seconds that never goes back.
    """

    __slots__ = ("_kept", "_seconds")

    def __init__(self, seconds: float, size: int, now: float) -> None:
        self._seconds = seconds
        self._kept: deque[tuple[float, Sequence[int]]] = deque([(now, (0,) * size)], maxlen=PARTS + 1)

    def counts(self, totals: Sequence[int]) -> list[int]:
        """What was added to *totals* within the window."""
        return _difference(totals, self._kept[0][1])

    def before(self) -> list[int]:
        """The window without its last, unfinished part."""
        return _difference(self._kept[-1][1], self._kept[0][1])

    def recent(self, totals: Sequence[int]) -> list[int]:
        """What was added to *totals* since the last turn."""
        return _difference(totals, self._kept[-1][1])

    def turn(self, totals: Sequence[int], now: float) -> None:
        """End a part; what is older than the window is forgotten, all but the counts at its beginning."""
        self._kept.append((now, tuple(totals)))
        while len(self._kept) > 1 and self._kept[1][0] <= now - self._seconds:
            self._kept.popleft()


def _difference(after: Sequence[int], before: Sequence[int]) -> list[int]:
    return [new - old for new, old in zip(after, before, strict=True)]
