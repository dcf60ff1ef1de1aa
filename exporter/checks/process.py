"""Is it up? By its processes, or by the process that its pid file names."""

import re
from pathlib import Path
from typing import Annotated

import msgspec

from exporter.checks.outcome import Check, Outcome
from exporter.sources.processes import Process, ProcessTable

REASONS = ("not_running", "error")
PID_FILE_REASONS = ("not_running", "bad_pid_file", "error")


class ProcessRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which processes must run.

    Attributes:
        name: the program's name or the kernel's (cut at 15 characters), exactly.
        cmdline: a regex searched in the arguments joined by blanks.
        minimum: at least so many.
    """

    name: str = ""
    cmdline: str = ""
    minimum: Annotated[int, msgspec.Meta(ge=1)] = 1

    def __post_init__(self) -> None:
        if not self.name and not self.cmdline:
            raise ValueError("give name or cmdline")
        try:
            re.compile(self.cmdline)
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(f"cmdline is no regular expression: {error}") from error


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
