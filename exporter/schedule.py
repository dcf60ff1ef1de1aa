"""Many sources asked in the background by few threads, for what there may be a thousand of.

`exporter.sampler` gives every source a thread of its own. Here a heap knows which source is due when, and at most
*workers* threads take the turns; threads are hired as they are needed. One idle thread watches the clock, the others
sleep until it has left with a source, so a turn wakes one thread and not all. Sources that hang occupy workers, so
each must have a deadline of its own; when all workers are occupied the rest is late, and `late` says by how much.

All sources are asked at once at the start, so that the first scrape knows something. From then on they are spread over
their intervals: the second turn of each comes after 0.5 to 1.5 of them.
"""

import heapq
import threading
import time
from collections.abc import Callable
from typing import Any

from exporter.sampler import SETTLE_SECONDS, Source

#: Multiples of the golden section, without their whole part, are spread evenly however many there are.
_GOLDEN_SECTION = 0.6180339887498949


class Agenda:
    """Which source is due when (monotonic seconds); those that are due at one time come in the order of `put`."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Source[Any]]] = []
        self._entries = 0

    def put(self, source: Source[Any], due: float) -> bool:
        """Enter *source*; whether it is now the first that is due."""
        self._entries += 1
        heapq.heappush(self._heap, (due, self._entries, source))
        return self._heap[0][1] == self._entries

    def take(self, now: float) -> Source[Any] | None:
        """The source that has been due for longest; None where none is due at *now*."""
        if not self._heap or self._heap[0][0] > now:
            return None
        return heapq.heappop(self._heap)[2]

    def wait(self, now: float) -> float | None:
        """Seconds from *now* until a source is due; None where there is none."""
        return max(0.0, self._heap[0][0] - now) if self._heap else None

    def late(self, now: float) -> float:
        """Seconds for which the first source has been due at *now*."""
        return max(0.0, now - self._heap[0][0]) if self._heap else 0.0


class Schedule:
    """Takes turns of sources until it is closed, with at most *workers* threads, named after *name*."""

    def __init__(self, name: str, workers: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._workers = workers
        self._monotonic = monotonic
        self._agenda = Agenda()
        self._changed = threading.Condition()
        self._stopped = False
        self._watched = False
        self._threads: list[threading.Thread] = []
        self._busy = 0
        self._spread = 0.0
        self._firsts: list[threading.Event] = []
        self._settled_by = time.monotonic() + SETTLE_SECONDS

    def start(self, source: Source[Any]) -> None:
        """Begin to sample *source*, at once or as soon as a worker is free."""
        self._firsts.append(source.first)
        with self._changed:
            self._enter(source, self._monotonic())
            self._hire()

    def settle(self) -> None:
        """Wait for every source's first turn, until `SETTLE_SECONDS` after the start; later calls do not wait."""
        for first in self._firsts:
            first.wait(max(0.0, self._settled_by - time.monotonic()))

    def late(self) -> float:
        """Seconds for which a source has been waiting for a worker; 0 while the workers keep up."""
        with self._changed:
            return self._agenda.late(self._monotonic())

    def close(self, seconds: float = 1.0) -> bool:
        """Ask every thread to end and wait for all of them at most *seconds*; whether all have ended."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _enter(self, source: Source[Any], due: float) -> None:
        """Put *source* down; who watches the clock must hear of one that is due earlier."""
        if self._agenda.put(source, due):
            self._changed.notify_all()

    def _hire(self) -> None:
        """One more thread if all are occupied and there may be more."""
        if self._busy == len(self._threads) < self._workers and not self._stopped:
            name = f"source {self._name} {len(self._threads)}"
            thread = threading.Thread(target=self._work, name=name, daemon=True)
            self._threads.append(thread)
            thread.start()

    def _work(self) -> None:
        while (source := self._next()) is not None:
            started = self._monotonic()
            is_new = not source.first.is_set()
            delay = source.turn()
            with self._changed:
                self._busy -= 1
                self._enter(source, max(started + delay * self._factor(is_new=is_new), self._monotonic()))

    def _factor(self, *, is_new: bool) -> float:
        """What the interval of a turn is multiplied by: 1, except after the first turn."""
        if not is_new:
            return 1.0
        self._spread = (self._spread + _GOLDEN_SECTION) % 1
        return 0.5 + self._spread

    def _next(self) -> Source[Any] | None:
        """The next source that is due, once one is; None when the schedule has been closed."""
        with self._changed:
            while not self._stopped:
                now = self._monotonic()
                source = self._agenda.take(now)
                if source is not None:
                    self._busy += 1
                    self._hire()
                    self._changed.notify()
                    return source
                self._sleep(self._agenda.wait(now))
            return None

    def _sleep(self, seconds: float | None) -> None:
        """Watch the clock for *seconds* if nobody does, else until it is one's turn to."""
        if self._watched:
            self._changed.wait()
            return
        self._watched = True
        self._changed.wait(seconds)
        self._watched = False
