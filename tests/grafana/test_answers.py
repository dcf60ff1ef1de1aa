"""Every query of the boards against a real Prometheus with the shipped rules: on a good night and on a bad one."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.grafana.healthy import SPAN_SECONDS, STEP_SECONDS, Series, healthy, steady, troubled
from tests.grafana.reading import Query, panels, queries
from tests.grafana.served import Served, served, values

pytestmark = pytest.mark.acceptance

#: Panels of which nothing is to be seen on a good night.
QUIET = {
    "What fires",
    "Alerts over time",
    "Attempts that broke",
    "Failed stages",
    "Escalations",
    "layer Alerts",
}

QUERIES = queries()


def _start() -> float:
    """The data ends now: Prometheus takes no sample, not even of its rules, that is older than a block it finds."""
    return int(time.time()) - SPAN_SECONDS


@pytest.fixture(scope="module")
def good_night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A healthy machine."""
    start = _start()
    with served(healthy(start), start, tmp_path_factory.mktemp("good")) as server:
        yield server


@pytest.fixture(scope="module")
def bad_night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The same, with everything at its worst."""
    start = _start()
    with served(troubled(start), start, tmp_path_factory.mktemp("bad")) as server:
        yield server


@pytest.mark.parametrize("query", QUERIES, ids=str)
def test_query_answers_on_a_good_night(good_night: Served, query: Query) -> None:
    """200, no warning, and numbers, unless the panel is one that is empty on a good night."""
    answer = good_night.ask(query)
    assert (answer["code"], answer.get("warnings", []), answer.get("infos", [])) == (200, [], [])
    assert bool(values(answer)) != (query.panel in QUIET)


@pytest.mark.parametrize("query", QUERIES, ids=str)
def test_query_answers_on_a_bad_night(bad_night: Served, query: Query) -> None:
    """No panel is empty when there is something to see, and no number is Inf or NaN."""
    answer = bad_night.ask(query)
    assert (answer["code"], answer.get("warnings", [])) == (200, [])
    numbers = values(answer)
    assert numbers
    assert all(abs(number) < float("inf") for number in numbers)


def _limited() -> list[tuple[str, dict[str, Any], float]]:
    """Panels with limits of their own: (name, panel, its highest limit)."""
    found = []
    for uid, panel in panels():
        steps = panel["fieldConfig"]["defaults"].get("thresholds", {}).get("steps", [])
        highest = [step["value"] for step in steps if step["value"] is not None]
        if highest:
            found.append((f"{uid} / {panel['title']}", panel, max(highest)))
    return found


@pytest.mark.parametrize(("name", "panel", "limit"), _limited(), ids=lambda one: one if isinstance(one, str) else "")
def test_limit_can_be_crossed(
    bad_night: Served, good_night: Served, name: str, panel: dict[str, Any], limit: float
) -> None:
    """A panel that can never turn red is a defect, and so is one that is red on a good night."""
    asked = [query for query in QUERIES if f"{query.board} / {query.panel}" == name]
    worst = [max(values(bad_night.ask(query)), default=0) for query in asked]
    best = [values(good_night.ask(query))[-1:] for query in asked]
    assert max(worst) >= limit, panel["title"]
    assert all(value < limit for last in best for value in last), panel["title"]


def _one(server: Served, board: str, panel: str, ref: str = "A") -> list[dict[str, Any]]:
    query = next(q for q in QUERIES if (q.board, q.panel, q.ref) == (f"nightshift-{board}", panel, ref))
    rows: list[dict[str, Any]] = server.ask(query)["data"]["result"]
    return rows


@pytest.mark.parametrize(("night", "state"), [("good_night", 0), ("bad_night", 3)])
def test_state_is_a_single_word(request: pytest.FixtureRequest, night: str, state: int) -> None:
    """One row, healthy or critical; the watchdog's own alert counts for nothing."""
    rows = _one(request.getfixturevalue(night), "status", "State")
    assert [(row["metric"], float(row["value"][1])) for row in rows] == [({}, state)]


@pytest.fixture(scope="module")
def dark_night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A Prometheus that scrapes nothing of Nightshift's and evaluates none of its rules."""
    start = _start()
    with served(
        [Series("up", {"job": "other"}, steady(1))], start, tmp_path_factory.mktemp("dark"), rules=False
    ) as one:
        yield one


def test_nothing_looks_good_in_the_dark(dark_night: Served) -> None:
    """With no rules and no data the state is UNKNOWN (4), and no tile shows a figure, not even a zero."""
    for query in QUERIES:
        if query.instant:
            found = values(dark_night.ask(query))
            assert found == ([4.0] if query.panel == "State" else []), str(query)


def test_state_is_unknown_where_nothing_is_scraped(good_night: Served) -> None:
    """A host without data is not healthy: the tile says UNKNOWN (4)."""
    query = next(q for q in QUERIES if q.panel == "State")
    (row,) = good_night.now(query.expr.replace("$job", "nobody").replace("$instance", ".+"))
    assert float(row["value"][1]) == 4


def test_golden_signals_have_a_row_each(bad_night: Served) -> None:
    """Six signals in every column, and on a bad night the states of the alerts' levels."""
    for ref in "ABCDE":
        assert len(_one(bad_night, "status", "Golden signals", ref)) == 6
    states = {
        row["metric"]["signal"]: float(row["value"][1]) for row in _one(bad_night, "status", "Golden signals", "C")
    }
    assert states["Fullest disk, %"] == states["Memory, %"] == states["Errors, %"] == 3
    assert states["Latency p95, ms"] == 2


def test_alerts_are_listed_worst_first(bad_night: Served) -> None:
    """At night the critical one stands at the top, and one of a foreign severity is not lost."""
    order = ["critical", "high", "medium", "low", "page"]
    found = [row["metric"]["severity"] for row in _one(bad_night, "status", "What fires")]
    assert found == sorted(found, key=order.index)
    assert set(found) == set(order)


def test_worst_tile_names_its_place(good_night: Served) -> None:
    """The fullest disk is named by its mount point, and an image that is always full is not it."""
    (row,) = _one(good_night, "resources", "Fullest disk")
    assert row["metric"]["mountpoint"] == "/var"


def test_first_event_of_a_series_is_counted(good_night: Served) -> None:
    """A counter that is born with its first event shows it for a minute, where `increase` would show nothing."""
    (row,) = _one(good_night, "remediation", "Attempts")
    assert [float(value) for _, value in row["values"]] == [1.0] * (60 // STEP_SECONDS)


def test_playbook_has_a_figure_for_each_verdict(good_night: Served, bad_night: Served) -> None:
    """A playbook that has only ever helped shows zeros, not empty columns."""
    for night, figures in ((good_night, [1, 0, 0]), (bad_night, [1, 3, 3])):
        rows = [_one(night, "remediation", "Success by playbook", ref)[0] for ref in "ABC"]
        assert [float(row["value"][1]) for row in rows] == figures
