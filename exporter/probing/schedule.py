"""The own schedule: one thread, one engine, every target at its own time.

A target's first run is put at a fixed place in its interval, made from its name, so that 1,000 targets spread over
the interval and stay where they are after a restart.
"""

import heapq
import logging
import math
import threading
import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

from chassis.logs import event
from exporter.probing.attempt import Attempt
from exporter.probing.engine import Alarm, Loop, Task
from exporter.probing.resolving import Resolver
from exporter.probing.run import Run
from exporter.probing.targets import Wanted

log = logging.getLogger(__name__)

#: A start that comes later than this counts as delayed.
LATE_SECONDS = 1.0
_LONGEST_WAIT_SECONDS = 60.0


@dataclass(slots=True, eq=False)
class Slot:
    """A target on the schedule and how it went.

    Attributes:
        due: monotonic seconds of the next run.
        runs: runs that are over.
        failures: those that failed.
        last: the last run; None before the first.
        ended: Unix seconds at which it ended.
        expiry: Unix seconds at which a certificate of its chain ends, as last seen; 0 before one was.
        removed: it is no longer wanted.
    """

    wanted: Wanted
    due: float
    runs: int = 0
    failures: int = 0
    last: Attempt | None = None
    ended: float = 0.0
    expiry: float = 0.0
    removed: bool = False


#: Monotonic and wall clock, both in seconds.
Clocks = tuple[Callable[[], float], Callable[[], float]]
CLOCKS: Clocks = (time.monotonic, time.time)

#: Told of every run that is over.
Listener = Callable[[Slot, Attempt], None]


class Schedule:
    """Runs targets until it is closed; *listener* is called in its thread, at most *most* probes run at once.

    Attributes:
        delayed: runs that began over `LATE_SECONDS` late.
        slots: by target and module.
    """

    def __init__(self, resolver: Resolver, most: int, listener: Listener, clocks: Clocks = CLOCKS) -> None:
        monotonic, self._wall = clocks
        self.delayed = 0
        self.slots: dict[tuple[str, str], Slot] = {}
        self._resolver = resolver
        self._most = most
        self._listener = listener
        self._loop = Loop(monotonic)
        self._alarm = Alarm(self._loop)
        self._queue: list[tuple[float, int, Slot]] = []
        self._order = count()
        self._running = 0
        self._lock = threading.Lock()
        self._ordered: Sequence[Wanted] | None = None
        self._guests: list[Callable[[Loop], Task[None]]] = []
        self._stopped = False
        self._thread: threading.Thread | None = None

    def replace(self, wanted: Sequence[Wanted]) -> None:
        """Probe these targets from now on; those that were there before keep their place and counts."""
        with self._lock:
            self._ordered = wanted
            if wanted:
                self._begin()
        self._alarm.ring()

    def serve(self, task: Callable[[Loop], Task[None]]) -> None:
        """Run a task of somebody else's in the thread too, from now on."""
        with self._lock:
            self._guests.append(task)
            self._begin()
        self._alarm.ring()

    def close(self) -> None:
        """End the thread and every probe that runs; a second time changes nothing."""
        with self._lock:
            if self._stopped:
                return
            self._stopped = True
            thread = self._thread
        self._alarm.ring()
        if thread is None:
            self._end()
        else:
            thread.join(1.0)

    def turn(self) -> None:
        """Take new orders, start what is due, and wait for whatever comes next."""
        self._take_orders()
        self._start_due()
        self._loop.turn(self._until_next())

    def _begin(self) -> None:
        """Start the thread, unless it runs or has ended."""
        if self._thread is None and not self._stopped:
            self._thread = threading.Thread(target=self._work, name="source probes", daemon=True)
            self._thread.start()

    def _work(self) -> None:
        self._loop.start(self._alarm.listen(), math.inf, lambda _: None)
        while not self._stopped:
            self.turn()
        self._end()

    def _end(self) -> None:
        self._loop.close()
        self._alarm.close()

    def _until_next(self) -> float:
        """Seconds until a target is due that may start."""
        if not self._queue or self._running >= self._most:
            return _LONGEST_WAIT_SECONDS
        return min(_LONGEST_WAIT_SECONDS, max(0.0, self._queue[0][0] - self._loop.now()))

    def _take_orders(self) -> None:
        with self._lock:
            wanted, self._ordered = self._ordered, None
            guests, self._guests = self._guests, []
        for guest in guests:
            self._loop.start(guest(self._loop), math.inf, lambda _: None)
        if wanted is None:
            return
        before, now = self.slots, self._loop.now()
        slots: dict[tuple[str, str], Slot] = {}
        for one in wanted:
            known = before.get(one.key)
            same = known is not None and known.wanted.interval == one.interval
            if known is not None and same:
                known.wanted = one
                slots[one.key] = known
            else:
                slots[one.key] = slot = Slot(one, first_due(one, now))
                self._put(slot)
        for key, slot in before.items():
            slot.removed = slots.get(key) is not slot
        self.slots = slots

    def _put(self, slot: Slot) -> None:
        heapq.heappush(self._queue, (slot.due, next(self._order), slot))

    def _start_due(self) -> None:
        now = self._loop.now()
        while self._queue and self._queue[0][0] <= now and self._running < self._most:
            slot = heapq.heappop(self._queue)[2]
            if not slot.removed:
                self.delayed += now - slot.due > LATE_SECONDS
                self._start(slot)
                now = self._loop.now()

    def _start(self, slot: Slot) -> None:
        run = Run(self._loop, self._resolver)
        self._running += 1

        def done(error: BaseException | None) -> None:
            self._running -= 1
            run.attempt.finish(self._loop.now(), error)
            self._finished(slot, run.attempt)

        self._loop.start(slot.wanted.plan(run), run.attempt.began + slot.wanted.timeout, done)

    def _finished(self, slot: Slot, attempt: Attempt) -> None:
        before, slot.last = slot.last, attempt
        slot.ended = self._wall()
        slot.runs += 1
        slot.failures += not attempt.ok
        if attempt.tls is not None:
            slot.expiry = attempt.tls.earliest_expiry
        now = self._loop.now()
        missed = max(0, int((now - slot.due) / slot.wanted.interval))
        slot.due += (missed + 1) * slot.wanted.interval
        if not slot.removed:
            self._put(slot)
        if (before is None or before.ok) != attempt.ok:
            _tell(slot, attempt)
        self._listener(slot, attempt)
        attempt.forget()


def first_due(wanted: Wanted, now: float) -> float:
    """When the target is run first: its place in the interval after *now* (monotonic seconds)."""
    place = zlib.crc32("\0".join(wanted.key).encode("utf-8", "surrogatepass")) / 2**32 * wanted.interval
    return now + (place - now) % wanted.interval


def _tell(slot: Slot, attempt: Attempt) -> None:
    """Log that a target went down or came back."""
    target, module = slot.wanted.key
    level = logging.INFO if attempt.ok else logging.WARNING
    text = "target is up again" if attempt.ok else f"target is down: {attempt.detail}"
    event(log, level, text, target=target, module=module, reason=attempt.reason or "none")
