"""What the boards' queries say of series whose course is known, evaluated by promtool."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from demo import binaries
from tests.grafana.healthy import HANDLER, HOST
from tests.grafana.reading import queries

pytestmark = pytest.mark.acceptance


def _promql(panel: str, ref: str) -> str:
    return next(query.promql for query in queries() if (query.panel, query.ref) == (panel, ref))


def _labelled(name: str, labels: dict[str, str]) -> str:
    return f"{name}{{{','.join(f'{key}={json.dumps(value)}' for key, value in labels.items())}}}"


def _check(tmp_path: Path, series: dict[str, str], expr: str, at: str, expected: dict[str, float]) -> None:
    """Asserts that promtool gets *expected* (series: value) for *expr* at the time *at*, with a sample each minute."""
    samples = [{"labels": labels, "value": value} for labels, value in expected.items()]
    group: dict[str, Any] = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [{"expr": expr, "eval_time": at, "exp_samples": samples}],
    }
    path = tmp_path / "series.yml"
    path.write_text(json.dumps({"rule_files": [], "tests": [group]}))
    told = subprocess.run(
        [binaries.find("promtool"), "test", "rules", path], check=False, capture_output=True, text=True, timeout=30
    )
    assert told.returncode == 0, told.stdout + told.stderr


MEMORY = _labelled("instance_resource:nightshift_saturation:ratio", {**HOST, "resource": "memory"})
ROW = '{signal="Memory, %"}'


@pytest.mark.parametrize(("now", "direction"), [("0.25x10", 0), ("0.5x10", 1), ("0.125x10", -1)])
def test_trend_compares_with_the_last_half_hour(tmp_path: Path, now: str, direction: int) -> None:
    """A tenth above the mean is rising, a tenth below falling, all else steady."""
    course = {MEMORY: f"0.25x120 {now}"}
    _check(tmp_path, course, _promql("Golden signals", "D"), "2h5m", {ROW: direction})


def test_usual_is_not_moved_by_a_fault(tmp_path: Path) -> None:
    """The median of a day stays where it was when the last hour was bad."""
    course = {MEMORY: "0.25x300 1x60"}
    _check(tmp_path, course, _promql("Golden signals", "B"), "6h", {ROW: 25})


@pytest.mark.parametrize(("used", "state"), [("0.5", 0), ("0.875", 3)])
def test_state_is_the_highest_limit_crossed(tmp_path: Path, used: str, state: int) -> None:
    """Memory knows one level, critical."""
    _check(tmp_path, {MEMORY: f"{used}x10"}, _promql("Golden signals", "C"), "10m", {ROW: state})


def test_busy_traffic_is_told_by_its_usual(tmp_path: Path) -> None:
    """Traffic has no limit: beyond 1.5 times the median of a day it is a WARNING."""
    traffic = _labelled("service:nightshift_http_requests:rate1m", {**HOST, "service": "shop"})
    course = {traffic: "10x300 16x10"}
    _check(tmp_path, course, _promql("Golden signals", "C"), "5h5m", {'{signal="Traffic, requests/s"}': 1})


def test_events_are_counted_over_a_restart(tmp_path: Path) -> None:
    """A counter that is born with an event, and begins again after a restart, loses none and repeats none."""
    decisions = _labelled("nightshift_decisions_total", {**HANDLER, "verdict": "act", "reason": "allowed"})
    course = {decisions: "_x3 1x3 3x3 _x2 1x3 2x5"}
    expected = {'{verdict="act", reason="allowed"}': 5.0}
    _check(tmp_path, course, _promql("Decisions and their reasons", "A"), "20m", expected)


def test_counter_of_a_handler_that_was_out_of_reach_is_not_counted_twice(tmp_path: Path) -> None:
    """A gap in the scrapes is no new series: only what came meanwhile is added."""
    decisions = _labelled("nightshift_decisions_total", {**HANDLER, "verdict": "act", "reason": "allowed"})
    course = {decisions: "_x3 4x5 _x10 6x10"}
    expected = {'{verdict="act", reason="allowed"}': 6.0}
    _check(tmp_path, course, _promql("Decisions and their reasons", "A"), "28m", expected)
