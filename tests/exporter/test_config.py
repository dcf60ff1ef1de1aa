from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from exporter import config
from exporter.collector import CollectorConfig
from exporter.collectors.resources import Config as ResourcesConfig
from exporter.errors import ConfigError

#: Loads a configuration given as text.
Load = Callable[[str], Mapping[str, CollectorConfig]]
EXAMPLE = Path(config.__file__).parent / "exporter.yml"


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Loads a configuration given as text."""

    def from_text(text: str) -> Mapping[str, CollectorConfig]:
        path = tmp_path / "exporter.yml"
        path.write_text(text)
        return config.load(path, config.known_collectors()).collectors

    return from_text


def test_load_nothing_runs_resources_alone() -> None:
    """Without a file the collector that needs no targets runs, with its defaults."""
    assert config.load(None, config.known_collectors()).collectors == {"resources": ResourcesConfig()}


def test_load_empty_file_is_the_same_as_none(load: Load) -> None:
    """An empty file and an empty section change nothing."""
    assert list(load("")) == list(load("collectors:\n")) == list(load("collectors: {resources: }\n")) == ["resources"]


def test_load_switches_off(load: Load) -> None:
    """`enabled: false` is how a host with node_exporter leaves resources out."""
    assert load("collectors: {resources: {enabled: false}}") == {}


def test_load_example_is_valid() -> None:
    """The commented example loads, and uses every collector."""
    known = config.known_collectors()
    assert set(config.load(EXAMPLE, known).collectors) == set(known)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("collectors: {helth: {}}", 'config: exporter.yml: collectors: unknown key "helth" (did you mean "health"?)'),
        ("colectors: {}", 'unknown key "colectors" (did you mean "collectors"?)'),
        ("collectors: {health: {services: {a: {urll: x}}}}", 'health.services.a: unknown key "urll" (did'),
        ("collectors: {traffic: {services: {a: {}}}}", "missing required field `path`"),
        ("collectors: {resources: {proc_root: 7}}", "collectors.resources.proc_root: expected `str`, got `int`"),
        ("collectors: [", "exporter.yml: line 1"),
        ("- a", "expected `object`, got `array`"),
    ],
)  # fmt: skip
def test_load_mistakes_name_the_place(load: Load, text: str, message: str) -> None:
    """File, path and remedy are in the message."""
    with pytest.raises(ConfigError) as caught:
        load(text)
    assert message in str(caught.value)


def test_load_missing_file_is_named(tmp_path: Path) -> None:
    """A file that was asked for and is not there is an error."""
    with pytest.raises(ConfigError, match=r"none\.yml: cannot be read: No such file"):
        config.load(tmp_path / "none.yml", {})
