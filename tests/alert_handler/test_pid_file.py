import os
import select
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from alert_handler import pid_file
from alert_handler.pid_file import Doubt, Running, alive, end, find
from alert_handler.process_group import members, stat_of

Sleeper = subprocess.Popen[bytes]


@pytest.fixture
def sleeper() -> Iterator[Sleeper]:
    """A process that does nothing, once it shows its command line (a moment after its start)."""
    child = subprocess.Popen(["/bin/sleep", "60"])
    pause = threading.Event()
    while not Path(f"/proc/{child.pid}/cmdline").read_bytes():
        pause.wait(0.001)
    yield child
    child.kill()
    child.wait()


def running(child: Sleeper) -> Running:
    """Who *child* is."""
    found = stat_of(child.pid)
    assert found
    return Running(child.pid, found.start_ticks)


def note(folder: Path, text: object, age: float = 0.0) -> Path:
    """A pid file with *text*, last changed *age* seconds ago."""
    file = folder / "daemon.pid"
    file.write_text(f"{text}\n", encoding="ascii")
    os.utime(file, (time.time() - age,) * 2)
    return file


def test_find_by_the_whole_command(sleeper: Sleeper, tmp_path: Path) -> None:
    """What runs exactly the declared command is the daemon, whenever the file was written."""
    assert find(note(tmp_path, sleeper.pid, age=1e6), ["/bin/sleep", "60"]) == running(sleeper)


def test_find_by_program_and_age(sleeper: Sleeper, tmp_path: Path) -> None:
    """What is the declared program and older than the file is the daemon, though it runs under other words."""
    assert find(note(tmp_path, sleeper.pid), ["/usr/sbin/sleep", "--daemon"]) == running(sleeper)
    assert find(note(tmp_path, sleeper.pid), ["/opt/start.sh"], "sleep") == running(sleeper)


def test_find_recycled_number_is_nobody(sleeper: Sleeper, tmp_path: Path) -> None:
    """A younger process of another program only has the number."""
    assert find(note(tmp_path, sleeper.pid, age=3600), ["/usr/sbin/shop"]) is None


@pytest.mark.parametrize(("command", "age"), [(["/usr/sbin/shop"], 0.0), (["/usr/bin/sleep", "61"], 3600.0)])
def test_find_half_a_match_is_a_doubt(sleeper: Sleeper, tmp_path: Path, command: list[str], age: float) -> None:
    """Old enough but another program, or the program but too young: people decide."""
    with pytest.raises(Doubt, match=r"names process \d+ \(/bin/sleep 60\), which may not be the service"):
        find(note(tmp_path, sleeper.pid, age), command)


@pytest.mark.parametrize("text", ["", "4194304"])
def test_find_nobody(tmp_path: Path, text: str) -> None:
    """An empty file or a free number: no daemon."""
    assert find(note(tmp_path, text), ["x"]) is None
    assert find(tmp_path / "none", ["x"]) is None


@pytest.mark.parametrize(
    "text",
    [
        "abc",
        "-1",
        "0",
        "1",
        "12 13",
        "4194305",
        "9" * 11,
        pytest.param(os.getpid(), id="own"),
        pytest.param(os.getppid(), id="parent"),
        "x" * 200,
    ],
)
def test_find_no_usable_number_is_a_doubt(tmp_path: Path, text: object) -> None:
    """Words, the init process and ourselves are never a service."""
    with pytest.raises(Doubt, match="holds no id"):
        find(note(tmp_path, text), ["x"])


def test_find_link_or_folder_as_pid_file_is_a_doubt(sleeper: Sleeper, tmp_path: Path) -> None:
    """A link in place of the pid file is not followed."""
    (tmp_path / "link").symlink_to(note(tmp_path, sleeper.pid))
    with pytest.raises(Doubt, match="cannot be read"):
        find(tmp_path / "link", ["/bin/sleep", "60"])
    with pytest.raises(Doubt, match="holds no id"):
        find(tmp_path, ["/bin/sleep", "60"])


def test_find_zombie_is_nobody(tmp_path: Path) -> None:
    """A process that ended but was not reaped is dead."""
    child = subprocess.Popen(["/bin/true"])
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert find(note(tmp_path, child.pid), ["/bin/true"]) is None
    child.wait()


