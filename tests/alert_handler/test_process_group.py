import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from alert_handler.process_group import Watch, members, stat_of

Child = subprocess.Popen[bytes]
Start = Callable[..., Child]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a program as the leader of a group of its own, which is gone after the test."""
    children: list[Child] = []

    def start(*argv: str, output: int = subprocess.DEVNULL) -> Child:
        children.append(subprocess.Popen(argv, stdout=output, start_new_session=True))
        return children[-1]

    yield start
    for child in children:
        child.kill()
        child.wait()


def test_members_knows_a_process_with_a_hostile_name(start: Start, tmp_path: Path) -> None:
    """A program's name may hold spaces and brackets; its group is read all the same."""
    program = tmp_path / "a) Z 1 1 (b"
    program.symlink_to("/bin/sleep")
    child = start(str(program), "60")
    assert list(members(child.pid)) == [child.pid]
    assert stat_of(0) is None


def test_until_gives_up_at_its_deadline(start: Start) -> None:
    """A program that goes on is told as such, and goes on."""
    child = start("sleep", "60")
    with Watch(child.pid) as watch:
        assert not watch.until(time.monotonic() + 0.01)
    assert members(child.pid)


def test_until_sees_the_end_without_reaping(start: Start) -> None:
    """The ended leader stays a zombie, so that its number is given to no other; it is no living member."""
    child = start("true")
    with Watch(child.pid) as watch:
        assert watch.until(time.monotonic() + 20)
    found = stat_of(child.pid)
    assert found is not None
    assert (found.state, found.alive, members(child.pid)) == ("Z", False, {})


def test_end_group_reads_the_last_words_and_leaves_nobody(start: Start) -> None:
    """Who ignores TERM is killed; what was written before is still read."""
    reader, writer = os.pipe()
    child = start("sh", "-c", "trap 'echo no' TERM; sleep 60 & echo up; while :; do wait; done", output=writer)
    os.close(writer)
    with Watch(child.pid, reader) as watch:
        while watch.output.text(()) != "up\n":
            assert not watch.until(time.monotonic() + 0.01)
        watch.end_group(0.2)
        assert (watch.output.text(()), members(child.pid)) == ("up\nno\n", {})
    os.close(reader)
