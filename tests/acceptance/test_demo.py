"""`make demo KEEP=1` as a user runs it: at the shipped intervals, to its end, then stopped."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo import kept
from demo.configs import ROOT
from demo.processes import command_line
from demo.repair import MILESTONES

DEMO_SECONDS = 240.0


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder that takes the place of /tmp; a demo that still runs in the end is ended."""
    path = tmp_path_factory.mktemp("tmp")
    yield path
    for note in path.glob(f"*/{kept.NOTE}"):
        kept.stop(note.parent)


@pytest.fixture(scope="module")
def demo(folder: Path) -> "subprocess.CompletedProcess[str]":
    """The demo, run to its end and left running."""
    env = {**os.environ, "TMPDIR": str(folder), "KEEP": "1"}
    argv = [sys.executable, "-m", "demo"]
    return subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, timeout=DEMO_SECONDS, check=False)


def test_demo_repairs_both_faults(demo: "subprocess.CompletedProcess[str]") -> None:
    """Exit 0, and a table in which both faults have every milestone and the verdict fixed."""
    assert demo.returncode == 0, demo.stdout + demo.stderr
    row = r"^{} +" + r"[\d.]+ s +" * len(MILESTONES) + "fixed$"
    for fault in ("log folder fills up", "worker dies"):
        assert re.search(row.format(fault), demo.stdout, re.MULTILINE), demo.stdout


def test_demo_shows_no_live_line_in_a_file(demo: "subprocess.CompletedProcess[str]") -> None:
    """What is not a terminal gets plain lines."""
    assert not re.search(r"[\r\x1b]", demo.stdout)


def test_demo_kept_is_ended_by_the_printed_command(demo: "subprocess.CompletedProcess[str]", folder: Path) -> None:
    """Everything runs on until it is stopped as the demo says; then nothing is left, no process and no file."""
    (note,) = folder.glob(f"*/{kept.NOTE}")
    pids = json.loads(note.read_text(encoding="utf-8"))["processes"].values()
    assert all(command_line(pid) for pid in pids)
    command = re.search(r"stop it: +(.+)", demo.stdout)
    assert command is not None
    subprocess.run(shlex.split(command[1]), cwd=ROOT, check=True)
    assert not any(command_line(pid) for pid in pids)
    assert list(folder.iterdir()) == []
