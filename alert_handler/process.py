"""The process runner: programs as argv lists, in a process group of their own, within a deadline.

No shell, ever. A child gets a reduced environment, nothing on standard input, and none of the handler's descriptors
except the locked lock file, which stays locked for as long as any process of the run lives: so a handler that was
killed and started again sees that its predecessor's action still runs (`still_running`). At the end of a run nothing
of its process group is left, whichever of its processes ended first. A process that leaves the group (`setsid`) is not
hunted, but it still holds the lock.

Starting failures are results, not exceptions. Linux only: it uses pidfds and /proc.
"""

import contextlib
import fcntl
import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Self

import msgspec

from alert_handler.redaction import known_lines, readable, redact

#: What of the handler's own environment a child may see.
ENVIRONMENT = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LANGUAGE",
    "LC_ALL",
    "LC_CTYPE",
    "LC_MESSAGES",
    "TZ",
    "TMPDIR",
)

#: Used when the handler itself was started without one.
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

#: Bytes of output kept: the first and the last half of it.
MAX_OUTPUT = 64 * 1024

#: Seconds to wait for a group to be gone after SIGKILL; only a process stuck in the kernel takes longer.
KILL_SECONDS = 2.0

_POLL_SECONDS = 0.02
_READ = 64 * 1024


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """What to run. `secrets` are strings that must not show up in the output."""

    argv: tuple[str, ...]
    env: dict[str, str] = {}
    directory: str = "/"
    secrets: tuple[str, ...] = ()
    grace_seconds: float = 5.0


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """How a run ended. `exit_code` is None when it was not started or ended by `signal`; `error` says why."""

    exit_code: int | None = None
    signal: str = ""
    output: str = ""
    timed_out: bool = False
    seconds: float = 0.0
    error: str = ""

    @property
    def ok(self) -> bool:
        """Whether the program ran to its own end and said 0."""
        return self.exit_code == 0 and not self.timed_out and not self.error

    @property
    def text(self) -> str:
        """The ending in words, e.g. `exit code 3 after 0.2 s`."""
        if self.error:
            return self.error
        end = f"ended by {self.signal}" if self.signal else f"exit code {self.exit_code}"
        late = "ran out of time, " if self.timed_out else ""
        return f"{late}{end} after {self.seconds:.1f} s"


class LockTaken(Exception):
    """The lock file is held by another run, or cannot be opened."""


@contextlib.contextmanager
def locked(lock_file: Path) -> Iterator[int]:
    """The open, locked descriptor of *lock_file*, which is created when needed.

    Raises:
        LockTaken: a process of another run still holds it, or the file cannot be opened.
    """
    try:
        descriptor = os.open(lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise LockTaken(f"the lock file {lock_file} cannot be opened: {error.strerror}") from error
    try:
        if not _lock(descriptor):
            raise LockTaken(f"another run still holds {lock_file}")
        yield descriptor
    finally:
        os.close(descriptor)


def still_running(lock_file: Path) -> bool:
    """Whether a process of the run with this lock file is still alive."""
    try:
        descriptor = os.open(lock_file, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return False
    try:
        return not _lock(descriptor)
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def environment(extra: Mapping[str, str]) -> dict[str, str]:
    """The environment of a child: `ENVIRONMENT` of our own, plus *extra*."""
    own = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ}
    return {"PATH": DEFAULT_PATH} | own | dict(extra)


def run(command: Command, seconds: float, lock: int) -> Result:
    """Run *command* until all of its group has ended, at most *seconds*; *lock* is the descriptor from `locked`.

    The run ends when the program has ended and nobody holds its output any more; what is left of its group then, or
    at the deadline, gets TERM and, `grace_seconds` later, KILL.
    """
    started = time.monotonic()
    reader, writer = os.pipe2(os.O_CLOEXEC)
    try:
        child = _start(command, writer, seconds, (lock,))
    finally:
        os.close(writer)
    with _closing(reader):
        if isinstance(child, Result):
            return child
        with _Watch(child.pid, reader) as watch:
            timed_out = not watch.until(started + seconds)
            watch.end_group(command.grace_seconds)
            return _result(child, watch.output.text(command.secrets), timed_out=timed_out, started=started)


def run_starter(command: Command, seconds: float) -> Result:
    """Run a program that starts a daemon and returns; at the deadline its group is ended as `run` does.

    What it leaves behind is meant to stay: it is not ended, and it holds no lock. Its output goes to a sealed piece
    of memory, not to a pipe: a daemon that keeps writing there gets an error instead of a deadly SIGPIPE.
    """
    started = time.monotonic()
    with _closing(_sealed_memory()) as output:
        child = _start(command, output, seconds, ())
        if isinstance(child, Result):
            return child
        with _Watch(child.pid) as watch:
            timed_out = not watch.until(started + seconds)
            if timed_out:
                watch.end_group(command.grace_seconds)
        watch.output.add(os.pread(output, os.lseek(output, 0, os.SEEK_CUR), 0))
        return _result(child, watch.output.text(command.secrets), timed_out=timed_out, started=started)


class Daemon:
    """A program that outlives the handler. It is reaped when it ends before us, so that it never stays a zombie."""

    def __init__(self, child: subprocess.Popen[bytes]) -> None:
        self.pid = child.pid
        self._child = child
        self._ended = threading.Event()
        threading.Thread(target=self._reap, name=f"reap-{child.pid}", daemon=True).start()

    def _reap(self) -> None:
        self._child.wait()
        self._ended.set()

    def ended(self, seconds: float = 0.0) -> int | None:
        """Its exit code (negative: the signal) if it ends within *seconds*, else None."""
        return self._child.returncode if self._ended.wait(max(0.0, seconds)) else None


def launch(command: Command, log_file: str = os.devnull) -> Daemon | Result:
    """Start *command* as a daemon: own session, output appended to *log_file*, none of our descriptors, no lock.

    A `Result` is given instead when it cannot be started.
    """
    flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        log = os.open(log_file, flags, 0o640)
    except OSError as error:
        return Result(error=f"the log file {log_file} cannot be opened: {error.strerror}")
    with _closing(log):
        child = _start(command, log, 1.0, ())
    return child if isinstance(child, Result) else Daemon(child)


@contextlib.contextmanager
def _closing(descriptor: int) -> Iterator[int]:
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _sealed_memory() -> int:
    """A memory file of `MAX_OUTPUT` bytes that cannot grow."""
    descriptor = os.memfd_create("nightshift-output", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, MAX_OUTPUT)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK)
    return descriptor


