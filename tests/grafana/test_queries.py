"""Every query of the boards, read without a server."""

import re
from collections.abc import Iterator

import promql_parser
import pytest
import yaml

from tests.grafana.healthy import troubled
from tests.grafana.reading import ROOT, Query, boards, labels_out, nodes, panels, queries, selectors

QUERIES = queries()

#: Selectors that no exporter job scopes, and why.
UNSCOPED = {
    "ALERTS": "an alert keeps the labels of whatever it is about, other people's jobs too",
    "ALERTS_FOR_STATE": "the same",
    "up": "joined with nightshift_build_info: it must also show a process that is down",
    "process_start_time_seconds": "joined with nightshift_build_info: every process of Nightshift",
    "process_resident_memory_bytes": "the same",
    "process_cpu_seconds_total": "the same",
    "nightshift_build_info": "tells which processes are Nightshift's",
}


def _recorded() -> set[str]:
    files = sorted((ROOT / "prometheus" / "rules").glob("*.rules.yml"))
    groups = [group for path in files for group in yaml.safe_load(path.read_text())["groups"]]
    return {rule["record"] for group in groups for rule in group["rules"] if "record" in rule}


@pytest.mark.parametrize("query", QUERIES, ids=str)
def test_query_is_promql(query: Query) -> None:
    """It parses once Grafana's variables are put in, and no variable is left."""
    assert nodes(query.promql)
    assert "$" not in query.promql


def test_metrics_exist() -> None:
    """Each metric is one of the catalogue, one that a rule records, or one of Prometheus itself."""
    known = {series.name for series in troubled(0)} | _recorded()
    used = {(selector.name, str(query)) for query in QUERIES for selector in selectors(query.promql)}
    assert [one for one in sorted(used) if one[0] not in known] == []


def test_selectors_are_scoped() -> None:
    """Each selector holds to the job and host (or the handler's job) chosen above, or is excepted with its reason."""
    for query in QUERIES:
        for selector in re.findall(r"\b([a-zA-Z_:][\w:]*)\{([^}]*)\}", query.expr):
            name, scope = selector
            host = 'job=~"$job"' in scope and 'instance=~"$instance"' in scope
            assert host or 'job=~"$handler_job"' in scope or name in UNSCOPED, f"{query}: {name}"


def test_metrics_are_read_at_their_own_process() -> None:
    """A handler's metric is not asked of the exporter's job, nor the other way round."""
    owner = {series.name: series.labels.get("job") for series in troubled(0) if series.name.startswith("nightshift_")}
    for query in QUERIES:
        for name, scope in re.findall(r"\b(nightshift_\w+)\{([^}]*)\}", query.expr):
            handled = 'job=~"$handler_job"' in scope
            assert handled == (owner[name] == "nightshift-handler"), f"{query}: {name}"


def _counters(query: Query) -> Iterator[str]:
    """The counters that *query* reads without ever rating or comparing them."""
    calls = [node for node in nodes(query.promql) if isinstance(node, promql_parser.Call)]
    over_time = [call for call in calls if call.func.name in {"rate", "last_over_time"}]
    rated = {selector.name for call in over_time for selector in selectors(str(call))}
    for selector in selectors(query.promql):
        if (selector.name or "").endswith(("_total", "_bucket")) and selector.name not in rated:
            yield selector.name or ""


def test_counters_are_rated() -> None:
    """The height of a counter says nothing by itself: it is rated, or compared with what it was."""
    assert [(str(query), name) for query in QUERIES for name in _counters(query)] == []


def test_rates_follow_the_scrape_interval() -> None:
    """`rate` is taken over $__rate_interval, so that no zoom gives a rate over a single sample."""
    for query in QUERIES:
        assert set(re.findall(r"\brate\([^\[]*\[([^\]]+)\]", query.expr)) <= {"$__rate_interval"}, str(query)


def test_bars_are_a_minute_at_least() -> None:
    """Events per $__interval need an interval that holds some scrapes."""
    for uid, panel in panels():
        if any("$__interval" in target["expr"] for target in panel["targets"]):
            assert panel["interval"] == "1m", f"{uid} / {panel['title']}"


def test_quantiles_are_aggregated_by_bucket() -> None:
    """An average of quantiles is no quantile: histograms are summed by le first."""
    for query in QUERIES:
        for summed in re.findall(r"histogram_quantile\([\d.]+, (.{10})", query.expr):
            assert summed == "sum by (le", str(query)


def test_sources_are_the_chosen_one() -> None:
    """Panels, targets and layers ask the data source that is chosen above the board."""
    for uid, board in boards().items():
        for panel in board["panels"]:
            if panel["type"] != "row":
                sources = [panel["datasource"], *(target["datasource"] for target in panel["targets"])]
                assert all(one == {"type": "prometheus", "uid": "${datasource}"} for one in sources), uid


def test_legends_name_labels_that_are_left() -> None:
    """A legend of a label that the aggregation dropped would be empty."""
    for uid, panel in panels():
        for target in panel["targets"]:
            left = labels_out(target["expr"])
            wanted = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            assert left is None or wanted <= left, f"{uid} / {panel['title']}"


def test_targets_are_referred_in_order() -> None:
    """Table columns name their query by letter."""
    for _, panel in panels():
        assert [target["refId"] for target in panel["targets"]] == list("ABCDEFGH"[: len(panel["targets"])])


@pytest.mark.parametrize("uid", sorted(boards()))
def test_variables_are_used_and_defined(uid: str) -> None:
    """No variable is missing, and none is asked for in vain."""
    board = boards()[uid]
    defined = {one["name"] for one in board["templating"]["list"]}
    text = repr({key: board[key] for key in ("panels", "annotations", "links", "templating")})
    used = set(re.findall(r"\$\{?(?!__)(\w+)", text))
    assert used <= defined
    hidden = {one["name"] for one in board["templating"]["list"] if one["hide"] == 2}
    assert defined - used <= hidden
