"""What holds for every collector, also for the one that is written next."""

import inspect
import re
import threading
from collections.abc import Iterator

import msgspec
import pytest

from exporter import catalogue, config
from exporter.catalogue import Entry
from exporter.collector import Collector, CollectorConfig, build
from exporter.config import known_collectors
from exporter.exposition import OPENMETRICS, render
from tests.exporter.doubles import Until

KNOWN = known_collectors()
EXAMPLES = config.load(config.Path(config.__file__).parent / "exporter.yml", KNOWN).collectors
ENTRIES = catalogue.entries(KNOWN)


@pytest.fixture(params=sorted(KNOWN))
def running(request: pytest.FixtureRequest) -> Iterator[Collector]:
    """Each collector with its section of the example configuration, none of whose targets is there."""
    it = build(KNOWN[request.param], EXAMPLES[request.param])
    yield it
    it.close()


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.metric.name)
def test_metric_follows_the_naming_rules(entry: Entry) -> None:
    """Prefix, snake case, base units, _total for counters only, a help sentence, no reserved label."""
    metric = entry.metric
    assert re.fullmatch(r"(nightshift|process)_[a-z0-9_]+", metric.name)
    assert not re.search(r"percent|millis|_ms\b|_kb\b", metric.name)
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    assert metric.help.endswith(".")
    assert not {"le", "quantile", "job", "instance", "type", "env"} & set(metric.labels)


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_collector_lives_in_a_file_of_its_name(name: str) -> None:
    """A collector is found where its name says, with its configuration beside it."""
    cls = KNOWN[name]
    assert cls.__module__ == f"exporter.collectors.{name}"
    assert cls.config.__module__ == cls.__module__
    assert issubclass(cls.config, CollectorConfig)
    assert inspect.getdoc(cls)


@pytest.mark.parametrize("name", sorted(KNOWN))
def test_collector_configuration_has_defaults(name: str) -> None:
    """An empty section is valid, unless the collector has nothing to measure without targets."""
    assert msgspec.convert({}, KNOWN[name].config).enabled


def test_collector_yields_declared_metrics_only(running: Collector) -> None:
    """What is shown was declared, so `describe` and the rules know it."""
    declared = {id(metric) for metric in type(running).metrics}
    families = [family for part in running.collect() for family in part.families()]
    assert families
    assert {id(family.metric) for family in families} <= declared


def test_collector_without_its_sources_still_renders(running: Collector) -> None:
    """With every target gone the exposition is whole."""
    assert render(running.collect(), OPENMETRICS).endswith(b"# EOF\n")


def test_collector_closes_twice_and_leaves_no_thread(running: Collector, until: Until) -> None:
    """Closing gives everything back, and a second time changes nothing."""
    list(running.collect())
    running.close()
    running.close()
    until(lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("source ")])