def _start(command: Command, output: int, seconds: float, kept: tuple[int, ...]) -> subprocess.Popen[bytes] | Result:
    """Start *command* in a session of its own with nothing but *output* and *kept* open."""
    if not command.argv or seconds <= 0:
        return Result(error="no time left: nothing was started" if command.argv else "an empty command")
    try:
        return subprocess.Popen(
            list(command.argv),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment(command.env),
            cwd=command.directory,
            start_new_session=True,
            pass_fds=kept,
        )
    except (OSError, ValueError) as error:
        return Result(error=_why_not_started(command.argv[0], error))


def _why_not_started(program: str, error: OSError | ValueError) -> str:
    if not isinstance(error, OSError):
        return readable(f"{program} cannot be started: {error}")
    place = f" ({error.filename})" if error.filename not in {None, program} else ""
    return readable(f"{program} cannot be started: {error.strerror}{place}")


def _result(child: subprocess.Popen[bytes], output: str, *, timed_out: bool, started: float) -> Result:
    seconds = time.monotonic() - started
    try:
        code = child.wait(KILL_SECONDS)
    except subprocess.TimeoutExpired:  # stuck in the kernel (a dead disk, a hung mount) or not ours to kill
        Daemon(child)
        return Result(error=f"process {child.pid} cannot be killed", output=output, timed_out=True, seconds=seconds)
    return Result(
        exit_code=code if code >= 0 else None,
        signal="" if code >= 0 else _signal_name(-code),
        output=output,
        timed_out=timed_out,
        seconds=seconds,
    )


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


class _Output:
    """Keeps the first and the last half of `MAX_OUTPUT` bytes and counts the rest."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._tail = bytearray()
        self._total = 0

    def add(self, chunk: bytes) -> None:
        half = MAX_OUTPUT // 2
        self._total += len(chunk)
        room = half - len(self._head)
        self._head += chunk[:room]
        self._tail += chunk[room:]
        del self._tail[:-half]

    def text(self, secrets: Iterable[str]) -> str:
        """What is kept, redacted and readable, with a line that tells how much is missing.

        A cut can split a secret: the head loses the beginning of one, the tail everything before its first line end.
        """
        if len(self._head) + len(self._tail) == self._total:
            return readable(redact((self._head + self._tail).decode(errors="replace"), secrets))
        head = _without_torn_secret(self._head.decode(errors="replace"), secrets)
        tail = self._tail.partition(b"\n")[2]
        note = f"\n[... {self._total - len(self._head) - len(tail)} bytes left out ...]\n"
        return readable(redact(head, secrets)) + note + readable(redact(tail.decode(errors="replace"), secrets))


def _without_torn_secret(text: str, secrets: Iterable[str]) -> str:
    for secret in known_lines(secrets):
        torn = (size for size in range(len(secret) - 1, 0, -1) if text.endswith(secret[:size]))
        text = text[: len(text) - next(torn, 0)]
    return text


class _Watch:
    """Reads a child's output and watches for its end. The child is not reaped: its pid cannot be given to another."""

    def __init__(self, pid: int, reader: int = -1) -> None:
        self.output = _Output()
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
            with contextlib.suppress(PermissionError):  # another user's (sudo): told by `_result`
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
