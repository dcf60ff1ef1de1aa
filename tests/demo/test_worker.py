import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.configs import ROOT
from demo.processes import command_line, stop_process
from demo.vitals import living_pid
from demo.waiting import until

WORKER = [sys.executable, "-I", str(ROOT / "demo" / "worker.py")]


@pytest.fixture
def pid_file(tmp_path: Path) -> Iterator[Path]:
    """A pid file's path; whoever it names in the end is ended."""
    path = tmp_path / "worker.pid"
    yield path
    pid = living_pid(path)
    if pid is not None:
        stop_process(pid, str(path))


def test_worker_detached_lives_on_in_a_session_of_its_own(pid_file: Path) -> None:
    """The starting command ends at once; the worker has its own session and none of the starter's files."""
    with pid_file.with_name("held.txt").open("w") as held:
        subprocess.run([*WORKER, "--detach", "--pid-file", pid_file], check=True, pass_fds=[held.fileno()])
    pid = until(lambda: living_pid(pid_file), "the worker", 10)
    assert os.getsid(pid) != os.getsid(0)
    files = until(lambda: sorted(path.name for path in Path(f"/proc/{pid}/fd").iterdir()), "its open files", 10)
    assert files == ["0", "1", "2"]


def test_worker_told_to_stop_removes_its_pid_file(pid_file: Path) -> None:
    """SIGTERM is a tidy end."""
    with subprocess.Popen([*WORKER, "--pid-file", pid_file]) as worker:
        until(pid_file.exists, "the pid file", 10)
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(10) == 0
    assert not pid_file.exists()


def test_worker_ledger_holds_a_line_before_the_worker_is_up(pid_file: Path) -> None:
    """The ledger counts starts that were begun: its line is there while the command still lingers."""
    ledger = pid_file.with_name("ledger")
    argv = [*WORKER, "--pid-file", pid_file, "--ledger", ledger, "--linger", "600"]
    with subprocess.Popen(argv) as starting:
        until(ledger.exists, "the ledger", 10)
        assert not pid_file.exists()
        starting.kill()
    assert len(ledger.read_text(encoding="utf-8").splitlines()) == 1


def test_worker_command_names_its_pid_file(pid_file: Path) -> None:
    """Whoever ends a worker by its pid file recognises it by its command line."""
    subprocess.run([*WORKER, "--detach", "--pid-file", pid_file], check=True)
    pid = until(lambda: living_pid(pid_file), "the worker", 10)
    assert str(pid_file) in command_line(pid)
