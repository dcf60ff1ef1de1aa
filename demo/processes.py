"""Child processes of the demo: each in a group of its own, with a log file, ended by its own id."""

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from demo.vitals import resident_bytes

STOP_SECONDS = 10.0


@dataclass
class Child:
    """One process of the stack. Its standard output and error go to `log`, appended over restarts."""

    name: str
    argv: Sequence[str]
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it, in a session of its own so that Ctrl-C reaches the runner alone.

        Raises:
            OSError: the program cannot be started.
        """
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **self.env},
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Process id, 0 before the first start."""
        return self.process.pid if self.process else 0

    def exit_code(self) -> int | None:
        """Exit code (negative: the signal) of a process that has ended, None while it runs."""
        return self.process.poll() if self.process else None

    def stop(self, number: int = signal.SIGTERM) -> None:
        """Ends the whole process group; after STOP_SECONDS with SIGKILL. Does nothing when it does not run."""
        if self.process is None:
            return
        _signal_group(self.process.pid, number)
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            _signal_group(self.process.pid, signal.SIGKILL)
            self.process.wait()
        # A child of the process may have outlived it in the group.
        _signal_group(self.process.pid, signal.SIGKILL)
        self.process = None

    def kill(self) -> None:
        """Kills this one process with SIGKILL, as the kernel does when memory is short; what it started lives on."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def resident_bytes(self) -> int:
        """Resident memory now; 0 when it does not run."""
        return resident_bytes(self.pid) if self.pid else 0

    def last_lines(self, count: int = 15) -> str:
        """The last lines that it wrote."""
        try:
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return "(it wrote nothing)"
        return "\n".join(lines[-count:]) or "(it wrote nothing)"


def free_ports(count: int) -> list[int]:
    """Gives free loopback ports, all different; nothing keeps them, so use them soon."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


def stop_process(pid: int, mark: str) -> bool:
    """Ends a process that is no child of ours, with its group; after STOP_SECONDS with SIGKILL.

    An id may be another program's by now, so only a process whose command line holds `mark` is touched; True then.
    """
    if mark not in command_line(pid):
        return False
    _signal(pid, signal.SIGTERM)
    pause, deadline = threading.Event(), time.monotonic() + STOP_SECONDS
    while mark in command_line(pid) and time.monotonic() < deadline:
        pause.wait(0.02)
    if mark in command_line(pid):
        _signal(pid, signal.SIGKILL)
    return True


def command_line(pid: int) -> str:
    """Gives the command line of a process, empty when it is gone."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return ""


def _signal_group(pid: int, number: int) -> None:
    """Sends a signal to the group that `pid` leads; a group that is gone is fine."""
    try:
        os.killpg(pid, number)
    except ProcessLookupError:
        return


def _signal(pid: int, number: int) -> None:
    """Sends a signal to a process, and to the group that it leads, if any; one that is gone is fine."""
    _signal_group(pid, number)
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return
