import logging
import os
from pathlib import Path

import pytest

from exporter.errors import SourceMalformed
from exporter.sources import regular_files, reports
from exporter.sources.regular_files import Stamp
from exporter.sources.reports import Report, begins_with

LONG_AGO, NOW = 1000.0, 1e10


class Words:
    """Reads the words of a file and remembers what it read; the word "broken" is refused."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def __call__(self, path: Path) -> tuple[str, Stamp]:
        """The text of the file."""
        self.read.append(path.name)
        content, stamp = regular_files.read(path, 100)
        if content == b"broken":
            raise SourceMalformed(f"{path}: broken")
        return content.decode(), stamp


@pytest.fixture
def words() -> Words:
    """A reader."""
    return Words()


def put(path: Path, text: str, modified: float = LONG_AGO) -> None:
    """A file of this age."""
    path.write_text(text)
    os.utime(path, (modified, modified))


def test_look_gives_every_file_and_the_newest_time(tmp_path: Path, words: Words) -> None:
    """The files of a pattern are one report."""
    put(tmp_path / "a.txt", "one")
    put(tmp_path / "b.txt", "two", 2000)
    reading = Report("r", f"{tmp_path}/*.txt", words).look()
    assert (reading.values, reading.modified_seconds, reading.problem) == (("one", "two"), 2000, "")


def test_look_reads_only_what_has_changed(tmp_path: Path, words: Words) -> None:
    """A file that was left alone is not read again, one that is gone is forgotten."""
    put(tmp_path / "a.txt", "one")
    put(tmp_path / "b.txt", "two")
    report = Report("r", f"{tmp_path}/*.txt", words, wall=lambda: NOW)
    report.look()
    put(tmp_path / "b.txt", "three")
    assert report.look().values == ("one", "three")
    assert words.read == ["a.txt", "b.txt", "b.txt"]
    (tmp_path / "a.txt").unlink()
    assert report.look().values == ("three",)


def test_look_missing_report_has_no_values(tmp_path: Path, words: Words) -> None:
    """Neither a path nor a pattern need be there."""
    assert "there is no" in Report("r", f"{tmp_path}/none", words).look().problem
    assert "there is no" in Report("r", f"{tmp_path}/*.txt", words).look().problem


def test_look_broken_file_spoils_the_report_and_is_logged_once(
    tmp_path: Path, words: Words, caplog: pytest.LogCaptureFixture
) -> None:
    """A part of the results would look better than the whole."""
    caplog.set_level(logging.INFO)
    put(tmp_path / "a.txt", "one")
    put(tmp_path / "b.txt", "broken")
    report = Report("r", f"{tmp_path}/*.txt", words)
    assert (report.look().values, report.look().values) == ((), ())
    assert caplog.text.count("b.txt: broken") == 1
    put(tmp_path / "b.txt", "two")
    assert report.look().values == ("one", "two")
    assert "readable again" in caplog.text


def test_look_too_many_files_are_no_report(tmp_path: Path, words: Words, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wildcard that matches a whole disk is a mistake."""
    monkeypatch.setattr(reports, "MAX_FILES", 1)
    put(tmp_path / "a.txt", "one")
    put(tmp_path / "b.txt", "two")
    assert "matches 2 files: more than 1" in Report("r", f"{tmp_path}/*.txt", words).look().problem
    assert words.read == []


@pytest.mark.parametrize(
    ("text", "first"), [(b"\xef\xbb\xbf\n <a/>", "<"), (b"{}", "{"), (b"", ""), (b"\xff", "\ufffd")]
)
def test_begins_with_tells_formats_apart(tmp_path: Path, text: bytes, first: str) -> None:
    """A byte order mark and white space in front do not count."""
    (tmp_path / "a").write_bytes(text)
    assert begins_with(tmp_path / "a") == first
