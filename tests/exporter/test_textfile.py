from pathlib import Path

import pytest

from exporter.textfile import write_atomically


def test_write_atomically_replaces_the_file(tmp_path: Path) -> None:
    """The new content takes the old one's place and can be read by others."""
    path = tmp_path / "x.prom"
    path.write_text("old")
    write_atomically(path, b"new")
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o644


def test_write_atomically_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    """A file that cannot take its place is removed again, and the old one stays."""
    (tmp_path / "target").mkdir()
    with pytest.raises(OSError, match="target"):
        write_atomically(tmp_path / "target", b"x")
    assert list(tmp_path.iterdir()) == [tmp_path / "target"]