def test_find_process_that_hides_its_program(sleeper: Sleeper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another user's program file cannot be read: its own words are taken."""

    def refuse(_path: Path) -> Path:
        raise PermissionError

    monkeypatch.setattr(Path, "readlink", refuse)
    assert find(note(tmp_path, sleeper.pid), ["/usr/sbin/sleep"]) == running(sleeper)


def test_find_process_that_may_not_be_seen_is_a_doubt(
    sleeper: Sleeper, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that /proc hides from us is not taken for dead: a second one would be started beside it."""
    file = note(tmp_path, sleeper.pid)
    monkeypatch.setattr(pid_file, "stat_of", lambda _pid: None)
    with pytest.raises(Doubt, match=r"which we may not look at \(hidepid\): left alone"):
        find(file, ["/bin/sleep", "60"])

    def refuse(_pid: int, _number: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "kill", refuse)
    with pytest.raises(Doubt, match="hidepid"):
        find(file, ["/bin/sleep", "60"])


def test_command_line_of_nobody_is_empty() -> None:
    """A process that vanished meanwhile has no words."""
    assert (pid_file._command_line(0), pid_file._words([])) == ([], "no command line")


def test_end_by_term(sleeper: Sleeper) -> None:
    """A process that obeys is ended by TERM."""
    assert end(running(sleeper), 10) == "ended by SIGTERM"
    assert sleeper.wait() == -signal.SIGTERM


def test_end_of_a_recycled_number_does_nothing(sleeper: Sleeper) -> None:
    """The same number with another start is another process."""
    stranger = Running(sleeper.pid, running(sleeper).start_ticks - 1)
    assert end(stranger, 0) == "it was gone already"
    assert end(Running(4194305, 0), 0) == "it was gone already"
    assert sleeper.poll() is None


def test_end_of_what_is_not_a_leader_kills_it_alone(sleeper: Sleeper) -> None:
    """A deaf process in our own group is killed alone: we and its neighbours live on."""
    deaf = subprocess.Popen(["sh", "-c", "trap '' TERM; echo; while :; do read x; done"], stdin=-1, stdout=-1)
    assert deaf.stdout
    deaf.stdout.readline()
    assert end(running(deaf), 0.1) == "ended by SIGKILL"
    deaf.communicate()
    assert sleeper.poll() is None


def test_end_kills_a_deaf_group() -> None:
    """A deaf leader goes with its whole group."""
    leader = family("trap '' TERM; (trap '' TERM; sleep 60) & echo; while :; do read x; done")
    assert end(running(leader), 0.1) == "ended by SIGKILL"
    leader.communicate()
    assert gone(leader.pid)


def test_end_kills_workers_that_outlive_their_leader() -> None:
    """Deaf workers of a leader that obeyed do not keep its port."""
    leader = family("(trap '' TERM; echo; exec sleep 60) & trap 'exit 0' TERM; while :; do read x; done")
    assert end(running(leader), 0.3) == "ended by SIGTERM, 1 processes of its group by SIGKILL"
    leader.communicate()
    assert gone(leader.pid)


def family(script: str) -> Sleeper:
    """A shell that leads a group of its own, once it has said that it is ready."""
    leader = subprocess.Popen(["sh", "-c", script], stdin=-1, stdout=-1, start_new_session=True)
    assert leader.stdout
    leader.stdout.readline()
    return leader


def gone(group: int) -> bool:
    """Whether nobody of *group* is left, soon."""
    pause, deadline = threading.Event(), time.monotonic() + 10
    while members(group) and time.monotonic() < deadline:
        pause.wait(0.01)
    return not members(group)


def test_kill_one_that_just_ended_is_not_counted() -> None:
    """A worker that is gone before it could be killed was not killed."""
    assert pid_file._kill_one(Running(4194305, 0)) is False


def test_end_what_cannot_be_killed_is_told(sleeper: Sleeper, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that survives KILL (stuck in the kernel) is a TimeoutError."""
    monkeypatch.setattr(signal, "pidfd_send_signal", lambda _pidfd, _number: None)
    monkeypatch.setattr(pid_file, "KILL_SECONDS", 0.05)
    with pytest.raises(TimeoutError, match="cannot be killed"):
        end(running(sleeper), 0.05)
    assert alive(running(sleeper))


def test_end_race_with_its_own_end(sleeper: Sleeper, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that ends between the check and the signal is gone, not an error."""

    def vanish(_pidfd: int, _number: int) -> None:
        raise ProcessLookupError

    monkeypatch.setattr(signal, "pidfd_send_signal", vanish)
    assert end(running(sleeper), 1) == "it was gone already"
    assert not select.select([], [], [], 0)[0]
