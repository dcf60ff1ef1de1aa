import os
import sys
from pathlib import Path

import pytest

from exporter.walks.child import MAX_ANSWER_BYTES, converse, descendants
from exporter.walks.message import Deadline
from tests.exporter.doubles import Until

PYTHON = [sys.executable, "-I", "-c"]
#: Starts a grandchild in a session of its own, tells its number in a file, and both hang.
ESCAPES = """
import ctypes, subprocess, sys, time
ctypes.CDLL(None).prctl(36, 1)
child = subprocess.Popen(["sleep", "300"], start_new_session=True)
open(sys.argv[1], "w").write(str(child.pid))
time.sleep(300)
"""


def alive(pid: int) -> bool:
    """Whether a process lives; a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False


def test_converse_gives_the_answer() -> None:
    """The child reads the question and its first line is the answer."""
    code = "import sys; print(sys.stdin.read()[::-1]); print('more')"
    assert converse([*PYTHON, code], b"abc", Deadline(20)) == b"cba"


@pytest.mark.parametrize("code", ["", "print('half', end='')", "import os; os.kill(os.getpid(), 9)"])
def test_converse_without_a_line_is_empty(code: str) -> None:
    """A child that ends without a whole line has said nothing."""
    assert converse([*PYTHON, code], b"", Deadline(20)) == b""


def test_converse_endless_answer_is_none() -> None:
    """A line without end is not read to the end."""
    code = "import sys\nwhile True: sys.stdout.write('x' * 100000)"
    assert converse([*PYTHON, code], b"", Deadline(20)) == b""
    assert MAX_ANSWER_BYTES < 10_000_000


def test_converse_ends_by_the_deadline_with_all_below(tmp_path: Path, until: Until) -> None:
    """At the deadline the child is gone, and so is what it had started in a session of its own."""
    told = tmp_path / "pid"
    with pytest.raises(TimeoutError):
        converse([*PYTHON, ESCAPES, str(told)], b"", Deadline(1.5))
    until(lambda: not alive(int(told.read_text())))


def test_converse_child_that_answers_and_stays_is_ended() -> None:
    """A child that has answered has a moment to end by itself, no more."""
    code = "import os, sys, time; print(os.getpid(), flush=True); time.sleep(300)"
    assert not alive(int(converse([*PYTHON, code], b"", Deadline(20))))


def test_converse_shows_the_child_little_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the exporter's environment holds is none of the browser's business."""
    monkeypatch.setenv("SHOP_TOKEN", "secret")
    code = "import os; print(sorted(os.environ))"
    assert b"SHOP_TOKEN" not in converse([*PYTHON, code], b"", Deadline(20))


def test_converse_program_that_is_missing() -> None:
    """A program that cannot be started is an error that names it."""
    with pytest.raises(FileNotFoundError, match="/nowhere/python"):
        converse(["/nowhere/python"], b"", Deadline(20))


def test_descendants_of_a_process_without_any() -> None:
    """The first process is not below us, nor are we below ourselves."""
    assert {1, os.getpid()}.isdisjoint(descendants(os.getpid()))
