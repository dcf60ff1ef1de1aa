"""Remediation `restart`: restart a declared service under systemd, Docker, a pid file, or by its own commands.

The plan shows the exact commands and the process that would be ended; the run does exactly that, or nothing when the
declaration or the process changed meanwhile. A crash in the middle is `unknown` and never repeated blindly. What is
started outlives the handler and holds none of its descriptors or locks.
"""

import re
import shlex
import threading
import time
from pathlib import Path
from typing import Annotated, ClassVar

import msgspec

from alert_handler import pid_file
from alert_handler.errors import RemediationRefused
from alert_handler.model import Outcome, Plan, Risk
from alert_handler.pid_file import Doubt, Running
from alert_handler.process import Command, Daemon, LockTaken, Result, launch, locked, run, run_starter
from alert_handler.remediation import Limits
from chassis.config_file import nearest
from chassis.logs import clean
from chassis.plugins import plugin

NAME = "restart"

_SERVICE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.:@-]{0,127}")
#: A service unit; restarting a target, mount or device unit is something else (reboot.target).
_UNIT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9:_.\\@-]{0,254}")
_OTHER_UNITS = re.compile(r".*\.(?:target|socket|mount|automount|device|swap|timer|path|slice|scope|snapshot)")
_CONTAINER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}")
_POLL_SECONDS = 0.02

Seconds = Annotated[float, msgspec.Meta(ge=0, le=3600)]


