"""A process group: who lives in it, by `/proc`; watching its leader, and ending what is left of it.

Linux only: it uses pidfds and /proc.
"""

import contextlib
import os
import selectors
import signal
import threading
import time
from pathlib import Path
from typing import Self

import msgspec

from alert_handler.bounded_output import Output

#: Seconds to wait for a group to be gone after SIGKILL; only a process stuck in the kernel takes longer.
KILL_SECONDS = 2.0

_POLL_SECONDS = 0.02
_READ = 64 * 1024


class Watch:
    """Reads a child's output and watches for its end. The child is not reaped: its pid cannot be given to another."""

    def __init__(self, pid: int, reader: int = -1) -> None:
        self.output = Output()
        self._pid = pid
        self._reader = reader
        self._pidfd = os.pidfd_open(pid)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._pidfd, selectors.EVENT_READ)
        if reader >= 0:
            self._selector.register(reader, selectors.EVENT_READ)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._selector.close()
        os.close(self._pidfd)

    def until(self, deadline: float) -> bool:
        """Read until the child has ended and its output is closed (True) or *deadline*, in monotonic time, passes."""
        while self._selector.get_map():
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self._turn(left)
        return True

    def _turn(self, seconds: float) -> None:
        ready = {key.fd for key, _ in self._selector.select(seconds)}
        if self._pidfd in ready:
            self._selector.unregister(self._pidfd)
        if self._reader in ready:
            chunk = os.read(self._reader, _READ)
            self.output.add(chunk)
            if not chunk:
                self._selector.unregister(self._reader)

    def end_group(self, grace: float) -> None:
        """TERM to what is left of the group, then KILL after *grace* seconds; read on, also its last words."""
        for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, KILL_SECONDS)):
            if not members(self._pid):
                break
            with contextlib.suppress(PermissionError):  # another user's (sudo): who waits for the leader tells
                os.killpg(self._pid, number)
            self._wait_until_gone(time.monotonic() + patience)
        self.until(time.monotonic() + _POLL_SECONDS)

    def _wait_until_gone(self, deadline: float) -> None:
        pause = threading.Event()
        while members(self._pid) and (now := time.monotonic()) < deadline:
            step = min(now + _POLL_SECONDS, deadline)
            if self.until(step):
                pause.wait(step - now)


def members(group: int) -> dict[int, int]:
    """The living processes (pid -> start time in clock ticks since boot) of a process group; zombies are dead."""
    pids = (int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdecimal())
    processes = ((pid, stat_of(pid)) for pid in pids)
    return {pid: found.start_ticks for pid, found in processes if found and found.group == group and found.alive}


class ProcessStat(msgspec.Struct, frozen=True):
    """What `/proc/PID/stat` says: state letter, process group, start time in clock ticks since boot."""

    state: str
    group: int
    start_ticks: int

    @property
    def alive(self) -> bool:
        """Whether it can still do something; a zombie has ended and waits to be reaped."""
        return self.state not in {"Z", "X"}


def stat_of(pid: int) -> ProcessStat | None:
    """The state of process *pid*, or None when there is none, or none that we may see (/proc with hidepid)."""
    try:
        line = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return None
    fields = line.rpartition(b")")[2].split()  # the name before it may hold anything, also ")"
    return ProcessStat(fields[0].decode(), int(fields[2]), int(fields[19]))
