import platform

import pytest

from chassis import VERSION
from exporter.errors import SourceUnavailable
from exporter.self_metrics import SelfMetrics
from exporter.sheets import Sheet
from tests.exporter.doubles import Clock, Shown


def test_collect_tells_the_build(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    """Version, revision and Python are labels of a 1."""
    monkeypatch.setenv("NIGHTSHIFT_REVISION", "abc123")
    labels = f'version="{VERSION}",revision="abc123",python_version="{platform.python_version()}"'
    assert shown(SelfMetrics().collect())[f"nightshift_build_info{{{labels}}}"] == 1


def test_collect_tells_the_last_reload(shown: Shown, clock: Clock) -> None:
    """A failed reload is a 0, and the time stays that of the last good one."""
    about = SelfMetrics(clock)
    about.reloaded(successful=True)
    clock.now += 60
    about.reloaded(successful=False)
    found = shown(about.collect())
    assert found["nightshift_config_last_reload_successful"] == 0
    assert found["nightshift_config_last_reload_success_timestamp_seconds"] == 1000.0


def test_collect_without_its_process_tells_the_rest(shown: Shown, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the kernel hides the process, build and reload are still told."""
    about = SelfMetrics()

    def hidden() -> list[Sheet]:
        raise SourceUnavailable("hidden")

    monkeypatch.setattr(about._process, "collect", hidden)
    assert len(shown(about.collect())) == 3