class Service(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How one service is restarted: exactly one of `systemd`, `docker`, `pid_file` + `start`, `stop` + `start`.

    A pid file's `start` runs the daemon itself, or something that ends with 0 once the daemon runs; the daemon writes
    the pid file. `program` is the file name of what then runs, if that is not the command's. A `start` beside a
    `stop` must return. Relative file names in commands are meant from `directory`.
    """

    systemd: str = ""
    docker: str = ""
    pid_file: str = ""
    stop: tuple[str, ...] = ()
    start: tuple[str, ...] = ()
    program: str = ""
    directory: str = "/"
    log_file: str = "/dev/null"
    stop_timeout_seconds: Seconds = 10.0
    start_timeout_seconds: Seconds = 10.0
    settle_seconds: Seconds = 1.0
    risk: Risk = Risk.SAFE

    def __post_init__(self) -> None:
        """Refuse what is not exactly one usable way (ValueError)."""
        ways = [name for name in ("systemd", "docker", "pid_file", "stop") if getattr(self, name)]
        if len(ways) != 1:
            told = f"it has {' and '.join(ways)}" if ways else "it has none"
            raise ValueError(f"give exactly one of systemd, docker, pid_file (with start), stop (with start): {told}")
        if bool(self.start) != (self.way in {"pid_file", "stop"}):
            raise ValueError(f"{self.way} {'takes no' if self.start else 'needs a'} start command")
        _check_names(self)
        for command in (self.stop, self.start):
            _check_command(command)
        for name in ("pid_file", "directory", "log_file"):
            path = getattr(self, name)
            if path and not (path.startswith("/") and path.isprintable()):
                raise ValueError(f"{name}: {path!r} is no absolute path")

    @property
    def way(self) -> str:
        """Which of the ways it is."""
        return next(name for name in ("systemd", "docker", "pid_file", "stop") if getattr(self, name))


def _check_names(service: Service) -> None:
    if service.systemd and (not _UNIT.fullmatch(service.systemd) or _OTHER_UNITS.fullmatch(service.systemd)):
        raise ValueError(f"systemd: {service.systemd!r} is no name of a service unit")
    if service.docker and not _CONTAINER.fullmatch(service.docker):
        raise ValueError(f"docker: {service.docker!r} is no name of a container")


def _check_command(command: tuple[str, ...]) -> None:
    if any("\0" in word for word in command) or command[:1] == ("",):
        raise ValueError("a command is a list of words without NUL, the program first")
    if command and "/" in command[0] and not command[0].startswith("/"):
        raise ValueError(f"the program {command[0]!r} is neither an absolute path nor a name to be found on PATH")


class RestartConfig(msgspec.Struct, frozen=True):
    """The declared services by name; `docker_host` is where the Docker client finds its daemon."""

    services: dict[str, Service] = {}
    docker_host: str = ""

    def __post_init__(self) -> None:
        """Refuse names that a playbook could not write (ValueError)."""
        for name in self.services:
            if not _SERVICE_NAME.fullmatch(name):
                raise ValueError(f"the service name {name!r} is not of letters, digits and _ . : @ -")


class RestartParams(msgspec.Struct, frozen=True):
    """Which declared service."""

    service: str = ""


class Payload(msgspec.Struct, frozen=True):
    """What the plan was made from; `running` is the process that the pid file named."""

    service: str
    declared: Service
    running: Running | None = None


@plugin("remediation", NAME)
class Restart:
    """Restarts a service; twice is not the same as once, so it is never repeated blindly."""

    idempotent: ClassVar[bool] = False
    risk: ClassVar[Risk] = Risk.SAFE
    Params: ClassVar[type[msgspec.Struct]] = RestartParams
    Config: ClassVar[type[msgspec.Struct]] = RestartConfig

    def __init__(self, config: RestartConfig) -> None:
        self._config = config

    def plan(self, params: msgspec.Struct) -> Plan:
        """The commands that `run` would run, and the process that it would end.

        Raises:
            RemediationRefused: the service is not declared, or its pid file leaves a doubt.
        """
        if not isinstance(params, RestartParams):
            raise RemediationRefused(f"the parameters are not those of {NAME}")
        return self._plan(params.service)

    def _plan(self, name: str) -> Plan:
        declared = self._declared(name)
        payload = Payload(name, declared, _running(declared))
        return Plan(
            remediation=NAME,
            target=name,
            summary=f"restart {name}",
            steps=tuple(_steps(payload)),
            risk=declared.risk,
            payload=msgspec.Raw(msgspec.json.encode(payload)),
        ).sealed()

    def _declared(self, name: str) -> Service:
        if not _SERVICE_NAME.fullmatch(name):
            raise RemediationRefused(f"{clean(name[:80])!r} is no name of a service (letters, digits and _ . : @ -)")
        if name not in self._config.services:
            hint = nearest(name, self._config.services)
            raise RemediationRefused(f"no service {name!r} is declared under remediations.restart.services{hint}")
        return self._config.services[name]

    def run(self, plan: Plan, limits: Limits) -> Outcome:
        """Restart as planned; fails without doing anything when a plan made now would be another one."""
        deadline = time.monotonic() + limits.deadline_seconds
        try:
            with locked(limits.lock_file) as lock:
                if not self._plan(plan.target).digest == plan.digest == plan.sealed().digest:
                    return _failed("the service or its declaration changed since the plan; nothing was done")
                payload = msgspec.json.decode(plan.payload, type=Payload)
                return _Restarting(payload, self._config.docker_host, deadline, lock).outcome()
        except (LockTaken, RemediationRefused) as error:
            return _failed(f"{error}; nothing was done")


def _running(declared: Service) -> Running | None:
    if not declared.pid_file:
        return None
    try:
        return pid_file.find(Path(declared.pid_file), declared.start, declared.program)
    except Doubt as error:
        raise RemediationRefused(str(error)) from error


def _steps(payload: Payload) -> list[str]:
    declared = payload.declared
    if declared.way in {"systemd", "docker"}:
        return [_shown(_direct(declared))]
    if declared.way == "stop":
        return [_shown(declared.stop), _shown(declared.start)]
    running = payload.running
    end = f"TERM to process {running.pid}, KILL after {declared.stop_timeout_seconds:g} s" if running else "none runs"
    return [end, _shown(declared.start), f"check that it lives and {clean(declared.pid_file)} names it"]


def _direct(declared: Service) -> tuple[str, ...]:
    if declared.systemd:
        return ("systemctl", "restart", "--", declared.systemd)
    return ("docker", "restart", "--time", str(round(declared.stop_timeout_seconds)), "--", declared.docker)


def _shown(argv: tuple[str, ...]) -> str:
    return clean(shlex.join(argv))


def _failed(summary: str, output: str = "") -> Outcome:
    return Outcome(status="failed", summary=summary, output=output)


class _Restarting:
    """One run: everything until *deadline* (monotonic), commands under *lock*."""

    def __init__(self, payload: Payload, docker_host: str, deadline: float, lock: int) -> None:
        self._service = payload.service
        self._declared = payload.declared
        self._running = payload.running
        self._env = {"DOCKER_HOST": docker_host} if docker_host and payload.declared.docker else {}
        self._deadline = deadline
        self._lock = lock
        self._doubt = ""

    def outcome(self) -> Outcome:
        """Do it in the declared way."""
        if self._declared.way == "pid_file":
            return self._by_pid_file()
        if self._declared.way == "stop":
            return self._by_commands()
        return self._told(run(self._command(_direct(self._declared)), self._left(), self._lock), "")

    def _left(self) -> float:
        return self._deadline - time.monotonic()

    def _command(self, argv: tuple[str, ...]) -> Command:
        return Command(argv=argv, env=self._env, directory=self._declared.directory)

    def _told(self, result: Result, before: str) -> Outcome:
        """The outcome of the command that decides; *before* is the output of the one before it."""
        output = before + result.output
        if result.ok:
            return Outcome(status="succeeded", summary=f"{self._service} restarted: {result.text}", output=output)
        return Outcome(status="timed_out" if result.timed_out else "failed", summary=result.text, output=output)

    def _by_commands(self) -> Outcome:
        """Stop, then start; a stop that says no (it was dead) does not keep us from starting, one that hangs does."""
        patience = min(self._left(), self._declared.stop_timeout_seconds)
        stopped = run(self._command(self._declared.stop), patience, self._lock)
        if stopped.error or stopped.timed_out:
            return _failed(f"stop: {stopped.text}; start was not tried", stopped.output)
        said = f"stop: {stopped.text}\n{stopped.output}"
        return self._told(run_starter(self._command(self._declared.start), self._left()), said)

    def _by_pid_file(self) -> Outcome:
        declared, said = self._declared, "none was running"
        if self._running:
            try:
                said = pid_file.end(self._running, min(self._left(), declared.stop_timeout_seconds))
            except (PermissionError, TimeoutError) as error:
                return _failed(f"process {self._running.pid} cannot be ended: {error.strerror or error}")
            said = f"process {self._running.pid} {said}"
        if self._left() <= 0:
            return Outcome(status="timed_out", summary=f"{said}; no time left to start it again")
        daemon = launch(self._command(declared.start), declared.log_file)
        if isinstance(daemon, Result):
            return _failed(f"{said}; {daemon.error}")
        problem = self._problem(daemon)
        if problem:
            return _failed(f"{said}; started as process {daemon.pid}, but {problem}")
        return Outcome(status="succeeded", summary=f"{said}; {self._service} runs again")

    def _problem(self, daemon: Daemon) -> str:
        """What is wrong with what was started, or "": it must be named by its pid file and outlive the settling."""
        declared = self._declared
        until = time.monotonic() + min(self._left(), declared.start_timeout_seconds)
        pause = threading.Event()
        while not (found := self._found()):
            if daemon.ended():
                return f"it ended with {_ending(daemon)} (its output: {declared.log_file})"
            if time.monotonic() >= until:
                return self._doubt or f"{declared.pid_file} names no living process of it in time"
            pause.wait(_POLL_SECONDS)
        if daemon.ended(min(self._left(), declared.settle_seconds)) == 0:  # it left a daemon behind, which settles now
            pause.wait(max(0.0, min(self._left(), declared.settle_seconds)))
        if not pid_file.alive(found):
            return f"it did not live for {declared.settle_seconds:g} s (its output: {declared.log_file})"
        return ""

    def _found(self) -> Running | None:
        """The process that the pid file names now; the one that was ended is dead and no longer found."""
        try:
            return pid_file.find(Path(self._declared.pid_file), self._declared.start, self._declared.program)
        except Doubt as error:  # being written just now, or wrong: then time runs out
            self._doubt = str(error)
            return None


def _ending(daemon: Daemon) -> str:
    code = daemon.ended() or 0
    return f"exit code {code}" if code >= 0 else f"signal {-code}"
