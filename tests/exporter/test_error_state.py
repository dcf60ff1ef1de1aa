from pathlib import Path

import pytest

from exporter.sources.error_state import ErrorState, Place
from exporter.sources.log_position import Position
from exporter.state import KeepsState


@pytest.fixture
def config(tmp_path: Path) -> KeepsState:
    """State in a folder of its own."""
    return KeepsState(state_directory=str(tmp_path / "state"))


def test_places_and_patterns_survive(config: KeepsState) -> None:
    """A new process finds positions, open lines and patterns again."""
    state = ErrorState(config)
    state.save_places({"shop": Place(Position(("a.log",)).encode(), {"a.log": ["Error: x"]})})
    state.save_patterns({"shop": b"dump"}, 1, 1000.0)
    after = ErrorState(config)
    assert after.position("shop") == Position(("a.log",))
    assert after.open_lines("shop") == {"a.log": ["Error: x"]}
    assert after.patterns == {"shop": b"dump"}


def test_nothing_kept_is_no_position(config: KeepsState) -> None:
    """The first start knows nothing."""
    assert ErrorState(config).position("shop") is None
    assert ErrorState(config).open_lines("shop") == {}


@pytest.mark.parametrize("damage", [b"\xc1", b"", b"\x81\xa4shop\x01"])
def test_damaged_files_are_as_good_as_none(config: KeepsState, damage: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """What cannot be read costs the memory, not the collector, and the log says so."""
    ErrorState(config).save_patterns({"shop": b"dump"}, 1, 1.0)
    for name in ("positions", "patterns"):
        (Path(config.state_directory) / f"error_log.{name}").write_bytes(damage)
    assert ErrorState(config).patterns == {}
    assert caplog.text.count("kept state is damaged") == 2


def test_patterns_are_due_when_new_or_after_a_minute(config: KeepsState) -> None:
    """A new pattern is kept at once, counts now and then, also when the clock goes back."""
    state = ErrorState(config)
    state.save_patterns({}, 3, 1000.0)
    due = [state.patterns_are_due(new, now) for new, now in ((3, 1059.0), (4, 1001.0), (3, 1060.0), (3, 5.0))]
    assert due == [False, True, True, True]


def test_patterns_of_other_services_are_kept(config: KeepsState) -> None:
    """A service that is not configured for a while is not forgotten."""
    ErrorState(config).save_patterns({"old": b"1"}, 1, 1.0)
    ErrorState(config).save_patterns({"shop": b"2"}, 1, 1.0)
    assert ErrorState(config).patterns == {"old": b"1", "shop": b"2"}


def test_user_key_is_made_once(config: KeepsState) -> None:
    """The key outlives a restart, is long, and only the exporter may read it."""
    key = ErrorState(config).user_key()
    assert ErrorState(config).user_key() == key
    assert len(key) == 32
    assert (Path(config.state_directory) / "error_log.user_key").stat().st_mode & 0o777 == 0o600
