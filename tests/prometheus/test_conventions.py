import re

import promql_parser
import pytest

from tests.contract.promql_names import RULES, names_in, nodes, selectors
from tests.contract.promql_names import rules as written
from tests.prometheus.rulebook import ROOT, Rule, alert_labels, alerts, all_rules, document, recordings, stems

CATEGORIES = {"code", "performance", "security", "integration", "configuration", "infrastructure"}
LABELS = {"severity", "category", "topic", "service", "action", "watchdog"}
ANNOTATIONS = {"summary", "description", "threshold", "runbook_url", "dashboard_url"}
BOARDS = {"nightshift-status", "nightshift-resources", "nightshift-remediation"}
#: Four scrapes of the interval at which prometheus.yml scrapes the job, in seconds.
LEAST_WINDOW, LEAST_FOREIGN_WINDOW = 20, 60
COUNTERS_ONLY = {"rate", "irate", "increase", "resets"}
GAUGES_ONLY = {"deriv", "predict_linear", "delta", "idelta", "changes"}
COUNTER = re.compile(r"_(total|bucket|count|sum)$")
REGEX_CHARACTERS = re.compile(r"[\\.+*?()|\[\]{}^$]")

by_alert = pytest.mark.parametrize("rule", alerts(), ids=str)
by_rule = pytest.mark.parametrize("rule", all_rules(), ids=str)


def calls(rule: Rule) -> list[promql_parser.Call]:
    """Every function call in a rule's expression."""
    return [node for node in nodes(promql_parser.parse(rule.expr)) if isinstance(node, promql_parser.Call)]


def aggregations(rule: Rule) -> list[promql_parser.AggregateExpr]:
    """Every aggregation in a rule's expression."""
    return [node for node in nodes(promql_parser.parse(rule.expr)) if isinstance(node, promql_parser.AggregateExpr)]


def test_names_are_unique_and_share_their_first_word() -> None:
    """Alerts are CamelCase, begin with Nightshift, and no two have one name."""
    names = [rule.name for rule in alerts()]
    assert len(set(names)) == len(names)
    assert [name for name in names if not re.fullmatch(r"Nightshift([A-Z][a-z]+)+", name)] == []


@pytest.mark.parametrize("rule", recordings(), ids=str)
def test_recording_is_named_level_metric_operation(rule: Rule) -> None:
    """`level:metric:operations`, as the Prometheus manual asks."""
    assert re.fullmatch(r"(instance|service)(_[a-z]+)*:nightshift_[a-z0-9_]+:[a-z0-9_]+", rule.name)


@by_alert
def test_alert_has_the_labels_of_the_contract(rule: Rule) -> None:
    """A severity, a category, the topic of its file; nothing that the handler does not know."""
    assert rule.labels["severity"] in {"critical", "high", "medium", "low"}
    assert rule.labels["category"] in CATEGORIES
    assert rule.labels["topic"] == rule.stem
    assert set(rule.labels) <= LABELS


@by_alert
def test_alert_names_the_service_that_it_is_about(rule: Rule) -> None:
    """Every alert that fires has the label service: from its series, else from its rule."""
    assert alert_labels(rule)["service"]


@by_alert
def test_alert_has_the_annotations_of_the_contract(rule: Rule) -> None:
    """Exactly those of the contract, and gates where there are some."""
    assert set(rule.annotations) - {"gates"} == ANNOTATIONS


@by_alert
def test_summary_is_one_static_sentence(rule: Rule) -> None:
    """A summary is the same for every alert of a group: no template, a full stop, short enough for a phone."""
    summary = rule.annotations["summary"]
    assert re.fullmatch(r"[A-Z][^{}]*\.", summary)
    assert len(summary) <= 60


@by_alert
def test_description_uses_only_labels_that_the_alert_has(rule: Rule) -> None:
    """A description names its labels, each of which the alert really carries, and is a sentence."""
    used = set(re.findall(r"\$labels\.(\w+)", rule.annotations["description"]))
    assert used <= set(alert_labels(rule))
    assert used or "watchdog" in rule.labels
    assert rule.annotations["description"].endswith(".")


@by_alert
def test_links_follow_their_pattern(rule: Rule) -> None:
    """The runbook is the section of the alert, the board exists, both begin with the addresses of prometheus.yml."""
    base = "{{ $externalLabels.nightshift_url }}"
    assert rule.annotations["runbook_url"] == f"{base}/runbooks/{rule.stem}#{rule.name.lower()}"
    prefix, _, board = rule.annotations["dashboard_url"].partition("/d/")
    assert prefix == "{{ $externalLabels.grafana_url }}"
    assert board in BOARDS


def test_addresses_of_the_links_are_external_labels_and_no_alert_labels() -> None:
    """prometheus.yml sets the two addresses, and drops them from the alerts that it sends."""
    config = document(ROOT / "prometheus" / "prometheus.yml")
    addresses = set(config["global"]["external_labels"])
    relabeling = config["alerting"]["alert_relabel_configs"]
    dropped = [entry["regex"] for entry in relabeling if entry["action"] == "labeldrop"]
    assert addresses == {"nightshift_url", "grafana_url"}
    assert all(any(re.fullmatch(regex, name) for regex in dropped) for name in addresses)


