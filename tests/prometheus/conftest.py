"""Real promtool and amtool: those of this machine, and those of the two next Debian releases where they can be had."""

import functools
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from demo.binaries import BinaryMissingError, find

#: None is PATH or this machine's Debian release. Together: Prometheus 2.42, 2.53, 3.5; Alertmanager 0.25, 0.28, 0.33.
SUITES = (None, "trixie", "sid")

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@functools.cache
def _tool(name: str, suite: str | None) -> Path | BinaryMissingError:
    try:
        return find(name, suite)
    except BinaryMissingError as error:
        return error


def tool(name: str, suite: str | None) -> Path:
    """The program of a suite; a missing default fails the test, a missing newer one skips it."""
    found = _tool(name, suite)
    if isinstance(found, Path):
        return found
    if suite is None:
        pytest.fail(str(found))
    pytest.skip(str(found))


def runner(program: Path) -> Run:
    """A function that runs *program* with its arguments and gives what it said."""

    def run(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60, check=False)

    return run


@pytest.fixture(params=SUITES, ids=lambda suite: suite or "default")
def suite(request: pytest.FixtureRequest) -> str | None:
    """Each Debian suite in turn."""
    chosen: str | None = request.param
    return chosen


@pytest.fixture
def promtool(suite: str | None) -> Run:
    """Runs promtool of each suite."""
    return runner(tool("promtool", suite))


@pytest.fixture
def amtool(suite: str | None) -> Run:
    """Runs amtool of each suite."""
    return runner(tool("amtool", suite))


@pytest.fixture
def alertmanager(suite: str | None) -> Path:
    """Alertmanager of each suite."""
    return tool("alertmanager", suite)
