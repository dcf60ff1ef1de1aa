import os
from pathlib import Path

import pytest

from exporter.state import DEFAULT_DIRECTORY, MAX_BYTES, KeepsState, StateFile, state_file


def test_state_survives(tmp_path: Path) -> None:
    """What was saved is there for the next process, and for its owner alone."""
    config = KeepsState(state_directory=str(tmp_path / "state"))
    assert state_file(config, "a.json").load() is None
    assert state_file(config, "a.json").save(b"one")
    assert state_file(config, "a.json").load() == b"one"
    assert (tmp_path / "state" / "a.json").stat().st_mode & 0o777 == 0o600


def test_state_is_replaced_whole(tmp_path: Path) -> None:
    """A save that was cut off leaves the old content and does not stop the next save."""
    (tmp_path / "a.new").write_bytes(b"half")
    file = StateFile(tmp_path / "a")
    file.save(b"one")
    file.save(b"two")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert file.load() == b"two"


def test_state_that_cannot_be_kept_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A directory that is a file costs the state, not the collector."""
    (tmp_path / "file").touch()
    file = StateFile(tmp_path / "file" / "a")
    assert not file.save(b"one")
    assert not file.save(b"two")
    assert caplog.text.count("state cannot be kept") == 1


def test_state_that_is_unreadable_or_foreign_is_none(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A directory in its place is told; a file of a size that we never write is left alone."""
    (tmp_path / "a").mkdir()
    assert StateFile(tmp_path / "a").load() is None
    assert "cannot be read" in caplog.text
    with (tmp_path / "b").open("wb") as file:
        file.truncate(MAX_BYTES + 1)
    assert StateFile(tmp_path / "b").load() is None


def test_state_that_is_a_fifo_is_none_at_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What takes the file's place and never ends holds up no start."""
    os.mkfifo(tmp_path / "a")
    assert StateFile(tmp_path / "a").load() is None
    assert "no regular file" in caplog.text


@pytest.mark.parametrize(("given", "expected"), [("/x/y:/z", "/x/y"), ("", DEFAULT_DIRECTORY)])
def test_state_directory_is_systemds_or_the_working_directorys(
    monkeypatch: pytest.MonkeyPatch, given: str, expected: str
) -> None:
    """Without a word in the configuration the first of systemd's directories counts."""
    monkeypatch.setenv("STATE_DIRECTORY", given)
    assert state_file(KeepsState(), "a")._path == Path(expected) / "a"
