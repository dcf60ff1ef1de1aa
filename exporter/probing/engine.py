"""The engine of all probes: generators that wait for sockets, resumed by one `epoll` in one thread.

A prober reads as a straight line and gives up control with `yield`: nothing blocks, there is no thread per probe and
no event-loop framework (asyncio costs 10 MB more and twice the CPU). What a task yields is the latest monotonic time at
which it wants to be resumed, or None to wait for its sockets alone; it is sent whether something has come.
When its deadline passes, `TimeoutError` is raised inside it at the place where it waits.

Sockets are registered once, edge-triggered, for reading and writing. What the kernel reported is kept in
`Port.readable` and `Port.writable` until an operation finds the opposite.
"""

import heapq
import logging
import math
import select
import socket
import threading
import time
import traceback
from collections.abc import Callable, Generator
from itertools import count
from typing import TypeVar

from chassis.logs import event

log = logging.getLogger(__name__)

T = TypeVar("T")
#: A step of work that waits; its end gives a T.
Task = Generator[float | None, bool | None, T]
#: Called once when a task is over, with what ended it early (None: it came to its end).
Done = Callable[[BaseException | None], None]

_EVENTS = select.EPOLLIN | select.EPOLLOUT | select.EPOLLRDHUP | select.EPOLLET
_READABLE = select.EPOLLIN | select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
_WRITABLE = select.EPOLLOUT | select.EPOLLHUP | select.EPOLLERR
_BROKEN = select.EPOLLHUP | select.EPOLLERR
#: Timers of tasks that are over are swept out when they outnumber the others by this.
_STALE_TIMERS = 256


class Port:
    """A socket under the engine's eyes, and what it is known to be ready for."""

    __slots__ = ("broken", "job", "readable", "writable")

    def __init__(self, job: "Job") -> None:
        self.job = job
        self.readable = False
        self.writable = False
        self.broken = False


class Job:
    """A running task.

    Attributes:
        wake_at: when the task wants to be resumed at the latest.
        timer_at: the earliest timer that is set for it; it may ring too early, never too late.
    """

    __slots__ = ("deadline", "done", "task", "timer_at", "wake_at")

    def __init__(self, task: Task[None], deadline: float, done: Done) -> None:
        self.task: Task[None] | None = task
        self.deadline = self.wake_at = deadline
        self.timer_at = math.inf
        self.done = done


