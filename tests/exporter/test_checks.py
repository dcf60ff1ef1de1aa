import socket
from pathlib import Path
from typing import Never

import msgspec
import pytest

from exporter.errors import SourceMalformed
from exporter.sources import checks
from exporter.sources.checks import HttpRule, Outcome, ProcessRule, outcome_of
from exporter.sources.fetch import Fetcher
from exporter.sources.processes import ProcessTable
from tests.exporter.doubles import Site


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
    assert checks.process_check(rule, table)() == Outcome(processes=count)


@pytest.mark.parametrize("rule", [ProcessRule(name="celery"), ProcessRule(cmdline="^/", minimum=3)])
def test_process_check_too_few_is_not_running(table: ProcessTable, rule: ProcessRule) -> None:
    """A zombie does not count, and fewer than the minimum is down."""
    assert checks.process_check(rule, table)().reason == "not_running"


@pytest.mark.parametrize(
    ("text", "reason"),
    [("101\n", ""), ("102", "not_running"), ("4242", "not_running"), ("", "bad_pid_file"), ("x", "bad_pid_file"),
     ("-1", "bad_pid_file"), ("0", "bad_pid_file"), ("9" * 40, "bad_pid_file"), ("\u0662", "bad_pid_file")],
)  # fmt: skip
def test_pid_file_check_reads_the_number(table: ProcessTable, tmp_path: Path, text: str, reason: str) -> None:
    """The file's process must live; a file without a number is told apart from a dead process."""
    path = tmp_path / "pid"
    path.write_text(text)
    assert checks.pid_file_check(str(path), table)().reason == reason


def test_pid_file_check_missing_file(table: ProcessTable, tmp_path: Path) -> None:
    """A pid file that is not there is bad, and the detail names it."""
    outcome = checks.pid_file_check(str(tmp_path / "pid"), table)()
    assert (outcome.reason, outcome.processes) == ("bad_pid_file", 0)
    assert "No such file" in outcome.detail


def test_port_check_open_and_closed() -> None:
    """A listening port is up; once closed it refuses."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        check = checks.port_check(server.getsockname(), 1.0)
        assert check().up
    assert check().reason == "refused"


def test_port_check_silence_is_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that never answers costs the timeout."""

    def connect(*_: object) -> Never:
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", connect)
    assert checks.port_check(("192.0.2.1", 9), 0.5)() == Outcome("timeout", "192.0.2.1:9: no answer within 0.5 s")


def test_port_check_unknown_host_is_an_error() -> None:
    """A name that nobody knows is neither refused nor late."""
    assert checks.port_check(("no-such-host.invalid", 9), 0.5)().reason == "error"


def test_http_check_compares_the_status(site: Site) -> None:
    """The expected statuses are up, every other is down for its status."""
    site.answers |= {"/": (200, b""), "/login": (401, b"")}
    fetcher = Fetcher(1.0)
    assert checks.http_check(HttpRule(site.url), fetcher)().up
    assert checks.http_check(HttpRule(f"{site.url}/login", (200, 401)), fetcher)().up
    outcome = checks.http_check(HttpRule(f"{site.url}/none"), fetcher)()
    assert (outcome.reason, outcome.detail) == ("status", f"{site.url}/none: HTTP 404, expected 200")
    fetcher.close()


def test_outcome_of_a_raising_check_has_a_reason() -> None:
    """Whatever a check raises on purpose becomes one of the fixed reasons."""
    fetcher = Fetcher(0.2)
    assert outcome_of(checks.http_check(HttpRule("http://127.0.0.1:1/"), fetcher)).reason == "refused"

    def malformed() -> Never:
        raise SourceMalformed("x")

    assert outcome_of(malformed).reason == "error"
    fetcher.close()


@pytest.mark.parametrize(
    ("text", "address"),
    [("localhost:80", ("localhost", 80)), ("[::1]:6379", ("::1", 6379)), ("6379", ("127.0.0.1", 6379))],
)
def test_parse_port_reads_host_and_port(text: str, address: tuple[str, int]) -> None:
    """A bare port is one of this machine."""
    assert checks.parse_port(text) == address


@pytest.mark.parametrize("text", ["", "redis", "h:0", "h:65536", "h:-1"])
def test_parse_port_refuses(text: str) -> None:
    """What is no port is an error that says what to write."""
    with pytest.raises(ValueError, match="is no port: write HOST:PORT"):
        checks.parse_port(text)


@pytest.mark.parametrize(
    ("kind", "document", "message"),
    [
        (ProcessRule, {}, "give name or cmdline"),
        (ProcessRule, {"name": "x", "minimum": 0}, "minimum is 0"),
        (ProcessRule, {"cmdline": "("}, "no regular expression"),
        (HttpRule, {"url": "http://h/", "status": []}, "status is empty"),
        (HttpRule, {"url": "h"}, "no http"),
    ],
)
def test_rules_refuse_what_checks_nothing(kind: type, document: dict[str, object], message: str) -> None:
    """A rule that can never say anything is an error of the configuration."""
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert(document, kind)
