"""A child process that is told something, answers one line, and is gone by the deadline with all that it started.

A browser puts itself into a process group of its own, so the group alone is not all. The child makes itself the parent
of its orphans (`PR_SET_CHILD_SUBREAPER`), so everything it started can be found below it for as long as it lives:
it is stopped first, then what is below it is killed until nothing is left, then it.
"""

import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from exporter.walks.message import Deadline

#: A longer answer is refused.
MAX_ANSWER_BYTES = 4 * 1024 * 1024
#: Seconds for the child to end by itself once it has answered.
_GRACE_SECONDS = 3.0
_ROUNDS = 50
#: What of our own environment the child may see.
_ENVIRONMENT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "TMPDIR", "XDG_RUNTIME_DIR", "FONTCONFIG_PATH")


def converse(argv: Sequence[str], question: bytes, deadline: Deadline) -> bytes:
    """The line that *argv* answers to *question*; empty if it ends without one.

    Raises:
        TimeoutError: there was none by the deadline.
        OSError: the program cannot be started.
    """
    asked = os.memfd_create("question")
    answer, writer = os.pipe2(os.O_CLOEXEC)
    try:
        os.write(asked, question)
        os.lseek(asked, 0, os.SEEK_SET)
        child = _start(argv, asked, writer)
    finally:
        os.close(asked)
        os.close(writer)
    patience = 0.0
    try:
        line = _line(answer, deadline)
        patience = _GRACE_SECONDS
        return line
    finally:
        os.close(answer)
        _end(child, patience)


def _start(argv: Sequence[str], stdin: int, stdout: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        argv, stdin=stdin, stdout=stdout, stderr=subprocess.DEVNULL, cwd="/", env=_environment(), start_new_session=True
    )


def _environment() -> Mapping[str, str]:
    return {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}


def _line(descriptor: int, deadline: Deadline) -> bytes:
    """What comes up to a line end, or the end of it all."""
    received = bytearray()
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    while b"\n" not in received and len(received) <= MAX_ANSWER_BYTES:
        if not poll.poll(deadline.left() * 1000):
            raise TimeoutError
        piece = os.read(descriptor, 65536)
        if not piece:
            break
        received += piece
    return bytes(received).partition(b"\n")[0] if b"\n" in received else b""


def _end(child: "subprocess.Popen[bytes]", patience: float) -> None:
    """Let the child end by itself for *patience* seconds, then end all of it."""
    try:
        child.wait(patience)
    except subprocess.TimeoutExpired:
        _kill(child.pid)
        child.wait()
    _signal(child.pid, signal.SIGKILL, group=True)


def _kill(pid: int) -> None:
    """Kill everything below *pid*, then it; stopped, it cannot start anything anew."""
    _signal(pid, signal.SIGSTOP)
    for _ in range(_ROUNDS):
        below = descendants(pid)
        if not below:
            break
        for victim in below:
            _signal(victim, signal.SIGKILL)
        time.sleep(0.01)
    _signal(pid, signal.SIGKILL)


def _signal(pid: int, number: int, *, group: bool = False) -> None:
    try:
        if group:
            os.killpg(pid, number)
        else:
            os.kill(pid, number)
    except ProcessLookupError:
        return


def descendants(pid: int) -> list[int]:
    """The living processes below *pid*; zombies are none."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            _, _, fields = (folder / "stat").read_text("utf-8", "replace").rpartition(") ")
        except OSError:
            continue
        state, parent = fields.split()[:2]
        if state != "Z":
            children.setdefault(int(parent), []).append(int(folder.name))
    found, todo = [], [pid]
    while todo:
        below = children.get(todo.pop(), [])
        found += below
        todo += below
    return found
