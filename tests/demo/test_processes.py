import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.processes import Child, command_line, free_ports, stop_process
from demo.waiting import until


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[Child]:
    """A process that starts another one in its group, says so, and sleeps."""
    child = Child("sleeper", ["sh", "-c", "sleep 600 & echo $!; wait"], tmp_path / "sleeper.log")
    child.start()
    until(lambda: child.log.read_text(encoding="utf-8").strip(), "its first line", 10)
    yield child
    child.stop(signal.SIGKILL)


def test_child_stop_ends_the_whole_group(sleeper: Child) -> None:
    """What a process started goes with it."""
    grandchild = int(sleeper.last_lines())
    sleeper.stop()
    assert sleeper.exit_code() is None
    until(lambda: not command_line(grandchild), "the grandchild's end", 10)


def test_child_that_ended_tells_its_exit_code_and_last_words(tmp_path: Path) -> None:
    """A guilty process is named with its own words."""
    child = Child("guilty", ["sh", "-c", "echo no such file >&2; exit 3"], tmp_path / "guilty.log")
    child.start()
    assert until(child.exit_code, "its end", 10) == 3
    assert child.last_lines() == "no such file"


def test_child_start_again_appends_to_its_log(tmp_path: Path) -> None:
    """A restart keeps what was written before."""
    child = Child("twice", ["echo", "once"], tmp_path / "twice.log")
    for _ in range(2):
        child.start()
        until(lambda: child.exit_code() is not None, "its end", 10)
    assert child.last_lines() == "once\nonce"


def test_child_not_started_has_no_memory_and_no_words(tmp_path: Path) -> None:
    """A child that never ran answers all the same."""
    child = Child("never", ["true"], tmp_path / "never.log")
    child.stop()
    assert (child.pid, child.resident_bytes(), child.last_lines()) == (0, 0, "(it wrote nothing)")


def test_free_ports_are_different_and_free() -> None:
    """Every port can be bound at once."""
    ports = free_ports(8)
    assert len(set(ports)) == 8
    with socket.socket() as one:
        one.bind(("127.0.0.1", ports[0]))


def test_stop_process_without_the_mark_touches_nobody() -> None:
    """A process id that another program has by now is left alone."""
    with subprocess.Popen(["sleep", "600"]) as other:
        assert not stop_process(other.pid, "/no/such/folder")
        assert other.poll() is None
        other.kill()


def test_stop_process_ends_a_process_that_leads_no_group() -> None:
    """A daemon is no leader of its group; it is ended all the same."""
    argv = [sys.executable, "-c", "import time; time.sleep(600)", "mark-of-this-test"]
    with subprocess.Popen(argv) as other:
        assert os.getpgid(other.pid) != other.pid
        until(lambda: "mark-of-this-test" in command_line(other.pid), "its command line", 10)
        assert stop_process(other.pid, "mark-of-this-test")
        assert other.wait(10) == -signal.SIGTERM
