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
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import msgspec

from alert_handler.bounded_output import sealed_memory
from alert_handler.process_group import KILL_SECONDS, Watch
from chassis.redaction import readable

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
        with Watch(child.pid, reader) as watch:
            timed_out = not watch.until(started + seconds)
            watch.end_group(command.grace_seconds)
            return _result(child, watch.output.text(command.secrets), timed_out=timed_out, started=started)


def run_starter(command: Command, seconds: float) -> Result:
    """Run a program that starts a daemon and returns; at the deadline its group is ended as `run` does.

    What it leaves behind is meant to stay: it is not ended, and it holds no lock. Its output goes to a sealed piece
    of memory, not to a pipe: a daemon that keeps writing there gets an error instead of a deadly SIGPIPE.
    """
    started = time.monotonic()
    with _closing(sealed_memory()) as output:
        child = _start(command, output, seconds, ())
        if isinstance(child, Result):
            return child
        with Watch(child.pid) as watch:
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
