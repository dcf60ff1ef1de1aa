import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo import kept
from demo import stack as stack_module
from demo.kept import NotKeptError
from demo.processes import command_line
from demo.stack import Stack
from demo.waiting import until


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Stack]:
    """A kept stack of one stand-in process whose command names the stack's folder, as those of all parts do."""
    monkeypatch.setattr(stack_module.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(stack_module, "SHARED_MEMORY", tmp_path / "none")
    monkeypatch.setattr(
        stack_module,
        "commands",
        lambda layout, _options: {"handler": ["sh", "-c", "sleep 600; exit", str(layout.folder)]},
    )
    with Stack() as stack:
        stack.keep = True
        kept.note(stack)
        pid, folder = stack.children["handler"].pid, str(stack.layout.folder)
        # The kernel shows an empty command line for an instant after the start.
        until(lambda: folder in command_line(pid), "the process", 10)
    yield stack
    stack.stop()


def test_note_names_processes_and_addresses(running: Stack) -> None:
    """Whoever finds the file knows what runs and where."""
    noted = json.loads((running.layout.folder / kept.NOTE).read_text(encoding="utf-8"))
    assert noted["processes"] == {"handler": running.children["handler"].pid}
    assert noted["addresses"]["handler"] == running.layout.url("handler")


def test_stop_ends_what_was_noted_and_removes_the_folders(running: Stack) -> None:
    """After it nothing of the demo is left."""
    pid = running.children["handler"].pid
    assert kept.stop(running.layout.folder) == ["handler"]
    assert not command_line(pid)
    assert not running.layout.folder.exists()
    assert not running.layout.cache.exists()


def test_stop_spares_a_process_that_is_not_the_demos(running: Stack, tmp_path: Path) -> None:
    """The note of another demo names an id that is ours by now: it is left alone."""
    other = tmp_path / f"{stack_module.PREFIX}other"
    shutil.copytree(running.layout.folder, other)
    assert kept.stop(other) == []
    assert command_line(running.children["handler"].pid)


def test_stop_folder_without_note_says_so(tmp_path: Path) -> None:
    """A wrong folder is an error and is not touched."""
    with pytest.raises(NotKeptError, match="no note of a running demo"):
        kept.stop(tmp_path)
    assert tmp_path.exists()
