from collections.abc import Iterable
from pathlib import Path

import pytest

from chassis.watched import INTERVAL_SECONDS, Watched, signature


class Maker:
    """Reads a file, as often as it is asked to."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.made = 0

    def __call__(self) -> tuple[str, Iterable[Path]]:
        """The file's text; a text that is `bad` cannot be used."""
        self.made += 1
        text = self.file.read_text()
        if text == "bad":
            raise ValueError("bad text")
        return text, [self.file]


class Clock:
    """Seconds that a test moves."""

    now = 0.0

    def __call__(self) -> float:
        """Say the time."""
        return self.now


@pytest.fixture
def maker(tmp_path: Path) -> Maker:
    """A maker of a file that says `one`."""
    (tmp_path / "file").write_text("one")
    return Maker(tmp_path / "file")


def test_watched_follows_the_file(maker: Maker) -> None:
    """A change counts after the interval, and nothing is made where nothing changed."""
    clock = Clock()
    watched = Watched(maker, (ValueError,), clock)
    maker.file.write_text("two!")
    assert watched() == "one"
    clock.now = INTERVAL_SECONDS
    assert watched() == "two!"
    clock.now = 9 * INTERVAL_SECONDS
    assert (watched(), maker.made) == ("two!", 2)


@pytest.mark.parametrize("change", ["bad", None])
def test_watched_keeps_what_works(maker: Maker, change: str | None, caplog: pytest.LogCaptureFixture) -> None:
    """A file that cannot be used, or is gone for a moment, changes nothing and is told; a good one is taken again."""
    clock = Clock()
    watched = Watched(maker, (ValueError, OSError), clock)
    maker.file.write_text(change) if change else maker.file.unlink()
    clock.now = INTERVAL_SECONDS
    assert watched() == "one"
    assert "the old one stays in use" in caplog.text
    maker.file.write_text("three")
    clock.now = 2 * INTERVAL_SECONDS
    assert watched() == "three"


def test_watched_raises_at_the_start(tmp_path: Path) -> None:
    """There is no old value yet."""
    with pytest.raises(FileNotFoundError):
        Watched(Maker(tmp_path / "none"), (OSError,))


def test_signature_tells_a_missing_file_from_any_other(tmp_path: Path) -> None:
    """A file that appears is a change."""
    before = signature([tmp_path / "a"])
    (tmp_path / "a").touch()
    assert before == (None,) != signature([tmp_path / "a"])
