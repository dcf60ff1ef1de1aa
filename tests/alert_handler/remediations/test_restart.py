import os
import signal
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from alert_handler import pid_file, process
from alert_handler.errors import RemediationRefused
from alert_handler.model import Outcome, Plan, Risk
from alert_handler.process import locked
from alert_handler.process_group import stat_of
from alert_handler.remediation import Limits
from alert_handler.remediations.restart import Restart, RestartConfig, RestartParams
from chassis import config_file

#: Writes its pid file, then lives; arguments: pid file, how to behave.
DAEMON = """
import os, signal, sys
behaviour = sys.argv[2] if len(sys.argv) > 2 else ""
if behaviour == "deaf":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if behaviour == "fork" and os.fork():
    os._exit(0)
with open(sys.argv[1] + ".new", "w") as file:
    file.write(f"{os.getpid()}\\n")
os.replace(sys.argv[1] + ".new", sys.argv[1])
if behaviour == "brief":
    sys.exit(3)
print("up", flush=True)
while True:
    signal.pause()
"""


def eventually(condition: Callable[[], bool], seconds: float = 10.0) -> bool:
    """Whether *condition* comes true within *seconds*."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not condition():
        if time.monotonic() > deadline:
            return False
        pause.wait(0.01)
    return True


class Machine:
    """A folder with a pid file, a daemon program, and tools on a PATH of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pid_file = folder / "shop.pid"
        self.lock = folder / "lock"
        self.program = self.tool("shop-daemon", f"#!{sys.executable} -S\n{DAEMON}")

    def tool(self, name: str, text: str) -> Path:
        """An executable file."""
        path = self.folder / "bin" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        path.chmod(stat.S_IRWXU)
        return path

    def start(self, *behaviour: str) -> list[str]:
        """The command that starts the daemon."""
        return [str(self.program), str(self.pid_file), *behaviour]

    def restart(self, **service: object) -> Restart:
        """A remediation for one service, `shop`."""
        document: dict[str, Any] = {"services": {"shop": service}}
        return Restart(config_file.decode(document, RestartConfig, "handler.yml"))

    def by_pid_file(self, *behaviour: str, **options: object) -> Restart:
        """A remediation for the daemon, with short times."""
        times = {"stop_timeout_seconds": 5, "settle_seconds": 0.05, "start_timeout_seconds": 10}
        return self.restart(pid_file=str(self.pid_file), start=self.start(*behaviour), **(times | options))

    def run(self, restart: Restart, plan: Plan | None = None, seconds: float = 30.0) -> Outcome:
        """The run of *plan* (default: one made now)."""
        return restart.run(plan or restart.plan(RestartParams("shop")), Limits(seconds, self.lock))

    def pid(self) -> int:
        """The number in the pid file, 0 if there is none."""
        return int(self.pid_file.read_text(encoding="ascii")) if self.pid_file.exists() else 0


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Machine]:
    """A machine whose daemon is ended after the test."""
    monkeypatch.setenv("PATH", f"{tmp_path}/bin:/usr/bin:/bin")
    machine = Machine(tmp_path)
    yield machine
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and str(machine.program).encode() in command_line(entry):
            os.kill(int(entry.name), signal.SIGKILL)


def command_line(process_folder: Path) -> list[bytes]:
    """The arguments of a process, none when it is gone."""
    try:
        return (process_folder / "cmdline").read_bytes().split(b"\0")
    except OSError:
        return []


def test_pid_file_restart_replaces_the_process(machine: Machine) -> None:
    """The old process is gone, a new one lives in a session of its own, and the pid file names it."""
    restart = machine.by_pid_file()
    assert machine.run(restart).summary == "none was running; shop runs again"
    first = machine.pid()
    plan = restart.plan(RestartParams("shop"))
    assert plan.steps[0] == f"TERM to process {first}, KILL after 5 s"
    outcome = machine.run(restart, plan)
    assert (outcome.status, outcome.summary) == ("succeeded", f"process {first} ended by SIGTERM; shop runs again")
    assert machine.pid() not in {0, first}
    assert os.getsid(machine.pid()) == machine.pid()
    assert stat_of(first) is None


def test_pid_file_restart_kills_a_deaf_process(machine: Machine) -> None:
    """TERM that is ignored is followed by KILL."""
    restart = machine.by_pid_file("deaf", stop_timeout_seconds=0.2)
    machine.run(restart)
    assert "ended by SIGKILL; shop runs again" in machine.run(restart).summary


