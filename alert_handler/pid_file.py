"""Daemons known by a pid file: is it really that process, and how to end it.

A pid file can be stale and its number given to another process, so a number alone is never signalled. The process must
run exactly the declared command, or be the declared program and older than the file's last change: whoever wrote the
file was then alive already under this number. A process that is neither, and younger than the file, only has a
recycled number. Everything else is in doubt and left to people. Signals go through a pidfd opened before the check.
"""

import os
import select
import signal
import stat
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from alert_handler.process_group import KILL_SECONDS, members, stat_of
from chassis.logs import clean

#: Clocks of process starts tick in 1/100 s, and boot time is rounded: seconds within which "older" is believed.
SLACK_SECONDS = 2.0

_MAX_BYTES = 64
_MAX_PID = 2**22
_POLL_SECONDS = 0.02
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_TICKS = os.sysconf("SC_CLK_TCK")


class Doubt(Exception):
    """The pid file does not say for certain which process is meant; the message says why."""


class Running(msgspec.Struct, frozen=True):
    """A process, surely the same one as long as both numbers are: start in clock ticks since boot."""

    pid: int
    start_ticks: int


def find(pid_file: Path, command: Sequence[str], program: str = "") -> Running | None:
    """The living daemon that *pid_file* names, or None when there is none.

    *command* is what starts it; *program* is the file name of what then runs, if that is not the command's.

    Raises:
        Doubt: the file holds no pid, or names a process that may or may not be the daemon.
    """
    noted = _noted(pid_file)
    if noted is None:
        return None
    pid, written_at = noted
    process = stat_of(pid)
    if process is None and _is_hidden(pid):
        raise Doubt(f"{pid_file} names process {pid}, which we may not look at (hidepid): left alone")
    if process is None or not process.alive:
        return None
    running = Running(pid, process.start_ticks)
    shown = _command_line(pid)
    if _ends_with(shown, command):
        return running
    older = _started_at(running) <= written_at + SLACK_SECONDS
    same = (program or Path(command[0]).name) in _names_of(pid, shown)
    if older and same:
        return running
    if older or same:
        raise Doubt(f"{pid_file} names process {pid} ({_words(shown)}), which may not be the service: left alone")
    return None


def _noted(pid_file: Path) -> tuple[int, float] | None:
    """The number in the file and when it was written; None when there is no file or nothing in it."""
    try:
        descriptor = os.open(pid_file, _READ)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Doubt(f"{pid_file} cannot be read: {error.strerror}") from error
    try:
        status = os.fstat(descriptor)
        text = os.read(descriptor, _MAX_BYTES).strip() if stat.S_ISREG(status.st_mode) else b"no file"
    finally:
        os.close(descriptor)
    if not text:
        return None
    if not text.isdigit() or int(text) > _MAX_PID or int(text) in {0, 1, os.getpid(), os.getppid()}:
        raise Doubt(f"{pid_file} holds no id of a service's process")
    return int(text), status.st_mtime


def _is_hidden(pid: int) -> bool:
    """Whether *pid* exists although /proc does not show it to us."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return stat_of(pid) is None


def _command_line(pid: int) -> list[str]:
    try:
        line = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return []
    return [os.fsdecode(part) for part in line.rstrip(b"\0").split(b"\0")]


def _ends_with(shown: Sequence[str], command: Sequence[str]) -> bool:
    """Whether the whole *command* runs; an interpreter may stand before it (`#!`)."""
    return len(shown) >= len(command) and list(shown[-len(command) :]) == list(command)


def _names_of(pid: int, shown: Sequence[str]) -> set[str]:
    """The file names under which a process could be known: its program, and what it says it is."""
    names = {Path(part).name for part in shown[:2]}
    try:
        names.add(Path(f"/proc/{pid}/exe").readlink().name.removesuffix(" (deleted)"))
    except OSError:  # another user's process: its own words must do
        return names
    return names


def _started_at(running: Running) -> float:
    """Unix time of the process' start, by the clock as it is now."""
    booted = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)
    return booted + running.start_ticks / _TICKS


def _words(shown: Sequence[str]) -> str:
    return clean(" ".join(shown))[:120] or "no command line"


def alive(running: Running) -> bool:
    """Whether exactly this process still lives."""
    process = stat_of(running.pid)
    return process is not None and process.alive and process.start_ticks == running.start_ticks


def end(running: Running, patience: float) -> str:
    """TERM to *running*, KILL after *patience* seconds; gives what it took, in words.

    KILL goes to its whole group if it leads one. Processes of its group that outlive it are killed too.

    Raises:
        PermissionError: it is another user's.
        TimeoutError: it cannot be killed.
    """
    try:
        pidfd = os.pidfd_open(running.pid)
    except ProcessLookupError:
        return "it was gone already"
    try:
        if not alive(running):
            return "it was gone already"
        group = members(running.pid)
        signal.pidfd_send_signal(pidfd, signal.SIGTERM)
        deadline, how = time.monotonic() + patience, "ended by SIGTERM"
        if not _gone(pidfd, patience):
            how = _kill(running, pidfd, leads=running.pid in group)
            deadline = time.monotonic() + KILL_SECONDS
        left = {pid: ticks for pid, ticks in group.items() if pid != running.pid}
        return how + _end_workers(left, deadline)
    except ProcessLookupError:
        return "it was gone already"
    finally:
        os.close(pidfd)


def _gone(pidfd: int, seconds: float) -> bool:
    watch = select.poll()
    watch.register(pidfd, select.POLLIN)
    return bool(watch.poll(max(0.0, seconds) * 1000))


def _kill(running: Running, pidfd: int, *, leads: bool) -> str:
    if leads:  # it lives, so its number still names its group
        os.killpg(running.pid, signal.SIGKILL)
    else:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)
    if not _gone(pidfd, KILL_SECONDS):
        raise TimeoutError(f"process {running.pid} cannot be killed")
    return "ended by SIGKILL"


def _end_workers(workers: Mapping[int, int], deadline: float) -> str:
    """Wait for *workers* (pid -> start) until *deadline*, then kill them one by one."""
    pause = threading.Event()
    while left := [worker for worker in workers.items() if alive(Running(*worker))]:
        if time.monotonic() >= deadline:
            return f", {sum(_kill_one(Running(*worker)) for worker in left)} processes of its group by SIGKILL"
        pause.wait(_POLL_SECONDS)
    return ""


def _kill_one(worker: Running) -> bool:
    try:
        pidfd = os.pidfd_open(worker.pid)
    except ProcessLookupError:
        return False
    try:
        if alive(worker):
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
        return _gone(pidfd, KILL_SECONDS)
    finally:
        os.close(pidfd)
