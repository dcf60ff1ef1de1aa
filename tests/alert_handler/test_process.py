import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from alert_handler import process, process_group
from alert_handler.bounded_output import MAX_OUTPUT
from alert_handler.process import Command, Daemon, LockTaken, Result, launch, locked, run, run_starter
from alert_handler.process_group import stat_of

Run = Callable[..., Result]


@pytest.fixture
def lock_file(tmp_path: Path) -> Path:
    """Where a run's lock would be."""
    return tmp_path / "attempt.lock"


@pytest.fixture
def execute(lock_file: Path) -> Run:
    """Runs a shell script (as a program under test) with a short grace."""

    def execute(script: str, *arguments: str, seconds: float = 20.0, grace: float = 0.2, **options: object) -> Result:
        argv = ("/bin/sh", "-c", script, "sh", *arguments)
        with locked(lock_file) as lock:
            return run(Command(argv=argv, grace_seconds=grace, **options), seconds, lock)  # type: ignore[arg-type]

    return execute


@pytest.fixture
def started() -> Iterator[list[Daemon]]:
    """Daemons to be ended after the test."""
    daemons: list[Daemon] = []
    yield daemons
    for daemon in daemons:
        if daemon.ended() is None:
            os.killpg(daemon.pid, signal.SIGKILL)
        assert daemon.ended(10) is not None


