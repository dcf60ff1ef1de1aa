import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Self

import pytest

import demo.__main__ as runner
from demo.__main__ import main
from demo.configs import ROOT
from demo.repair import MILESTONES, Repair
from demo.scenario import DEAD_WORKER, DISK
from demo.stack import StackFailedError


class FakeStack:
    """Stands in for the running stack."""

    def __init__(self, *_args: object) -> None:
        self.children: dict[str, SimpleNamespace] = {
            name: SimpleNamespace(last_lines=lambda name=name: f"{name} said so") for name in ("handler", "exporter")
        }
        self.layout = SimpleNamespace(folder=Path("/tmp/x"), url=lambda part: f"http://{part}", addresses=["handler"])
        self.keep = False

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, *_error: object) -> None:
        """Nothing to end."""

    def wait_ready(self) -> None:
        """It is."""

    def resident_bytes(self) -> dict[str, int]:
        """Two parts; the receiver is not Nightshift's."""
        return {"handler": 40 * 2**20, "receiver": 99 * 2**20}


@pytest.fixture
def repairs(monkeypatch: pytest.MonkeyPatch) -> list[Repair]:
    """A demo whose faults were all repaired within seconds; change them before running it."""
    times = {name: 100.0 + index for index, name in enumerate(MILESTONES, start=1)}
    found = [Repair(fault, 100.0, times=dict(times)) for fault in (DISK, DEAD_WORKER)]
    monkeypatch.setattr(runner, "Stack", FakeStack)
    monkeypatch.setattr(runner, "_version", lambda name, _suite: f"{name} 1")
    monkeypatch.setattr(runner, "_raise_stopped", signal.default_int_handler)
    monkeypatch.setattr(runner, "break_one", lambda _stack, fault: (found[fault is DEAD_WORKER], "broke it"))
    monkeypatch.setattr(runner, "follow", lambda _stack, _repairs, news: news())
    monkeypatch.setattr(Repair, "verdict", "fixed")
    monkeypatch.setattr(runner.kept, "note", lambda _stack: Path("/tmp/x/stack.json"))
    return found


@pytest.mark.usefixtures("repairs")
def test_main_all_fixed_and_resolved_exits_0(capsys: pytest.CaptureFixture[str]) -> None:
    """The good case: a table with every milestone of every fault, the memory of Nightshift's processes, exit 0."""
    assert main([]) == 0
    out = capsys.readouterr().out
    assert out.count("fixed") >= 2
    assert "whole stack  40 MiB" in out


def test_main_fixed_but_not_resolved_exits_1(repairs: list[Repair], capsys: pytest.CaptureFixture[str]) -> None:
    """A verdict is not enough while Prometheus still shows the alert; the logs' ends are shown."""
    del repairs[0].times["resolved"]
    assert main([]) == 1
    assert "handler said so" in capsys.readouterr().out


@pytest.mark.usefixtures("repairs")
def test_main_other_verdict_exits_1(monkeypatch: pytest.MonkeyPatch) -> None:
    """Resolved is not enough while the handler does not say fixed."""
    monkeypatch.setattr(Repair, "verdict", "inconclusive")
    assert main([]) == 1


@pytest.mark.usefixtures("repairs")
def test_main_kept_prints_addresses_and_how_to_stop(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """KEEP=1 leaves it running and says where everything is."""
    monkeypatch.setenv("KEEP", "1")
    assert main([]) == 0
    out = capsys.readouterr().out
    assert "http://handler" in out
    assert "-m demo stop /tmp/x" in out


@pytest.mark.usefixtures("repairs")
def test_main_failed_stack_says_why(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A stack that does not come up ends the demo with its reason, not with a traceback."""

    def fail(_self: FakeStack) -> None:
        raise StackFailedError("prometheus ended with 1; its last words: no space left")

    monkeypatch.setattr(FakeStack, "wait_ready", fail)
    assert main([]) == 1
    assert "no space left" in capsys.readouterr().out


def test_main_stop_of_no_demo_exits_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong folder is said so."""
    assert main(["stop", str(tmp_path)]) == 1
    assert "no note of a running demo" in capsys.readouterr().err


def test_main_interrupted_leaves_nothing_behind(tmp_path: Path) -> None:
    """Ctrl-C while it starts: exit 130, its folder is gone, and so are its processes."""
    env: dict[str, Any] = {**os.environ, "TMPDIR": str(tmp_path), "PYTHONPATH": str(ROOT), "KEEP": ""}
    argv = [sys.executable, "-u", "-m", "demo"]
    with subprocess.Popen(argv, cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        while "started" not in child.stdout.readline():
            pass
        child.send_signal(signal.SIGINT)
        assert "every process of the demo is gone" in child.stdout.read()
    assert child.returncode == 130
    assert list(tmp_path.iterdir()) == []
