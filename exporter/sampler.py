"""Background sampling of sources that are too slow, or too far away, to be asked during a scrape.

Every source has a thread of its own, so a slow one delays no other. It tells after each sample how long to wait for
the next (30 s when all is well, 10 s in trouble). A scrape takes the last good sample and knows its age.
"""

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from chassis.logs import event

log = logging.getLogger(__name__)

Value = TypeVar("Value")

#: How long the first scrape may wait for first samples: long enough for what answers, too short to miss a deadline.
SETTLE_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class Sample(Generic[Value]):
    """What a source said, and when (wall-clock seconds)."""

    value: Value
    taken: float


@dataclass(slots=True)
class Source(Generic[Value]):
    """A source: *take* asks it and must not raise; *interval* gives the seconds until the next question.

    Attributes:
        name: for threads and logs.
        sample: the last sample; None before the first.
        turn_started: wall-clock seconds at which the running question was put; None between two.
        first: set once the source has answered or failed for the first time.
    """

    name: str
    take: Callable[[], Value]
    interval: Callable[[Value], float]
    wall: Callable[[], float] = time.time
    retry_seconds: float = 10.0
    sample: Sample[Value] | None = field(default=None, init=False)
    turn_started: float | None = field(default=None, init=False)
    first: threading.Event = field(default_factory=threading.Event, init=False)

    def turn(self) -> float:
        """Ask once and keep the answer; the seconds to wait before the next turn."""
        self.turn_started = self.wall()
        try:
            value = self.take()
        except Exception as error:  # noqa: BLE001 -- one of the four edges: one worker turn
            text = f"source failed: {type(error).__name__}: {error}"
            event(log, logging.ERROR, text, source=self.name)
            return self.retry_seconds
        else:
            self.sample = Sample(value, self.wall())
            return self.interval(value)
        finally:
            self.turn_started = None
            self.first.set()

    def age(self) -> float:
        """Seconds since the last sample; infinite before the first."""
        return float("inf") if self.sample is None else self.wall() - self.sample.taken

    def busy(self) -> float:
        """Seconds that the running question has been waiting for its answer; 0 between two."""
        started = self.turn_started
        return 0.0 if started is None else self.wall() - started


class Sampler:
    """Takes turns of sources until it is closed, each in its own thread."""

    def __init__(self) -> None:
        self._stopped = threading.Event()
        self._threads: list[threading.Thread] = []
        self._firsts: list[threading.Event] = []
        self._settled_by = time.monotonic() + SETTLE_SECONDS

    def start(self, source: Source[Value]) -> Source[Value]:
        """Begin to sample *source*, at once; gives it back."""
        thread = threading.Thread(target=self._work, args=(source,), name=f"source {source.name}", daemon=True)
        self._threads.append(thread)
        self._firsts.append(source.first)
        thread.start()
        return source

    def settle(self) -> None:
        """Wait for every source's first turn, until `SETTLE_SECONDS` after the start; later calls do not wait."""
        for first in self._firsts:
            first.wait(max(0.0, self._settled_by - time.monotonic()))

    def close(self, seconds: float = 1.0) -> bool:
        """Ask every thread to end and wait for all of them at most *seconds*; whether all have ended."""
        self._stopped.set()
        deadline = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self, source: Source[Value]) -> None:
        delay = 0.0
        while not self._stopped.wait(delay):
            delay = source.turn()