def eventually(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Whether *condition* comes true within *seconds*."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            return False
        pause.wait(0.01)
    return True


def alive(pid: int) -> bool:
    """Whether a process lives (a zombie does not)."""
    found = stat_of(pid)
    return found is not None and found.alive


def pid_in(file: Path) -> int:
    """The pid that a script wrote to *file*."""
    return int(file.read_text(encoding="ascii"))


def test_run_tells_exit_code_and_merged_output(execute: Run) -> None:
    """Both streams come in order of writing, the exit code is the program's."""
    result = execute("echo one; echo two >&2; exit 3")
    assert (result.exit_code, result.output, result.ok) == (3, "one\ntwo\n", False)
    assert result.text.startswith("exit code 3 after ")


def test_run_passes_arguments_untouched(execute: Run) -> None:
    """No byte of an argument is interpreted on its way."""
    hostile = ["; touch /tmp/x", "$(id)", "`id`", "a\nb", "*", "-rf", "'\"\\", "\u202eevil"]
    result = execute('for a in "$@"; do printf "%s|" "$a"; done', *hostile)
    assert result.output == "|".join(hostile).replace("\u202e", "\\u202e") + "|"


def test_run_reports_a_signal_by_name(execute: Run) -> None:
    """A program that is killed has no exit code but a signal."""
    result = execute("kill -SEGV $$")
    assert (result.exit_code, result.signal, result.ok) == (None, "SIGSEGV", False)
    assert "ended by SIGSEGV" in result.text


def test_signal_name_unknown_number_is_told_as_number() -> None:
    """Real-time signals have no name in Python."""
    assert process._signal_name(50) == "signal 50"


def test_run_gives_a_reduced_environment(execute: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the listed variables and the given extras are seen; a token in ours is not."""
    monkeypatch.setenv("API_TOKEN", "canary")
    monkeypatch.delenv("PATH")
    result = execute("env", env={"EXTRA": "1"})
    names = {line.partition("=")[0] for line in result.output.splitlines()}
    assert names <= {*process.ENVIRONMENT, "EXTRA", "PWD", "SHLVL", "_", "OLDPWD"}
    assert {"EXTRA", "PATH"} <= names


def test_run_gives_nothing_on_standard_input_and_no_descriptor_but_the_lock(execute: Run, tmp_path: Path) -> None:
    """Even an inheritable descriptor of ours is closed; the lock file is the only extra one."""
    leak = os.open(tmp_path / "leak", os.O_RDWR | os.O_CREAT)
    os.set_inheritable(leak, True)
    own = os.dup(0)
    os.dup2(leak, 0)
    result = execute("cat; for f in /proc/self/fd/*; do readlink $f; done")
    os.dup2(own, 0)
    os.close(own)
    os.close(leak)
    assert "leak" not in result.output
    assert result.output.count("attempt.lock") == 1
    assert "/dev/null" in result.output


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        ((), "an empty command"),
        (("/no/such/program",), "/no/such/program cannot be started: No such file or directory"),
        (("/etc/passwd",), "/etc/passwd cannot be started: Permission denied"),
        (("/bin/echo", "a\0b"), "/bin/echo cannot be started: embedded null byte"),
        (("no-such-program-here",), "no-such-program-here cannot be started: No such file or directory"),
    ],
)
def test_run_start_failure_is_a_result(argv: tuple[str, ...], words: str, lock_file: Path) -> None:
    """What cannot be started is told, not raised, and leaves no lock behind."""
    with locked(lock_file) as lock:
        result = run(Command(argv=argv), 5, lock)
    assert (result.error, result.text, result.ok) == (words, words, False)
    assert not process.still_running(lock_file)


def test_run_missing_directory_is_named(lock_file: Path) -> None:
    """The message says which file is missing."""
    with locked(lock_file) as lock:
        result = run(Command(argv=("/bin/true",), directory="/no/such/folder"), 5, lock)
    assert result.error == "/bin/true cannot be started: No such file or directory (/no/such/folder)"


def test_run_without_time_starts_nothing(execute: Run, tmp_path: Path) -> None:
    """A deadline that is over starts nothing."""
    result = execute(f"touch {tmp_path}/started", seconds=0)
    assert (result.error, (tmp_path / "started").exists()) == ("no time left: nothing was started", False)


def test_run_keeps_the_first_and_last_output_and_counts_the_rest(execute: Run) -> None:
    """Of a long output both ends are kept, together at most 64 KiB, with the number of missing bytes."""
    result = execute("i=0; while [ $i -lt 20000 ]; do echo line-$i; i=$((i+1)); done")
    head, _, rest = result.output.partition("\n[... ")
    missing, _, tail = rest.partition(" bytes left out ...]\n")
    assert head.startswith("line-0\n")
    assert tail.endswith("line-19999\n")
    assert len(head) + len(tail) <= MAX_OUTPUT
    assert len(head) + int(missing) + len(tail) == sum(len(f"line-{i}\n") for i in range(20000))


def test_run_hides_secrets_and_control_characters(execute: Run) -> None:
    """A known secret, an obvious one and terminal escapes do not get through."""
    result = execute(r'printf "canary-1 password=hunter2\n\033[31mred\a"', secrets=("canary-1",))
    assert result.output == "<redacted> password=<redacted>\n\\x1b[31mred\\x07"


def test_run_deadline_ends_the_whole_group(execute: Run, tmp_path: Path) -> None:
    """A child and a grandchild that both ignore TERM are gone after the deadline and its grace."""
    script = f"trap '' TERM; (sh -c 'echo $$ > {tmp_path}/pid; sleep 60; sleep 60') & echo up; sleep 60; sleep 60"
    result = execute(script, seconds=0.5)
    assert (result.timed_out, result.signal, result.output) == (True, "SIGKILL", "up\n")
    assert result.text.startswith("ran out of time, ended by SIGKILL")
    assert not alive(pid_in(tmp_path / "pid"))


def test_run_deadline_lets_a_program_end_itself(execute: Run) -> None:
    """TERM comes first; a program that tidies up may do so, and is late all the same."""
    result = execute("trap 'echo tidy; exit 0' TERM; echo up; sleep 60 & wait", seconds=0.5, grace=10)
    assert (result.exit_code, result.timed_out, result.ok) == (0, True, False)
    assert result.output.endswith("tidy\n")


def test_run_ends_what_holds_the_output_when_the_leader_is_gone(execute: Run, tmp_path: Path) -> None:
    """A background child that keeps the output open is waited for until the deadline, then ended."""
    result = execute(f"sleep 60 & echo $! > {tmp_path}/pid; exit 0", seconds=0.5)
    assert (result.exit_code, result.timed_out) == (0, True)
    assert not alive(pid_in(tmp_path / "pid"))


def test_run_ends_silent_leftovers_at_once(execute: Run, tmp_path: Path) -> None:
    """A background child that closed its output does not survive the end of its leader."""
    result = execute(f"sleep 60 >/dev/null 2>&1 & echo $! > {tmp_path}/pid; exit 0")
    assert (result.exit_code, result.timed_out) == (0, False)
    assert not alive(pid_in(tmp_path / "pid"))


def test_run_ends_a_stopped_group(execute: Run) -> None:
    """A stopped process cannot act on TERM and is killed."""
    result = execute("kill -STOP $$", seconds=0.3, grace=0.1)
    assert (result.timed_out, result.signal) == (True, "SIGKILL")


def test_run_that_cannot_be_killed_is_told(execute: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """When even KILL is refused (another user's process), the run ends and says so instead of waiting for ever."""
    real = os.killpg

    def refuse(_group: int, _number: int) -> None:
        raise PermissionError

    monkeypatch.setattr(os, "killpg", refuse)
    for module in (process, process_group):
        monkeypatch.setattr(module, "KILL_SECONDS", 0.1)
    result = execute("echo $$; exec sleep 60", seconds=0.3, grace=0.1)
    real(int(result.output), signal.SIGKILL)
    assert result.error == f"process {int(result.output)} cannot be killed"
    assert eventually(lambda: stat_of(int(result.output)) is None)


def test_locked_refuses_a_second_run(lock_file: Path) -> None:
    """Two runs never hold one lock file."""
    with locked(lock_file), pytest.raises(LockTaken, match="another run still holds"), locked(lock_file):
        pass
    with locked(lock_file):
        assert process.still_running(lock_file)


def test_locked_names_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    """A missing folder or a symbolic link in place of the lock is refused."""
    with pytest.raises(LockTaken, match="cannot be opened: No such file"), locked(tmp_path / "none" / "lock"):
        pass
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(LockTaken, match="cannot be opened"), locked(tmp_path / "link"):
        pass


def test_still_running_without_a_lock_file_is_false(tmp_path: Path) -> None:
    """No lock file: nothing was started."""
    assert process.still_running(tmp_path / "none") is False


def test_still_running_sees_a_child_after_its_handler_was_killed(lock_file: Path, tmp_path: Path) -> None:
    """A kill -9 of the handler leaves its action running, and the next handler sees exactly that."""
    code = (
        "import sys; from pathlib import Path; from alert_handler.process import Command, locked, run\n"
        "with locked(Path(sys.argv[1])) as lock: run(Command(argv=('sh', '-c', sys.argv[2])), 60, lock)"
    )
    script = f"echo $$ > {tmp_path}/pid.new; mv {tmp_path}/pid.new {tmp_path}/pid; exec sleep 60"
    handler = subprocess.Popen([sys.executable, "-c", code, lock_file, script], cwd=Path(process.__file__).parents[1])
    assert eventually((tmp_path / "pid").exists)
    handler.kill()
    handler.wait()
    assert process.still_running(lock_file)
    os.kill(pid_in(tmp_path / "pid"), signal.SIGKILL)
    assert eventually(lambda: not process.still_running(lock_file))


def test_run_starter_leaves_its_daemon_without_lock_or_pipe(tmp_path: Path, lock_file: Path) -> None:
    """The daemon stays, can go on writing, and holds neither the lock nor a pipe that would kill it."""
    daemon = f"echo started; while [ ! -e {tmp_path}/stop ]; do echo beat; sleep 0.05; done; echo end > {tmp_path}/end"
    with locked(lock_file):
        result = run_starter(Command(argv=("sh", "-c", f"({daemon}) & echo parent; exit 0")), 20)
    assert result.ok
    assert "parent\n" in result.output
    assert not process.still_running(lock_file)
    (tmp_path / "stop").touch()
    assert eventually((tmp_path / "end").exists)


def test_run_starter_output_is_bounded(tmp_path: Path) -> None:
    """Beyond 64 KiB a writer gets an error; memory does not grow."""
    result = run_starter(Command(argv=("sh", "-c", f"yes 2>{tmp_path}/err; exit 0")), 20)
    assert (result.exit_code, len(result.output)) == (0, MAX_OUTPUT)
    assert "not permitted" in (tmp_path / "err").read_text(encoding="utf-8")


def test_run_starter_that_does_not_return_is_ended() -> None:
    """A start command that stays in the foreground is late and gone."""
    result = run_starter(Command(argv=("sleep", "60"), grace_seconds=0.1), 0.3)
    assert (result.timed_out, result.signal) == (True, "SIGTERM")
    assert run_starter(Command(argv=("/no/such",)), 5).error.startswith("/no/such cannot be started")


def test_launch_starts_a_session_of_its_own(started: list[Daemon], tmp_path: Path, lock_file: Path) -> None:
    """A daemon leads its own session, writes to its log, and holds none of our descriptors."""
    log = tmp_path / "daemon.log"
    with locked(lock_file), socket_inheritable() as port:
        daemon = launch(Command(argv=("sh", "-c", "echo up; exec sleep 60")), str(log))
        assert isinstance(daemon, Daemon)
        started.append(daemon)
        assert port not in [link.name for link in Path(f"/proc/{daemon.pid}/fd").iterdir()]
    assert os.getsid(daemon.pid) == daemon.pid
    assert eventually(lambda: log.read_text(encoding="utf-8") == "up\n")
    assert not process.still_running(lock_file)
    assert daemon.ended() is None


class socket_inheritable:  # noqa: N801 -- reads as a context manager
    """An inheritable descriptor with a high number, as a careless library would leave it."""

    def __enter__(self) -> str:
        self._fd = fcntl.fcntl(0, fcntl.F_DUPFD, 200)
        os.set_inheritable(self._fd, True)
        return str(self._fd)

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)


def test_launch_reaps_and_tells_the_exit_code(started: list[Daemon]) -> None:
    """A daemon that ends at once is no zombie, and its exit code is known."""
    daemon = launch(Command(argv=("sh", "-c", "exit 7")))
    assert isinstance(daemon, Daemon)
    started.append(daemon)
    assert daemon.ended(10) == 7
    assert stat_of(daemon.pid) is None


def test_launch_failures_are_results(tmp_path: Path) -> None:
    """A missing program and an impossible log file are told."""
    missing = launch(Command(argv=("/no/such",)))
    no_log = launch(Command(argv=("true",)), str(tmp_path / "none" / "log"))
    assert isinstance(missing, Result)
    assert isinstance(no_log, Result)
    assert "No such file" in missing.error
    assert "none/log cannot be opened: No such file" in no_log.error