class Loop:
    """Runs tasks in the thread that calls `turn`; *monotonic* is its clock in seconds."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.now = monotonic
        self.running = 0
        self._epoll = select.epoll()
        self._ports: dict[int, Port] = {}
        self._timers: list[tuple[float, int, Job]] = []
        self._order = count()
        self._current: Job | None = None
        self._woken: list[Job] = []

    def start(self, task: Task[None], deadline: float, done: Done) -> None:
        """Begin *task*, which is given until *deadline*; *done* is called when it is over."""
        job = Job(task, deadline, done)
        self.running += 1
        self._resume(job, None)

    def watch(self, sock: socket.socket) -> Port:
        """Watch *sock* for the task that runs; it must be non-blocking.

        Raises:
            RuntimeError: no task runs.
        """
        if self._current is None:
            raise RuntimeError("only a task can watch a socket")
        port = self._ports[sock.fileno()] = Port(self._current)
        self._epoll.register(sock.fileno(), _EVENTS)
        return port

    def waker(self) -> Callable[[], None]:
        """What resumes the task that runs now, when another one calls it.

        Raises:
            RuntimeError: no task runs.
        """
        job = self._current
        if job is None:
            raise RuntimeError("only a task can be woken")
        return lambda: self._woken.append(job)

    def close_socket(self, sock: socket.socket) -> None:
        """Close *sock* and forget it; the kernel takes it out of the epoll by itself."""
        self._ports.pop(sock.fileno(), None)
        sock.close()

    def turn(self, longest: float) -> None:
        """Wait for sockets and timers, *longest* seconds at the most, and resume whose turn it is."""
        if self._timers:
            longest = min(longest, max(0.0, self._timers[0][0] - self.now()))
        for descriptor, events in self._epoll.poll(0.0 if self._woken else longest):
            port = self._ports.get(descriptor)
            if port is not None:
                port.readable |= bool(events & _READABLE)
                port.writable |= bool(events & _WRITABLE)
                port.broken |= bool(events & _BROKEN)
                self._resume(port.job, True)
        while self._woken:
            self._resume(self._woken.pop(), True)
        self._ring()

    def run(self, task: Task[None], deadline: float) -> BaseException | None:
        """Run *task* alone to its end; what ended it early, if anything."""
        ended: list[BaseException | None] = []
        self.start(task, deadline, ended.append)
        while not ended:
            self.turn(1.0)
        return ended[0]

    def close(self) -> None:
        """End every task where it stands, without calling its *done*."""
        for port in list(self._ports.values()):
            if port.job.task is not None:
                port.job.task.close()
        self._timers.clear()
        self._epoll.close()

    def _ring(self) -> None:
        """Resume the tasks whose time has come."""
        while self._timers and self._timers[0][0] <= self.now():
            at, _, job = heapq.heappop(self._timers)
            if job.task is None or at != job.timer_at:
                continue
            job.timer_at = math.inf
            if job.wake_at > at:
                self._set_timer(job)
            else:
                self._resume(job, False)
        if len(self._timers) > 2 * self.running + _STALE_TIMERS:
            self._timers = [entry for entry in self._timers if entry[2].task is not None]
            heapq.heapify(self._timers)

    def _set_timer(self, job: Job) -> None:
        if job.wake_at < job.timer_at:
            job.timer_at = job.wake_at
            heapq.heappush(self._timers, (job.wake_at, next(self._order), job))

    def _resume(self, job: Job, came: bool | None) -> None:  # noqa: FBT001 -- what the task is sent
        """Let *job* go on to its next wait; *came* is what it is told, None at its beginning."""
        task = job.task
        if task is None:
            return
        before, self._current = self._current, job
        try:
            if came is False and self.now() >= job.deadline:
                wake_at = task.throw(TimeoutError("the time is up"))
            else:
                wake_at = task.send(came)
        except StopIteration:
            self._end(job, None)
        except Exception as error:  # noqa: BLE001 -- one of the four edges: one worker turn
            self._end(job, error)
        else:
            job.wake_at = job.deadline if wake_at is None else min(wake_at, job.deadline)
            self._set_timer(job)
        finally:
            self._current = before

    def _end(self, job: Job, error: BaseException | None) -> None:
        job.task = None
        self.running -= 1
        try:
            job.done(error)
        except Exception as fault:  # noqa: BLE001 -- one of the four edges: one worker turn
            text = f"a probe's outcome could not be kept: {type(fault).__name__}: {fault}"
            event(log, logging.ERROR, text, traceback=traceback.format_exc())


class Alarm:
    """Ends a loop's wait from another thread."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._ours, self._theirs = socket.socketpair()
        self._ours.setblocking(False)
        self._theirs.setblocking(False)
        self._lock = threading.Lock()

    def ring(self) -> None:
        """End the wait; many rings count as one."""
        with self._lock:
            if self._theirs.fileno() < 0:
                return
            try:
                self._theirs.send(b"!")
            except BlockingIOError:
                return  # it has been rung and not been heard yet

    def close(self) -> None:
        """Give its sockets back; a later ring does nothing."""
        with self._lock:
            self._ours.close()
            self._theirs.close()

    def listen(self) -> Task[None]:
        """The task that hears it, for as long as the loop runs."""
        port = self._loop.watch(self._ours)
        while True:
            try:
                while self._ours.recv(4096):
                    pass
            except BlockingIOError:
                port.readable = False
            yield None
