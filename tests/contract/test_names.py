"""Rules and boards use only names that a daemon shows or a rule records, and nothing is shown for nobody."""

import re

import pytest

from alert_handler.metrics import Metrics
from exporter import catalogue, config
from tests.contract import promql_names
from tests.grafana import reading

#: Every process shows these of itself, through the client library.
OWN_PROCESS = re.compile(r"process_(resident_memory_bytes|cpu_seconds_total|open_fds|max_fds|start_time_seconds)")


@pytest.fixture(scope="module")
def shown() -> set[str]:
    """Every sample name that the exporter or the handler shows."""
    kinds = {entry.metric.name: entry.metric.kind for entry in catalogue.entries(config.known_collectors())}
    kinds |= {name: kind for name, (kind, _, _) in Metrics().catalogue.items()}
    samples = set(kinds)
    for name, kind in kinds.items():
        if kind == "histogram":
            samples |= {f"{name}{suffix}" for suffix in promql_names.HISTOGRAM_SUFFIXES}
    return samples


def unknown(names: set[str], shown: set[str]) -> set[str]:
    """The names that nobody shows."""
    return {name for name in names if name not in shown and not OWN_PROCESS.fullmatch(name)}


def test_rules_use_only_what_is_shown(shown: set[str]) -> None:
    """Every metric of every rule is shown by a daemon."""
    assert unknown(promql_names.scraped_by_rules(), shown) == set()


def test_boards_use_only_what_is_shown_or_recorded(shown: set[str]) -> None:
    """Every metric of every board is shown by a daemon, recorded by a rule, or Prometheus' own."""
    known = shown | promql_names.recorded_by_rules() | promql_names.FOREIGN | {"ALERTS_FOR_STATE"}
    used = {selector.name for query in reading.queries() for selector in reading.selectors(query.promql)}
    assert unknown({name for name in used if name}, known) == set()


def test_names_carry_the_prefix_and_base_units(shown: set[str]) -> None:
    """Every metric begins with nightshift_ and no name speaks of milliseconds or percent."""
    foreign = {name for name in shown if not name.startswith("nightshift_") and not OWN_PROCESS.fullmatch(name)}
    assert foreign <= {"process_virtual_memory_bytes", "process_virtual_memory_max_bytes"}
    assert not [name for name in shown if re.search(r"_(ms|percent|milliseconds|kb|mb)(_|$)", name)]
