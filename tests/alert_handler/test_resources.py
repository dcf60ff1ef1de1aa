from collections.abc import Iterator
from pathlib import Path

import promql_parser
import pytest
import yaml

from alert_handler.resources import KEPT_SECONDS, LIMITS, QUERY, LiveResources
from tests.alert_handler.house import Prometheus

TARGETS = Path(__file__).parents[2] / "prometheus/targets.yml"


@pytest.fixture
def prometheus() -> Iterator[Prometheus]:
    """A Prometheus that knows two resources."""
    answering = Prometheus()
    answering.answers["nightshift"] = [
        ({"__name__": "nightshift_health_memory_used_ratio", "service": "shop", "instance": "x"}, 0.4),
        ({"__name__": "nightshift_filesystem_used_ratio", "instance": "web-1", "mountpoint": "/"}, 0.9),
        ({"resource": "cpu", "instance": "web-1"}, 0.2),
        ({"__name__": "nightshift_memory_used_ratio", "instance": "web-2"}, float("nan")),
    ]
    yield answering
    answering.close()


class Clock:
    """Time that the test moves."""

    now = 1000.0

    def __call__(self) -> float:
        """Unix seconds."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Its own for each test."""
    return Clock()


def test_resources_are_named_and_sorted_by_their_distance_from_the_limit(prometheus: Prometheus, clock: Clock) -> None:
    """Of a service or an instance; a value that is no number is left out."""
    reading = LiveResources(lambda: prometheus.url, clock).read()
    assert [(r.owner, r.resource, r.place, r.used_ratio) for r in reading.resources] == [
        ("web-1", "disk", "/", 0.9),
        ("shop", "memory", "", 0.4),
        ("web-1", "cpu", "", 0.2),
    ]
    assert (reading.at, reading.problem) == (1000.0, "")


def test_answer_is_kept_a_few_seconds(prometheus: Prometheus, clock: Clock) -> None:
    """Ten people who look at the board are one question."""
    live = LiveResources(lambda: prometheus.url, clock)
    for _ in range(10):
        live.read()
    assert len(prometheus.asked) == 1
    clock.now += KEPT_SECONDS
    live.read()
    assert len(prometheus.asked) == 2


def test_what_was_known_stays_while_prometheus_is_away(prometheus: Prometheus, clock: Clock) -> None:
    """With its age and the reason."""
    live = LiveResources(lambda: prometheus.url, clock)
    live.read()
    prometheus.close()
    clock.now += 60
    reading = live.read()
    assert reading.at == 1000.0
    assert len(reading.resources) == 3
    assert reading.problem.startswith("prometheus http://127.0.0.1")


def test_nothing_known_is_said(clock: Clock) -> None:
    """A Prometheus that was never there gives no resources and no exception."""
    reading = LiveResources(lambda: "http://127.0.0.1:1", clock).read()
    assert (reading.at, reading.resources) == (None, ())
    assert reading.problem


@pytest.mark.parametrize(
    ("resource", "key"), [("disk", "disk_used_ratio"), ("memory", "memory_used_ratio"), ("cpu", "cpu_used_ratio")]
)
def test_limits_are_those_of_the_rules(resource: str, key: str) -> None:
    """prometheus/targets.yml holds every threshold; the board's marks are the same numbers."""
    levels = yaml.safe_load(TARGETS.read_text(encoding="utf-8"))[key]["levels"]
    assert LIMITS[resource] == (min(levels.values()), max(levels.values()))


def test_question_is_promql() -> None:
    """It parses, and CPU's part has a label of its own, or `or` would leave it out beside memory."""
    assert promql_parser.parse(QUERY)
    assert '"resource", "cpu"' in QUERY
