"""Is it up? Four ways to ask: by process, by pid file, by TCP port, by HTTP."""

import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from exporter.errors import CollectorError, SourceUnavailable
from exporter.sources.fetch import Fetcher, check_url
from exporter.sources.processes import Process, ProcessTable

#: Why a check failed; the whole set, because it is a label.
REASONS = ("refused", "timeout", "status", "not_running", "bad_pid_file", "error")


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a check found.

    Attributes:
        reason: why it failed, one of `REASONS`; empty when all is well.
        detail: the same for people.
        processes: how many processes match; None for checks that look at none.
    """

    reason: str = ""
    detail: str = ""
    processes: int | None = None

    @property
    def up(self) -> bool:
        """Whether the check passed."""
        return not self.reason


Check = Callable[[], Outcome]


class ProcessRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which processes must run.

    Attributes:
        name: the program's name or the kernel's (cut at 15 characters), exactly.
        cmdline: a regex searched in the arguments joined by blanks.
        minimum: at least so many.
    """

    name: str = ""
    cmdline: str = ""
    minimum: int = 1

    def __post_init__(self) -> None:
        if not self.name and not self.cmdline:
            raise ValueError("give name or cmdline")
        if self.minimum < 1:
            raise ValueError(f"minimum is {self.minimum}; write 1 or more")
        try:
            re.compile(self.cmdline)
        except re.error as error:
            raise ValueError(f"cmdline is no regular expression: {error}") from error


class HttpRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An HTTP dependency: GET *url* must answer with one of *status*."""

    url: str
    status: tuple[int, ...] = (200,)

    def __post_init__(self) -> None:
        check_url(self.url)
        if not self.status:
            raise ValueError("status is empty: give at least one expected status")


def process_check(rule: ProcessRule, table: ProcessTable) -> Check:
    """A check that enough processes match *rule*."""
    pattern = re.compile(rule.cmdline)

    def matches(process: Process) -> bool:
        named = not rule.name or rule.name in (process.program, process.name)
        return named and pattern.search(process.cmdline) is not None

    def check() -> Outcome:
        count = sum(map(matches, table.processes()))
        if count >= rule.minimum:
            return Outcome(processes=count)
        return Outcome("not_running", f"{count} matching processes, {rule.minimum} needed", count)

    return check


def pid_file_check(path: str, table: ProcessTable) -> Check:
    """A check that the process named in the file *path* lives."""

    def check() -> Outcome:
        try:
            with Path(path).open("rb") as file:
                text = file.read(64).split()
        except OSError as error:
            return Outcome("bad_pid_file", f"{path}: {error.strerror}", 0)
        if not text or not text[0].isdigit() or not 0 < int(text[0]) < 2**31:
            return Outcome("bad_pid_file", f"{path}: holds no process number", 0)
        pid = int(text[0])
        if table.alive(pid):
            return Outcome(processes=1)
        return Outcome("not_running", f"{path}: process {pid} is gone", 0)

    return check


def port_check(address: tuple[str, int], timeout: float) -> Check:
    """A check that something accepts TCP connections at *address* within *timeout* seconds."""

    def check() -> Outcome:
        try:
            socket.create_connection(address, timeout).close()
        except TimeoutError:
            return Outcome("timeout", f"{address[0]}:{address[1]}: no answer within {timeout:g} s")
        except ConnectionRefusedError:
            return Outcome("refused", f"{address[0]}:{address[1]}: connection refused")
        except OSError as error:
            return Outcome("error", f"{address[0]}:{address[1]}: {error.strerror or error}")
        return Outcome()

    return check


def http_check(rule: HttpRule, fetcher: Fetcher) -> Check:
    """A check that the URL of *rule* answers as expected."""

    def check() -> Outcome:
        response = fetcher.get(rule.url)
        if response.status in rule.status:
            return Outcome()
        return Outcome("status", f"{rule.url}: HTTP {response.status}, expected {_either(rule.status)}")

    return check


def outcome_of(check: Check) -> Outcome:
    """The outcome of *check*; one that raises has failed for the reason of its error."""
    try:
        return check()
    except SourceUnavailable as error:
        return Outcome(error.reason, str(error))
    except CollectorError as error:
        return Outcome("error", str(error))


def parse_port(text: str) -> tuple[str, int]:
    """`HOST:PORT` (or a bare port of this machine) as host and port.

    Raises:
        ValueError: it is neither.
    """
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise ValueError(f"{text!r} is no port: write HOST:PORT, e.g. 127.0.0.1:6379")
    return host.strip("[]") or "127.0.0.1", int(port)


def _either(statuses: Sequence[int]) -> str:
    return " or ".join(map(str, statuses))
