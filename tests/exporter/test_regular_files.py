import os
from pathlib import Path

import pytest

from exporter.errors import SourceUnavailable
from exporter.sources.regular_files import matching, opened, read, stamp_of


def test_read_gives_bytes_and_stamp(tmp_path: Path) -> None:
    """A file is read whole, through a symbolic link too."""
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "link").symlink_to("a")
    content, stamp = read(tmp_path / "link", 3)
    assert (content, stamp.size) == (b"abc", 3)
    assert stamp == stamp_of(tmp_path / "a")


def test_read_larger_file_is_refused(tmp_path: Path) -> None:
    """The bound holds for what is read, whatever size the file claims."""
    (tmp_path / "a").write_bytes(b"abc")
    with pytest.raises(SourceUnavailable, match="a: is larger than 2 bytes"):
        read(tmp_path / "a", 2)


def test_read_fifo_is_refused_without_waiting(tmp_path: Path) -> None:
    """A FIFO without a writer would hold up the scrape for ever."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(SourceUnavailable, match="pipe: is no regular file"):
        read(tmp_path / "pipe", 10)


def test_opened_fifo_that_came_in_between_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also a FIFO that takes the file's place after the first look is not waited for."""
    os.mkfifo(tmp_path / "pipe")
    monkeypatch.setattr("exporter.sources.regular_files.stamp_of", lambda path: path)
    with pytest.raises(SourceUnavailable, match="is no regular file"), opened(tmp_path / "pipe"):
        pass


@pytest.mark.parametrize("name", ["none", "folder", "loop"])
def test_read_what_is_no_file_says_so(tmp_path: Path, name: str) -> None:
    """A missing file, a folder and a link to itself are told apart from data."""
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(SourceUnavailable, match=f"{name}: (cannot be read|is no regular)"):
        read(tmp_path / name, 10)


def test_stamp_changes_with_a_replacement(tmp_path: Path) -> None:
    """A file of the same size and time in its place is another one."""
    for name in ("a", "b"):
        (tmp_path / name).write_text("same")
        os.utime(tmp_path / name, (1000, 1000))
    before = stamp_of(tmp_path / "a")
    (tmp_path / "b").rename(tmp_path / "a")
    assert stamp_of(tmp_path / "a") != before


def test_stamp_of_a_fresh_file_is_not_trusted(tmp_path: Path) -> None:
    """Two writings within one tick of the clock leave the same stamp."""
    (tmp_path / "a").write_text("a")
    stamp = stamp_of(tmp_path / "a")
    assert not stamp.settled(stamp.changed_ns / 1e9)
    assert stamp.settled(stamp.changed_ns / 1e9 + 2)


def test_matching_what_is_no_pattern_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Python before 3.13 knows `**` as a whole part of a path only."""

    def refuse(*_: object) -> list[Path]:
        raise ValueError("no pattern")

    monkeypatch.setattr(Path, "glob", refuse)
    with pytest.raises(SourceUnavailable, match=r"/srv/\*\*x: no pattern"):
        matching("/srv/**x")


def test_matching_follows_wildcards(tmp_path: Path) -> None:
    """Wildcards name what is there, in order; a plain path itself, so that its absence can be told."""
    for name in ("b", "a"):
        (tmp_path / name / "metrics").mkdir(parents=True)
    assert matching(f"{tmp_path}/*/metrics") == [tmp_path / "a/metrics", tmp_path / "b/metrics"]
    assert matching(f"{tmp_path}/none") == [tmp_path / "none"]
