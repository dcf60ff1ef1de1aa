import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alert_handler.diagnoser import Sources
from alert_handler.diagnosers.saturation import Saturation, matcher_of
from alert_handler.errors import PrometheusUnavailable
from alert_handler.prometheus_api import Series
from tests.alert_handler.doubles import NOW, ScriptedPrometheus, incident

SHOP = incident({"alertname": "A", "service": "shop", "instance": "a:1"})


def series(name: str, *values: float, **labels: str) -> Series:
    """One range of a ratio."""
    points = tuple((NOW + at, value) for at, value in enumerate(values))
    return Series({"__name__": f"nightshift_{name}_used_ratio", **labels}, points)


@pytest.fixture
def diagnoser(prometheus: ScriptedPrometheus) -> Saturation:
    """The diagnoser over a scripted Prometheus."""
    return Saturation(Sources(prometheus, None))  # type: ignore[arg-type]


def test_fullest_resource_comes_first(diagnoser: Saturation, prometheus: ScriptedPrometheus) -> None:
    """Only what is above 70 %, with its change, its query and its points for the page."""
    prometheus.series = [
        series("memory", 0.8, 0.75, service="shop"),
        series("cpu", 0.2, 0.6),
        series("filesystem", 0.5, 0.95, mountpoint="/var"),
        series("file_handles"),
    ]
    found = diagnoser.look(SHOP, NOW)
    assert [evidence.text for evidence in found] == [
        "filesystem /var: 95.0% used, +45.0% since the window began",
        "memory shop: 75.0% used, -5.0% since the window began",
    ]
    assert (found[0].value, len(found[0].series)) == (0.95, 2)


def test_question_is_half_an_hour_in_sixty_points(diagnoser: Saturation, prometheus: ScriptedPrometheus) -> None:
    """Of the alert's own service."""
    diagnoser.look(SHOP, NOW)
    assert prometheus.asked == ['{__name__=~"nightshift_.+_used_ratio",service="shop"} 1800/30']


def test_ratio_that_is_nan_now_explains_nothing(diagnoser: Saturation, prometheus: ScriptedPrometheus) -> None:
    """No data is no evidence."""
    prometheus.series = [series("memory", 0.9, math.nan)]
    assert diagnoser.look(SHOP, NOW) == []


def test_no_more_than_six_are_told(diagnoser: Saturation, prometheus: ScriptedPrometheus) -> None:
    """A machine with a hundred full disks is told briefly."""
    prometheus.series = [series("filesystem", 0.9, mountpoint=f"/{n}") for n in range(100)]
    assert len(diagnoser.look(SHOP, NOW)) == 6


def test_alert_of_nobody_asks_nothing(diagnoser: Saturation, prometheus: ScriptedPrometheus) -> None:
    """Without service and instance every series of every machine would be an answer."""
    assert diagnoser.look(incident({"alertname": "A", "service": ""}), NOW) == []
    assert prometheus.asked == []


def test_prometheus_that_does_not_answer_is_told_to_the_stage(
    diagnoser: Saturation, prometheus: ScriptedPrometheus
) -> None:
    """The stage names the diagnoser as missing."""
    prometheus.series = PrometheusUnavailable("gone")
    with pytest.raises(PrometheusUnavailable):
        diagnoser.look(SHOP, NOW)


@pytest.mark.parametrize(
    ("labels", "matcher"),
    [
        ({"service": "shop", "instance": "a:1"}, 'service="shop"'),
        ({"instance": "a:1"}, 'instance="a:1"'),
        ({}, ""),
        ({"service": 'x"} or vector(1) #'}, r'service="x\"} or vector(1) #"'),
        ({"service": "x\\"}, r'service="x\\"'),
        ({"service": 'x\\"\n'}, r'service="x\\\"\n"'),
    ],
)
def test_matcher_quotes_whatever_the_label_holds(labels: dict[str, str], matcher: str) -> None:
    """A hostile label stays a string in the query."""
    assert matcher_of(incident(labels)) == matcher


@settings(deadline=None, max_examples=200)
@given(st.text(alphabet='ab"\\\n{}', min_size=1, max_size=12))
def test_quoted_label_can_be_read_back(value: str) -> None:
    """No text closes the quotes: un-escaping what stands between them gives the label."""
    inside = matcher_of(incident({"service": value})).removeprefix('service="').removesuffix('"')
    unescaped, rest = "", inside
    while rest:
        taken = 2 if rest[0] == "\\" else 1
        assert rest[:taken] not in ('"', "\n")
        unescaped += {"\\n": "\n", '\\"': '"', "\\\\": "\\"}.get(rest[:taken], rest[:taken])
        rest = rest[taken:]
    assert unescaped == value
