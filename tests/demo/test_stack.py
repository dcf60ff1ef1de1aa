import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from demo import stack as stack_module
from demo.configs import Layout
from demo.processes import command_line
from demo.stack import Options, Stack, StackFailedError, commands
from demo.waiting import until

Commands = Mapping[str, Sequence[str]]


@pytest.fixture
def stand_ins(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Sequence[str]]:
    """Commands that take the place of the real processes; the stack's folders lie below the test's."""
    chosen: dict[str, Sequence[str]] = {"handler": ["sleep", "600"], "exporter": ["sleep", "600"]}

    def take(_layout: Layout, _options: Options) -> Commands:
        return chosen

    monkeypatch.setattr(stack_module, "commands", take)
    monkeypatch.setattr(stack_module.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(stack_module, "SHARED_MEMORY", tmp_path / "none")
    return chosen


def test_stack_leaving_ends_every_process_and_removes_the_folder(stand_ins: Commands) -> None:
    """Nothing is left behind."""
    with Stack() as stack:
        assert list(stack.children) == list(stand_ins)
        pids, folder = [child.pid for child in stack.children.values()], stack.layout.folder
        assert (folder / "prometheus.yml").exists()
    assert not folder.exists()
    assert not any(command_line(pid) for pid in pids)


@pytest.mark.usefixtures("stand_ins")
def test_stack_interrupted_ends_every_process() -> None:
    """Ctrl-C in the middle tidies up like an ordinary end."""
    stack = Stack()
    pids: list[int] = []

    def interrupted() -> None:
        with stack:
            pids.extend(child.pid for child in stack.children.values())
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert not any(command_line(pid) for pid in pids)
    assert not stack.layout.folder.exists()


def test_stack_program_that_cannot_start_ends_the_others(stand_ins: dict[str, Sequence[str]]) -> None:
    """One process fails to start: those before it are ended, the folder goes, the guilty one is named."""
    stand_ins["prometheus"] = ["/no/such/program"]
    stack = Stack()
    with pytest.raises(StackFailedError, match="prometheus cannot be started"), stack:
        pass
    assert not stack.layout.folder.exists()


def test_stack_process_that_ended_is_named_with_its_last_words(stand_ins: dict[str, Sequence[str]]) -> None:
    """While waiting, a process that dies is told at once with the end of its log."""
    stand_ins["handler"] = ["sh", "-c", "echo bad configuration; exit 2"]
    with Stack() as stack, pytest.raises(StackFailedError, match=r"handler ended with 2(?s:.*)bad configuration"):
        stack.wait(lambda: False, "nothing", 10)


@pytest.mark.usefixtures("stand_ins")
def test_stack_part_that_does_not_answer_is_blamed() -> None:
    """A part that never gets ready is named with what was asked."""
    with Stack() as stack:
        stack.children["prometheus"] = stack.children["exporter"]
        with pytest.raises(StackFailedError, match=r"waited 0 s in vain for prometheus at .*/-/ready"):
            stack.wait_ready(seconds=0)


@pytest.mark.usefixtures("stand_ins")
def test_stack_to_be_kept_goes_on_running() -> None:
    """A kept stack survives the end of its block, but not a failure in it."""
    with Stack() as stack:
        stack.keep = True
    try:
        until(lambda: all(command_line(child.pid) for child in stack.children.values()), "both processes", 10)
        assert stack.layout.folder.exists()
    finally:
        stack.stop()


@pytest.mark.usefixtures("stand_ins")
def test_stack_adapts_configurations_before_they_are_written() -> None:
    """A test can change a document, e.g. the handler's mode."""

    def observe(part: str, document: dict[str, object]) -> dict[str, object]:
        return {**document, "mode": "observe"} if part == "handler" else document

    with Stack(Options(adapt=observe)) as stack:
        assert "mode: observe" in stack.layout.path("handler").read_text(encoding="utf-8")


def test_stack_ends_a_worker_that_the_handler_started(stand_ins: Commands) -> None:
    """The worker is nobody's child; it is found by its pid file."""
    assert stand_ins
    with Stack() as stack:
        file = stack.layout.pid_file
        worker = stack_module.ROOT / "demo" / "worker.py"
        subprocess.run([sys.executable, "-I", worker, "--detach", "--pid-file", file], check=True)
        pid = int(file.read_text(encoding="ascii"))
        assert command_line(pid)
    until(lambda: not command_line(pid), "the worker's end", 10)


def test_commands_use_the_stacks_own_addresses_and_folders(tmp_path: Path) -> None:
    """No process gets a default port or a system folder."""
    addresses = {part: f"127.0.0.1:{number}" for number, part in enumerate(stack_module.PARTS, start=1001)}
    found = commands(Layout(tmp_path, tmp_path / "cache", addresses), Options())
    assert set(found) == set(stack_module.PARTS)
    for part, argv in found.items():
        assert any(addresses[part] in word for word in argv)
        assert any(str(tmp_path) in word for word in argv)