def test_pid_file_restart_of_a_daemon_that_forks(machine: Machine) -> None:
    """A start command that returns leaves its daemon, which the pid file names."""
    restart = machine.by_pid_file("fork")
    assert [machine.run(restart).status for _ in range(2)] == ["succeeded", "succeeded"]
    assert eventually(lambda: stat_of(machine.pid()) is not None)


def test_restarted_daemon_holds_nothing_of_the_handler(machine: Machine) -> None:
    """No lock, no socket, no pipe: standard streams only."""
    log = machine.folder / "daemon.log"
    leak = os.open(machine.folder / "leak", os.O_RDWR | os.O_CREAT)
    os.set_inheritable(leak, True)
    assert machine.run(machine.by_pid_file(log_file=str(log))).status == "succeeded"
    os.close(leak)
    held = {str(link.readlink()) for link in Path(f"/proc/{machine.pid()}/fd").iterdir()}
    assert held == {"/dev/null", str(log)}
    assert log.read_text(encoding="ascii") == "up\n"
    assert not process.still_running(machine.lock)


def test_restarted_daemon_survives_the_handlers_death(machine: Machine) -> None:
    """A handler that is killed right after the restart takes nothing with it."""
    code = (
        "import os, signal, sys; from pathlib import Path\n"
        "from alert_handler.remediation import Limits\n"
        "from alert_handler.remediations.restart import Restart, RestartConfig, RestartParams, Service\n"
        "service = Service(pid_file=sys.argv[2], start=tuple(sys.argv[1:3]), settle_seconds=0)\n"
        "restart = Restart(RestartConfig({'shop': service}))\n"
        "print(restart.run(restart.plan(RestartParams('shop')), Limits(20, Path(sys.argv[3]))).status, flush=True)\n"
        "os.killpg(0, signal.SIGKILL)"
    )
    argv = [sys.executable, "-c", code, *machine.start(), str(machine.lock)]
    project = Path(process.__file__).parents[1]
    handler = subprocess.run(argv, cwd=project, capture_output=True, check=False, start_new_session=True)
    assert (handler.stdout, handler.returncode) == (b"succeeded\n", -signal.SIGKILL)
    assert pid_file.find(machine.pid_file, machine.start()) is not None


def test_start_that_ends_at_once_has_failed(machine: Machine) -> None:
    """A daemon that dies during start is told with its exit code."""
    outcome = machine.run(machine.by_pid_file("brief", settle_seconds=30, log_file=str(machine.folder / "log")))
    assert outcome.status == "failed"
    assert "exit code 3" in outcome.summary or "did not live for" in outcome.summary


def test_start_without_pid_file_has_failed(machine: Machine) -> None:
    """A program that does not write its pid file cannot be watched: said, not guessed."""
    restart = machine.restart(
        pid_file=str(machine.pid_file), start=["sleep", "5"], start_timeout_seconds=0.2, settle_seconds=0
    )
    assert machine.run(restart).summary.endswith("shop.pid names no living process of it in time")


def test_start_under_another_name_is_told(machine: Machine) -> None:
    """A pid file that names something else than the declared program leaves a doubt, which is told at once."""
    script = f"{' '.join(machine.start())} & wait"
    restart = machine.restart(
        pid_file=str(machine.pid_file), start=["sh", "-c", script], start_timeout_seconds=1, settle_seconds=0
    )
    assert "which may not be the service: left alone" in machine.run(restart).summary


def test_start_that_cannot_be_started_has_failed(machine: Machine) -> None:
    """A missing program is told with its name."""
    restart = machine.restart(pid_file=str(machine.pid_file), start=["/no/such/program"])
    assert machine.run(restart).summary == (
        "none was running; /no/such/program cannot be started: No such file or directory"
    )