@by_alert
def test_repairable_alert_names_a_remediation_and_resolves_at_once(rule: Rule) -> None:
    """`action` is the stem of a remediation, and its alert is never kept firing."""
    if "action" not in rule.labels:
        return
    assert (ROOT / "alert_handler" / "remediations" / f"{rule.labels['action']}.py").exists()
    assert rule.keep is None


@by_alert
def test_alert_has_a_condition(rule: Rule) -> None:
    """An alert compares something, except the one that always fires; it never waits for absence."""
    tree = promql_parser.parse(rule.expr)
    compares = [node for node in nodes(tree) if isinstance(node, promql_parser.BinaryExpr)]
    assert compares or rule.expr == "vector(1)"
    assert not {call.func.name for call in calls(rule)} & {"absent", "absent_over_time"}


@by_rule
def test_windows_hold_four_scrapes(rule: Rule) -> None:
    """A range holds at least four scrapes of the job it looks at, so that one lost scrape changes nothing."""
    ranges = [node for node in nodes(promql_parser.parse(rule.expr)) if isinstance(node, promql_parser.MatrixSelector)]
    for node in ranges:
        own = (node.vector_selector.name or "").startswith("nightshift_")
        assert node.range.total_seconds() >= (LEAST_WINDOW if own else LEAST_FOREIGN_WINDOW)


@by_rule
def test_functions_get_the_kind_of_metric_that_they_are_made_for(rule: Rule) -> None:
    """Functions rate and increase take counters, deriv and changes take gauges."""
    for call in calls(rule):
        ranged = [argument for argument in call.args if isinstance(argument, promql_parser.MatrixSelector)]
        for name in (argument.vector_selector.name or "" for argument in ranged):
            if call.func.name in COUNTERS_ONLY | GAUGES_ONLY:
                assert bool(COUNTER.search(name)) == (call.func.name in COUNTERS_ONLY), f"{call.func.name}({name})"


@by_rule
def test_counter_is_never_compared_raw(rule: Rule) -> None:
    """A counter stands inside a range only: its value says nothing."""
    tree = promql_parser.parse(rule.expr)
    ranged = {id(n.vector_selector) for n in nodes(tree) if isinstance(n, promql_parser.MatrixSelector)}
    inside = {n.vector_selector.name for n in nodes(tree) if isinstance(n, promql_parser.MatrixSelector)}
    plain = {s.name for s in selectors(rule.expr) if id(s) not in ranged} - inside
    assert [name for name in plain if name and ":" not in name and name.endswith("_total")] == []


@by_rule
def test_matchers_with_regex_need_one(rule: Rule) -> None:
    """`=~` has a metacharacter, else it is `=`; no matcher matches everything or nothing."""
    for matcher in (matcher for selector in selectors(rule.expr) for matcher in selector.matchers.matchers):
        if "Re" in str(matcher.op):
            assert REGEX_CHARACTERS.search(matcher.value), matcher.value
        assert matcher.value not in {"", ".*", ".+"}


@by_rule
def test_aggregation_keeps_job_and_instance(rule: Rule) -> None:
    """`without` names what is summed over, so that job, instance and a user's own labels stay."""
    for aggregation in aggregations(rule):
        assert aggregation.modifier is not None
        assert aggregation.modifier.type == promql_parser.AggModifierType.Without
        assert not {"job", "instance", "service"} & set(aggregation.modifier.labels)


@by_rule
def test_metrics_that_several_jobs_show_are_selected_by_job(rule: Rule) -> None:
    """process_*, up and their like exist for every job: a rule names its own."""
    shared = re.compile(r"^(up|scrape_.*|process_.*|prometheus_.*|alertmanager_config_.*|nightshift_config_.*)$")
    found = [selector for selector in selectors(rule.expr) if shared.match(selector.name or "")]
    unselected = [s.name for s in found if "job" not in {matcher.name for matcher in s.matchers.matchers}]
    # the right side of a division matches by labels, its left side has chosen the job
    assert set(unselected) <= {"process_max_fds"}


def test_recordings_are_used_or_shown() -> None:
    """A rule costs every five seconds: each recording is read by another rule or by a board."""
    boards = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "grafana").rglob("*.*sonnet"))
    used = {name for rule in all_rules() for name in names_in(rule.expr) if name != rule.name}
    idle = {rule.name for rule in recordings()} - used
    assert {name for name in idle if name not in boards} <= FOR_LOOKING_UP


#: Read by people only: runbooks and /graph, and the quantiles that complete the golden signals.
FOR_LOOKING_UP = {
    "service:nightshift_http_request_duration_seconds:mean_rate5m",
    "service:nightshift_http_request_duration_seconds:p50_rate5m",
    "service:nightshift_http_request_duration_seconds:p90_rate5m",
    "service:nightshift_http_request_duration_seconds:p99_rate5m",
    "service:nightshift_http_request_duration_seconds:p999_rate5m",
    "instance:nightshift_risk:level",
}


def test_each_file_has_one_group_named_after_it() -> None:
    """Group nightshift-<stem>, evaluated at the global interval."""
    for stem in stems():
        [group] = document(RULES / f"{stem}.rules.yml")["groups"]
        assert set(group) == {"name", "rules"}
        assert group["name"] == f"nightshift-{stem}"


def test_alert_rules_hold_nothing_that_prometheus_2_42_does_not_know() -> None:
    """Only fields of the oldest supported Prometheus."""
    known = {"alert", "record", "expr", "for", "keep_firing_for", "labels", "annotations"}
    assert {key for rule in written() for key in rule} <= known
