from collections.abc import Iterable
from pathlib import Path

import pytest

from chassis.watched import INTERVAL_SECONDS, Watched, signature


class Maker:
    """Reads a file, as often as it is asked to."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.made = 0
        self.accepts_bad = False
        self.afterwards = ""

    def __call__(self) -> tuple[str, Iterable[Path]]:
        """The file's text; a text that is `bad` cannot be used."""
        self.made += 1
        text = self.file.read_text()
        if self.afterwards:
            self.file.write_text(self.afterwards)
        if text == "bad" and not self.accepts_bad:
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


def test_watched_tries_again_what_failed(maker: Maker, caplog: pytest.LogCaptureFixture) -> None:
    """What was missing may be a file that was never watched, or a right that no time tells; the reason is told once."""
    clock = Clock()
    watched = Watched(maker, (ValueError,), clock)
    maker.file.write_text("bad")
    for clock.now in (1 * INTERVAL_SECONDS, 2 * INTERVAL_SECONDS):
        assert watched() == "one"
    assert caplog.text.count("the old one stays in use") == 1
    maker.accepts_bad = True
    clock.now = 3 * INTERVAL_SECONDS
    assert watched() == "bad"


def test_watched_sees_a_change_while_it_reads(maker: Maker) -> None:
    """A file that is written in two goes is read again, also when the second comes just after the first was read."""
    clock = Clock()
    watched = Watched(maker, (ValueError,), clock)
    maker.file.write_text("half")
    maker.afterwards = "half and half"
    clock.now = INTERVAL_SECONDS
    assert watched() == "half"
    clock.now = 2 * INTERVAL_SECONDS
    assert watched() == "half and half"


def test_watched_raises_at_the_start(tmp_path: Path) -> None:
    """There is no old value yet."""
    with pytest.raises(FileNotFoundError):
        Watched(Maker(tmp_path / "none"), (OSError,))


def test_signature_tells_a_missing_file_from_any_other(tmp_path: Path) -> None:
    """A file that appears is a change."""
    before = signature([tmp_path / "a"])
    (tmp_path / "a").touch()
    assert before == (None,) != signature([tmp_path / "a"])
