from pathlib import Path

import pytest

from exporter.sources.deploy_history import Deployment, History
from exporter.state import StateFile


@pytest.fixture
def file(tmp_path: Path) -> StateFile:
    """Where the history is kept."""
    return StateFile(tmp_path / "deployments.json")


def deployment(version: str, time: float = 1000.0, service: str = "shop", commit: str = "") -> Deployment:
    """A deployment."""
    return Deployment(service, version, time, commit)


def test_found_first_is_no_deployment(file: StateFile) -> None:
    """What runs when the exporter starts was there already; the next is a change."""
    history = History(file, 10, 10)
    assert not history.found(deployment("1"))
    assert not history.found(deployment("1", 2000.0))
    assert history.counts() == {}
    assert history.found(deployment("2", 3000.0))
    assert history.counts() == {"shop": 1}
    assert history.current() == history.changes() == [deployment("2", 3000.0)]


def test_found_new_name_of_one_commit_is_no_deployment(file: StateFile) -> None:
    """A tag that comes later changes the version that is shown, and counts nothing."""
    history = History(file, 10, 10)
    history.found(deployment("abc", commit="abc"))
    assert not history.found(deployment("v1", commit="abc"))
    assert history.current() == [deployment("v1", commit="abc")]


def test_history_survives_a_restart(file: StateFile) -> None:
    """A deployment while the exporter was away is counted when it is back."""
    history = History(file, 10, 10)
    history.found(deployment("1"))
    history.told(deployment("7", service="blog"), shown=True)
    again = History(file, 10, 10)
    assert again.found(deployment("2", 2000.0))
    assert again.counts() == {"blog": 1, "shop": 1}
    assert [one.version for one in again.changes()] == ["2", "7"]


def test_told_twice_counts_once(file: StateFile) -> None:
    """A report that is sent again is known."""
    history = History(file, 10, 10)
    assert history.told(deployment("1"), shown=True)
    assert not history.told(deployment("1"), shown=True)
    assert history.counts() == {"shop": 1}


def test_told_late_is_a_change_and_not_the_present(file: StateFile) -> None:
    """A report that comes out of order does not roll back what is shown."""
    history = History(file, 10, 10)
    history.told(deployment("2", 2000.0), shown=True)
    history.told(deployment("1", 1000.0), shown=True)
    assert [one.version for one in history.current()] == ["2"]
    assert history.counts() == {"shop": 2}


def test_told_of_another_environment_is_listed_only(file: StateFile) -> None:
    """A deployment to staging is a change, and not what runs."""
    history = History(file, 10, 10)
    assert history.told(deployment("1"), shown=False)
    assert (history.current(), history.counts(), len(history.changes())) == ([], {}, 1)


def test_history_is_bounded(file: StateFile) -> None:
    """The oldest changes go, and a service too many is refused."""
    history = History(file, 3, 2)
    for number in range(5):
        history.told(deployment(str(number), number), shown=True)
    assert [one.version for one in history.changes()] == ["4", "3", "2"]
    history.told(deployment("1", service="blog"), shown=True)
    with pytest.raises(OverflowError, match="2 services"):
        history.told(deployment("1", service="third"), shown=True)


def test_forget_drops_what_is_shown_no_more(file: StateFile) -> None:
    """A service that left the configuration leaves the metrics, its changes stay listed."""
    history = History(file, 10, 10)
    history.told(deployment("1"), shown=True)
    history.forget(lambda _: False)
    assert (history.current(), history.counts(), len(history.changes())) == ([], {}, 1)


@pytest.mark.parametrize(
    "content", [b"", b"null", b"\xff", b'{"current": 3}', b'{"current":{"\xff":{}}}', b"[" * 100_000]
)
def test_history_starts_afresh_from_an_unreadable_file(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    """State that nobody can read is no reason not to start."""
    (tmp_path / "state").write_bytes(content)
    assert History(StateFile(tmp_path / "state"), 10, 10).current() == []
    assert "kept state is damaged" in caplog.text
