from pathlib import Path

import pytest

from chassis.config_file import ConfigInvalid, decode
from exporter.checks import process
from exporter.checks.outcome import Outcome
from exporter.checks.process import ProcessRule
from exporter.sources.processes import ProcessTable


@pytest.fixture
def table(proc_root: str) -> ProcessTable:
    """The processes of the fixture host."""
    return ProcessTable(proc_root)


@pytest.mark.parametrize(
    ("rule", "count"),
    [
        (ProcessRule(name="init"), 1),
        (ProcessRule(name="my worker (x)"), 1),
        (ProcessRule(name="python3", cmdline="celery worker$"), 1),
        (ProcessRule(cmdline="^/"), 2),
    ],
)
def test_process_check_finds(table: ProcessTable, rule: ProcessRule, count: int) -> None:
    """A process is found by its program, the kernel's name for it, or its arguments."""
    assert process.process_check(rule, table)() == Outcome(processes=count)


@pytest.mark.parametrize("rule", [ProcessRule(name="celery"), ProcessRule(cmdline="^/", minimum=3)])
def test_process_check_too_few_is_not_running(table: ProcessTable, rule: ProcessRule) -> None:
    """A zombie does not count, and fewer than the minimum is down."""
    assert process.process_check(rule, table)().reason == "not_running"


@pytest.mark.parametrize(
    ("text", "reason"),
    [("101\n", ""), ("102", "not_running"), ("4242", "not_running"), ("", "bad_pid_file"), ("x", "bad_pid_file"),
     ("-1", "bad_pid_file"), ("0", "bad_pid_file"), ("9" * 40, "bad_pid_file"), ("\u0662", "bad_pid_file")],
)  # fmt: skip
def test_pid_file_check_reads_the_number(table: ProcessTable, tmp_path: Path, text: str, reason: str) -> None:
    """The file's process must live; a file without a number is told apart from a dead process."""
    path = tmp_path / "pid"
    path.write_text(text)
    assert process.pid_file_check(str(path), table)().reason == reason


def test_pid_file_check_missing_file(table: ProcessTable, tmp_path: Path) -> None:
    """A pid file that is not there is bad, and the detail names it."""
    outcome = process.pid_file_check(str(tmp_path / "pid"), table)()
    assert (outcome.reason, outcome.processes) == ("bad_pid_file", 0)
    assert "No such file" in outcome.detail


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "give name or cmdline"),
        ({"name": "x", "minimum": 0}, "minimum: is 0; write 1 or more"),
        ({"cmdline": "("}, "no regular expression"),
        ({"cmdline": "(" * 5000}, "no regular expression"),
    ],
)
def test_process_rule_refuses_what_checks_nothing(document: dict[str, object], message: str) -> None:
    """A rule that can never say anything is an error of the configuration."""
    with pytest.raises(ConfigInvalid, match=message):
        decode(document, ProcessRule, "exporter.yml")
