from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter import config
from exporter.app import Exporter
from exporter.errors import ConfigError
from exporter.exposition import TEXT
from exporter.families import Family


@pytest.fixture
def path(tmp_path: Path, proc_root: str) -> Path:
    """A configuration with the fixture host's resources."""
    file = tmp_path / "exporter.yml"
    file.write_text(f"collectors: {{resources: {{proc_root: {proc_root}, exclude_mountpoints: ''}}}}\n")
    return file


@pytest.fixture
def exporter(path: Path) -> Iterator[Exporter]:
    """A running exporter."""
    it = Exporter(path, config.known_collectors())
    yield it
    it.close()


def test_exposition_holds_collectors_meta_and_self(exporter: Exporter) -> None:
    """A scrape shows what collectors, registry and the exporter itself have to say."""
    text = exporter.exposition(9, TEXT).decode()
    for name in (
        "nightshift_cpus 2",
        'nightshift_collector_success{collector="resources"} 1',
        "nightshift_build_info{",
    ):
        assert f"\n{name}" in text


def test_start_with_a_bad_configuration_raises(path: Path) -> None:
    """A daemon does not start on a configuration that it cannot use."""
    path.write_text("collectors: {x: {}}")
    with pytest.raises(ConfigError):
        Exporter(path, config.known_collectors())


def test_reload_bad_keeps_the_old(exporter: Exporter, path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A mistake in the file changes nothing but the gauge, and is told."""
    path.write_text("collectors: {resourcs: {}}")
    assert 'did you mean "resources"' in exporter.reload()
    assert exporter.running == ["resources"]
    assert "nightshift_config_last_reload_successful 0" in exporter.exposition(9, TEXT).decode()
    assert "the old configuration stays" in caplog.text


def test_reload_starts_and_ends_collectors(exporter: Exporter, path: Path, tmp_path: Path) -> None:
    """A new section starts its collector, a missing one ends it."""
    path.write_text(
        f"collectors: {{traffic: {{services: {{a: {{path: {tmp_path}/log}}}}}}, resources: {{enabled: false}}}}"
    )
    assert exporter.reload() == ""
    assert exporter.running == ["traffic"]
    text = exporter.exposition(9, TEXT).decode()
    assert 'nightshift_traffic_log_readable{service="a"} 0' in text
    assert "nightshift_cpus" not in text


def test_reload_keeps_a_collector_whose_section_is_the_same(exporter: Exporter, path: Path, tmp_path: Path) -> None:
    """A log that is followed is followed on, and its counts go on, when another section changes."""
    log = tmp_path / "log"
    log.write_text("nonsense\n")
    section = (
        f"collectors: {{traffic: {{services: {{a: {{path: {log}, start: beginning}}}}}}, resources: {{enabled: %s}}}}"
    )
    path.write_text(section % "false")
    exporter.reload()
    before = exporter.exposition(9, TEXT).decode()
    log.write_text("")
    path.write_text(section % "true")
    exporter.reload()
    assert 'nightshift_traffic_lines_total{service="a"} 1' in before
    assert 'nightshift_traffic_lines_total{service="a"} 1' in exporter.exposition(9, TEXT).decode()


def test_reload_that_cannot_build_closes_what_it_built(tmp_path: Path) -> None:
    """A collector that refuses to start takes back the ones built beside it."""
    closed = []

    class Good:
        config = config.known_collectors()["resources"].config
        metrics = ()

        def __init__(self, _: object) -> None:
            pass

        def collect(self) -> list[Family]:
            return []

        def close(self) -> None:
            closed.append(self)

    class Bad(Good):
        def __init__(self, _: object) -> None:
            raise PermissionError("no")

    path = tmp_path / "exporter.yml"
    path.write_text("collectors: {a: {}, b: {}}")
    with pytest.raises(ConfigError, match="the collector 'b' cannot be started: no"):
        Exporter(path, {"a": Good, "b": Bad})
    assert len(closed) == 1