def test_start_that_does_not_settle_has_failed(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Alive at first is not enough: it must live through the settling."""
    monkeypatch.setattr(pid_file, "alive", lambda _running: False)
    assert "it did not live for 0.05 s" in machine.run(machine.by_pid_file()).summary


def test_run_out_of_time_after_the_stop_is_told(machine: Machine) -> None:
    """When ending the old process takes all the time, people read that nothing runs now."""
    restart = machine.by_pid_file("deaf")
    machine.run(restart)
    outcome = machine.run(restart, seconds=0.2)
    assert (outcome.status, outcome.summary.endswith("no time left to start it again")) == ("timed_out", True)


@pytest.mark.parametrize("error", [PermissionError(1, "Operation not permitted"), TimeoutError("it cannot be killed")])
def test_process_that_cannot_be_ended_is_left(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    """Another user's process, or one stuck in the kernel: told, and nothing is started beside it."""

    def refuse(_running: object, _patience: float) -> str:
        raise error

    restart = machine.by_pid_file()
    machine.run(restart)
    first = machine.pid()
    monkeypatch.setattr(pid_file, "end", refuse)
    outcome = machine.run(restart)
    assert (outcome.status, machine.pid()) == ("failed", first)
    assert outcome.summary == f"process {first} cannot be ended: {error.strerror or error}"


def test_run_does_nothing_when_the_process_is_another_one(machine: Machine) -> None:
    """Somebody else restarted it after the plan: then the plan is void."""
    restart = machine.by_pid_file()
    machine.run(restart)
    plan = restart.plan(RestartParams("shop"))
    machine.run(restart)
    second = machine.pid()
    outcome = machine.run(restart, plan)
    assert (outcome.status, machine.pid()) == ("failed", second)
    assert outcome.summary == "the service or its declaration changed since the plan; nothing was done"


@pytest.mark.parametrize("change", [{"digest": "0"}, {"remediation": "cleanup"}, {"payload": msgspec.Raw(b"{}")}])
def test_run_changed_plan_does_nothing(machine: Machine, change: dict[str, object]) -> None:
    """Only the sealed plan of this declaration is run."""
    restart = machine.by_pid_file()
    outcome = machine.run(restart, restart.plan(RestartParams("shop")).evolve(**change))
    assert (outcome.status, machine.pid()) == ("failed", 0)


def test_run_gives_way_to_another_handler(machine: Machine) -> None:
    """Two handlers never restart under one lock; an undeclared target fails too."""
    restart = machine.by_pid_file()
    plan = restart.plan(RestartParams("shop"))
    with locked(machine.lock):
        assert "another run still holds" in machine.run(restart, plan).summary
    assert "no service 'other' is declared" in machine.run(restart, plan.evolve(target="other")).summary


def test_stale_pid_of_another_process_is_never_signalled(machine: Machine) -> None:
    """A pid file that names a stranger, here an old sleep, is refused; the stranger lives."""
    stranger = subprocess.Popen(["/bin/sleep", "60"])
    assert eventually(lambda: Path(f"/proc/{stranger.pid}/cmdline").read_bytes() != b"")
    machine.pid_file.write_text(str(stranger.pid), encoding="ascii")
    with pytest.raises(RemediationRefused, match=r"\(/bin/sleep 60\), which may not be the service: left alone"):
        machine.by_pid_file().plan(RestartParams("shop"))
    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


@pytest.mark.parametrize(
    ("service", "argv"),
    [
        ({"systemd": "shop@1.service"}, "systemctl restart -- shop@1.service"),
        ({"docker": "shop_1", "stop_timeout_seconds": 7}, "docker restart --time 7 -- shop_1"),
    ],
)
def test_systemd_and_docker_run_exactly_the_planned_command(
    machine: Machine, service: dict[str, Any], argv: str
) -> None:
    """The tool gets the planned words, as many as planned, and only the environment meant for it."""
    seen = machine.folder / "seen"
    machine.tool(argv.split(maxsplit=1)[0], f'#!/bin/sh\nfor a in "$0" "$@"; do echo "${{a##*/}}"; done > {seen}\n')
    restart = machine.restart(**service)
    plan = restart.plan(RestartParams("shop"))
    assert plan.steps == (argv,)
    outcome = machine.run(restart, plan)
    assert outcome.status == "succeeded"
    assert outcome.summary.startswith("shop restarted: exit code 0")
    assert seen.read_text(encoding="ascii").splitlines() == argv.split()


def test_docker_host_reaches_docker_only(machine: Machine) -> None:
    """The Docker client is told where its daemon (or a restricted proxy of it) is."""
    for tool in ("docker", "systemctl"):
        machine.tool(tool, '#!/bin/sh\necho "host=$DOCKER_HOST"\n')
    services = {"a": {"docker": "a"}, "b": {"systemd": "b"}}
    document = {"services": services, "docker_host": "tcp://127.0.0.1:2375"}
    restart = Restart(config_file.decode(document, RestartConfig, "handler.yml"))
    outputs = [restart.run(restart.plan(RestartParams(name)), Limits(10, machine.lock)).output for name in services]
    assert outputs == ["host=tcp://127.0.0.1:2375\n", "host=\n"]


def test_command_that_fails_or_hangs_is_told(machine: Machine) -> None:
    """The exit code and the output, or the deadline."""
    machine.tool("systemctl", "#!/bin/sh\necho Unit shop.service not found.; exit 5\n")
    outcome = machine.run(machine.restart(systemd="shop"))
    assert (outcome.status, outcome.output) == ("failed", "Unit shop.service not found.\n")
    machine.tool("systemctl", "#!/bin/sh\nexec sleep 60\n")
    assert machine.run(machine.restart(systemd="shop"), seconds=0.3).status == "timed_out"


def test_missing_tool_is_told(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """No systemd here: the outcome says so."""
    monkeypatch.setenv("PATH", str(machine.folder))
    assert "systemctl cannot be started: No such file" in machine.run(machine.restart(systemd="shop")).summary


def test_stop_and_start_commands_run_in_order(machine: Machine) -> None:
    """A stop that says no (it was dead) does not keep it from being started; what start leaves behind lives on."""
    trace = machine.folder / "trace"
    stop = ["sh", "-c", f"echo stop >> {trace}; echo was dead; exit 1"]
    start = ["sh", "-c", f"echo start >> {trace}; {' '.join(machine.start())} & exit 0"]
    restart = machine.restart(stop=stop, start=start)
    assert [step.split()[0] for step in restart.plan(RestartParams("shop")).steps] == ["sh", "sh"]
    outcome = machine.run(restart)
    assert (outcome.status, trace.read_text(encoding="ascii")) == ("succeeded", "stop\nstart\n")
    assert "was dead" in outcome.output
    assert eventually(lambda: pid_file.find(machine.pid_file, machine.start()) is not None)
    assert not process.still_running(machine.lock)


@pytest.mark.parametrize(("stop", "words"), [(["sleep", "60"], "ran out of time"), (["/no/such"], "No such file")])
def test_stop_that_hangs_or_is_missing_ends_the_restart(machine: Machine, stop: list[str], words: str) -> None:
    """Nothing is started beside something half dead."""
    restart = machine.restart(stop=stop, start=["touch", str(machine.folder / "started")], stop_timeout_seconds=0.2)
    outcome = machine.run(restart)
    assert (outcome.status, (machine.folder / "started").exists()) == ("failed", False)
    assert words in outcome.summary
    assert outcome.summary.endswith("start was not tried")


@pytest.mark.parametrize(
    ("service", "words"),
    [
        ({}, "give exactly one of systemd, docker, .*: it has none"),
        ({"systemd": "a", "docker": "b"}, "it has systemd and docker"),
        ({"systemd": "a", "start": ["b"]}, "systemd takes no start command"),
        ({"pid_file": "/run/a.pid"}, "pid_file needs a start command"),
        ({"stop": ["a"]}, "stop needs a start command"),
        ({"start": ["a"]}, "it has none"),
        ({"systemd": "-shop"}, "no name of a service unit"),
        ({"systemd": "shop*"}, "no name of a service unit"),
        ({"systemd": "reboot.target"}, "no name of a service unit"),
        ({"docker": "shop;id"}, "no name of a container"),
        ({"pid_file": "run/a.pid", "start": ["a"]}, "pid_file: 'run/a.pid' is no absolute path"),
        ({"stop": ["a"], "start": ["b"], "directory": "x"}, "directory: 'x' is no absolute path"),
        ({"stop": ["bin/a"], "start": ["b"]}, "'bin/a' is neither an absolute path nor a name"),
        ({"stop": ["a\0"], "start": ["b"]}, "without NUL"),
        ({"stop": [""], "start": ["b"]}, "the program first"),
        ({"stop": "a b", "start": ["b"]}, "expected `array`"),
        ({"systemd": "a", "settle_seconds": -1}, "settle_seconds"),
        ({"sistemd": "a"}, 'unknown key .sistemd. \\(did you mean "systemd"\\?\\)'),
    ],
)
def test_config_that_is_no_single_usable_way_is_refused(service: dict[str, Any], words: str) -> None:
    """Each mistake is a configuration error that names its place."""
    with pytest.raises(config_file.ConfigInvalid, match=rf"handler.yml: services.*{words}"):
        config_file.decode({"services": {"shop": service}}, RestartConfig, "handler.yml")


def test_config_odd_service_name_is_refused() -> None:
    """A name that no playbook could write is a mistake."""
    with pytest.raises(config_file.ConfigInvalid, match="the service name 'a b'"):
        config_file.decode({"services": {"a b": {"systemd": "x"}}}, RestartConfig, "handler.yml")


def test_plan_carries_the_declared_risk(machine: Machine) -> None:
    """A service that must not be restarted by itself says so."""
    assert machine.restart(systemd="shop").plan(RestartParams("shop")).risk is Risk.SAFE
    assert machine.restart(systemd="shop", risk="major").plan(RestartParams("shop")).risk is Risk.MAJOR


def test_plan_of_another_kind_is_refused(machine: Machine) -> None:
    """Parameters of another remediation are no parameters."""
    with pytest.raises(RemediationRefused, match="not those of restart"):
        machine.restart(systemd="shop").plan(RestartConfig())
