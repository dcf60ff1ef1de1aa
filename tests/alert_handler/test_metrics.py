import re

import pytest
from prometheus_client import generate_latest

from alert_handler import metrics as metrics_module
from alert_handler import pipeline
from alert_handler.metrics import Metrics

#: A label with one of these has as many values as attackers or users like.
UNBOUNDED = {"alertname", "instance", "target", "incident", "error", "url", "path"}


@pytest.fixture
def catalogue(metrics: Metrics) -> dict[str, tuple[str, tuple[str, ...], str]]:
    """Every family: kind, labels, help."""
    return metrics.catalogue


def test_catalogue_names_follow_the_conventions(catalogue: dict[str, tuple[str, tuple[str, ...], str]]) -> None:
    """Prefix, base units, `_total` on counters and on nothing else."""
    assert all(re.fullmatch(r"nightshift_[a-z_]+", name) for name in catalogue)
    assert all(name.endswith("_total") == (kind == "counter") for name, (kind, _, _) in catalogue.items())
    assert not [name for name in catalogue if re.search(r"_(ms|milliseconds|minutes|percent|kb|mb)(_|$)", name)]


def test_catalogue_every_family_is_explained(catalogue: dict[str, tuple[str, tuple[str, ...], str]]) -> None:
    """Whoever meets a name in Grafana reads there what it means."""
    assert not [name for name, (_, _, text) in catalogue.items() if len(text) < 15]


def test_catalogue_no_label_is_without_bound(catalogue: dict[str, tuple[str, tuple[str, ...], str]]) -> None:
    """S13: nothing that an alert's author writes becomes a label."""
    assert not [name for name, (_, labels, _) in catalogue.items() if UNBOUNDED & set(labels)]


def test_catalogue_is_what_is_exposed(metrics: Metrics) -> None:
    """Every family of the page is in the catalogue, or one of the process' own."""
    text = generate_latest(metrics.registry).decode()
    shown = set(re.findall(r"^# TYPE (\w+) ", text, re.MULTILINE))
    assert {name for name in shown if not name.startswith("process_")} == set(metrics.catalogue)


def test_metrics_two_sets_do_not_share_anything() -> None:
    """Each handler has its own registry."""
    first, second = Metrics(), Metrics()
    first.alerts_deduplicated.inc()
    assert second.registry.get_sample_value("nightshift_alerts_deduplicated_total") == 0.0


def test_stages_shown_from_the_start_are_those_of_the_pipeline() -> None:
    """The list of stages that start at 0 is the pipeline's own."""
    assert metrics_module.STAGES == pipeline.STAGES


def test_series_with_known_labels_start_at_zero() -> None:
    """`increase` sees the first refused webhook, failed stage or lost delivery."""
    metrics = Metrics()
    metrics.start_at_zero(["log"], [("cleanup", "disk")])
    value = metrics.registry.get_sample_value
    assert value("nightshift_stage_failures_total", {"stage": "act"}) == 0
    assert value("nightshift_delivery_failures_total", {"channel": "log"}) == 0
    labels = {"remediation": "cleanup", "playbook": "disk", "verdict": "fixed"}
    assert value("nightshift_remediation_outcomes_total", labels) == 0
