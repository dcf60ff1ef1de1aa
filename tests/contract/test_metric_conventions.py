"""Every metric of the exporter keeps the conventions of docs/conventions.md; exceptions are named, with a reason."""

import re
from collections import defaultdict
from pathlib import Path

import pytest

from exporter import catalogue, config
from exporter.families import Metric
from exporter.probing import blackbox_metrics

ENTRIES = catalogue.entries(config.known_collectors())
METRICS = {entry.metric.name: entry.metric for entry in ENTRIES}
COUNTERS = [metric for metric in METRICS.values() if metric.kind == "counter"]
GOLDEN = Path(__file__).parents[1] / "golden"
TEXT = (GOLDEN / "exporter_whole.prom").read_text(encoding="utf-8")
OPENMETRICS = (GOLDEN / "exporter_whole.openmetrics").read_text(encoding="utf-8")
SAMPLE = re.compile(r"(?P<name>\w+)(?:\{(?P<labels>.*)\})? (?P<value>[^ {}]+)")
LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

#: Words of units that are not base units, and of singular ones.
NO_UNIT = {
    *("ms", "millis", "milliseconds", "microseconds", "us", "ns", "nanoseconds", "second", "sec", "secs"),
    *("minutes", "minute", "hours", "hour", "days", "day", "percent", "percentage", "pct"),
    *("byte", "kb", "kib", "kilobytes", "mb", "mib", "megabytes", "gb", "gib", "gigabytes", "bits", "mhz"),
}
#: Times whose names are those of node_exporter and of every Prometheus client, which boards and rules know.
TIMES_OF_OTHERS = {"nightshift_boot_time_seconds", "process_start_time_seconds"}
#: How long the queue of a pool of workers is, in seconds: 0 while it keeps up, and no time of an event would tell that.
QUEUES_IN_SECONDS = {"nightshift_api_checks_late_seconds", "nightshift_journeys_late_seconds"}
#: Labels that belong to the scrape, not to the source, or that Prometheus keeps for itself.
FOREIGN_LABELS = {
    *("job", "instance", "env", "environment", "stage", "region", "zone", "cluster", "datacenter", "host", "hostname"),
    *("type", "le", "quantile"),
}
#: Success and failure of a business event are two things that people ask for by name, as many of one as of the other.
OUTCOMES = {"nightshift_business_events_total"}
#: What is computed here although Prometheus could, because it cannot: both need the buckets of a window as a whole.
SHAPES = {"nightshift_http_request_duration_bimodality", "nightshift_http_request_duration_tail_quotient"}
#: The kernel's own averages, as everybody knows them.
LOAD = {"nightshift_load1", "nightshift_load5", "nightshift_load15"}
#: Failures whose attempts go by another name.
ATTEMPTS = {
    "nightshift_probe_failures_by_reason_total": "nightshift_probe_runs_total",
}
#: For each collector a series of the golden exposition that stands for a source that is not there.
LOST = {
    "api_checks": 'nightshift_api_check_passed{service="lost",endpoint="health",check="availability"} 0',
    "coverage": 'nightshift_qa_coverage_report_readable{report="lost"} 0',
    "deployments": 'nightshift_deploy_readable{service="blog"} 0',
    "dropin": 'nightshift_textfile_error{file="missing"} 1',
    "error_log": 'nightshift_error_log_readable{service="lost"} 0',
    "health": 'nightshift_health_up{service="lost"} 0',
    "journeys": 'nightshift_journey_success{journey="broken"} 0',
    "probes": 'nightshift_probe_up{target="http://127.0.0.1:1/",module="http_2xx"} 0',
    "quality": 'nightshift_qa_report_readable{report="lost"} 0',
    "services": 'nightshift_service_up{service="lost",check="port"} 0',
    "traffic": 'nightshift_traffic_log_readable{service="lost"} 0',
}
#: Read at the scrape itself, so nothing has to tell how old it is.
SYNCHRONOUS = {"resources"}


def samples(metric: Metric) -> dict[tuple[tuple[str, str], ...], float]:
    """The values of *metric* in the golden exposition by their labels."""
    found = {}
    for line in re.findall(rf"^{metric.name}[{{ ].*", TEXT, re.MULTILINE):
        parts = SAMPLE.fullmatch(line)
        assert parts, line
        found[tuple(LABEL.findall(parts["labels"] or ""))] = float(parts["value"])
    return found


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda metric: metric.name)
def test_name_has_the_prefix_and_is_snake_case(metric: Metric) -> None:
    """C01: one word before all metrics of ours; what every client shows of its process keeps its name."""
    prefix = "process" if metric.name in catalogue_of("self", "process_") else "nightshift"
    assert re.fullmatch(rf"{prefix}(_[a-z0-9]+)+", metric.name)
    assert all(re.fullmatch(r"[a-z]+(_[a-z0-9]+)*", label) for label in metric.labels)


def catalogue_of(collector: str, beginning: str) -> set[str]:
    """The names of a collector that begin so."""
    return {e.metric.name for e in ENTRIES if e.collector == collector and e.metric.name.startswith(beginning)}


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda metric: metric.name)
def test_unit_is_a_base_unit_in_plural(metric: Metric) -> None:
    """C02: seconds, bytes and ratios; a help that speaks of a unit belongs to a name that ends in it."""
    assert NO_UNIT.isdisjoint(metric.name.split("_"))
    for unit in ("seconds", "bytes"):
        if re.match(rf"(Unix time in )?{unit}\b", metric.help, re.IGNORECASE):
            assert metric.base_name.endswith(f"_{unit}"), metric.help
    if "0 to 1" in metric.help:
        assert metric.base_name.endswith("_ratio"), metric.help


@pytest.mark.parametrize("metric", [m for m in METRICS.values() if m.name.endswith("_ratio")], ids=lambda m: m.name)
def test_ratio_is_between_0_and_1(metric: Metric) -> None:
    """C02: no ratio of the whole exposition is a percentage."""
    assert samples(metric)
    assert all(0 <= value <= 1 for value in samples(metric).values())


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda metric: metric.name)
def test_suffix_tells_the_kind(metric: Metric) -> None:
    """C03: `_total` is a counter, `_info` is always 1, a time ends in `_timestamp_seconds`, nothing is an age."""
    assert metric.name.endswith("_total") == (metric.kind == "counter")
    if metric.name.endswith("_info"):
        assert set(samples(metric).values()) == {1}
    assert ("Unix time" in metric.help) <= (
        metric.name.endswith("_timestamp_seconds") or metric.name in TIMES_OF_OTHERS
    )
    assert not re.search(r"_(age|since|ago|uptime|elapsed|late)(_|$)", metric.name) or metric.name in QUEUES_IN_SECONDS


@pytest.mark.parametrize("collector", sorted({entry.collector for entry in ENTRIES} - {"self", "containers"}))
def test_source_that_is_lost_is_a_series(collector: str) -> None:
    """C05: what cannot be reached is told by a 0 beside the rest; the machine itself cannot be lost."""
    shown = TEXT.splitlines()
    assert f'nightshift_collector_success{{collector="{collector}"}} 1' in shown
    if collector not in SYNCHRONOUS:
        assert LOST[collector] in shown


def test_collectors_tell_success_and_duration_and_count_no_scrapes() -> None:
    """C06: two gauges per collector; who counts scrapes is Prometheus."""
    meta = {name for name in METRICS if name.startswith("nightshift_collector_")}
    assert {"nightshift_collector_success", "nightshift_collector_duration_seconds"} <= meta
    assert {METRICS[name].kind for name in meta} == {"gauge"}
    assert not [name for name in METRICS if "scrape" in name]


def test_samples_carry_no_timestamp() -> None:
    """C08: a line of text ends with its value, one of OpenMetrics with its value or an exemplar."""
    lines = [line for line in TEXT.splitlines() if not line.startswith("#")]
    lines += [line.split(" # ")[0] for line in OPENMETRICS.splitlines() if not line.startswith("#")]
    assert [line for line in lines if not SAMPLE.fullmatch(line)] == []


@pytest.mark.parametrize("collector", sorted({entry.collector for entry in ENTRIES} - SYNCHRONOUS))
def test_what_is_not_read_at_the_scrape_tells_its_time(collector: str) -> None:
    """C08: a collector that shows what it found before also shows when that was."""
    names = catalogue_of(collector, "nightshift_")
    assert [name for name in names if name.endswith("_timestamp_seconds")]


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda metric: metric.name)
def test_labels_are_of_the_source(metric: Metric) -> None:
    """C11: where the exporter runs is told by Prometheus, and no label has a reserved name."""
    assert FOREIGN_LABELS.isdisjoint(metric.labels)


@pytest.mark.parametrize("metric", COUNTERS, ids=lambda metric: metric.name)
def test_failures_are_a_counter_of_their_own(metric: Metric) -> None:
    """C12, C19: no label tells success from failure, and beside each counter of failures stands one of attempts."""
    assert {"outcome", "result", "success", "ok", "failed"}.isdisjoint(metric.labels) or metric.name in OUTCOMES
    found = re.fullmatch(r"(.*?)_?failures_total", metric.name)
    if found:
        names = {f"{found[1]}s_total", f"{found[1]}_runs_total", ATTEMPTS.get(metric.name, "")}
        assert names & METRICS.keys(), f"{metric.name}: nothing counts the attempts"


def test_known_sets_stand_at_zero() -> None:
    """C13: a service where nothing ever happened has the series of every known set that a busy one has."""
    shown = defaultdict(dict)
    open_labels = {"route", "pattern", "method", "endpoint"}
    for metric in COUNTERS:
        if "service" in metric.labels and open_labels.isdisjoint(metric.labels):
            for labels, value in samples(metric).items():
                rest = dict(labels)
                shown[metric.name, rest.pop("service")][tuple(rest.items())] = value
    quiet = {name: sets for (name, service), sets in shown.items() if service == "lost"}
    assert {"nightshift_suspicious_events_total", "nightshift_business_events_total"} <= quiet.keys()
    for name, sets in quiet.items():
        busy = shown.get((name, "shop"), sets)
        assert "check" in METRICS[name].labels or sets.keys() == busy.keys(), name


@pytest.mark.parametrize("metric", METRICS.values(), ids=lambda metric: metric.name)
def test_nothing_is_averaged_here(metric: Metric) -> None:
    """C15: histograms and counters; quantiles, means and rates are Prometheus' work, but for what it cannot do."""
    assert metric.kind not in ("summary", "gaugehistogram")
    words = re.search(r"_(avg|average|mean|median|p\d\d|quantile|rate|per_second|min|max|stddev)(_|$)", metric.name)
    limits = {"nightshift_file_handles_max", "process_max_fds"}
    assert words is None or metric.name in limits
    if re.search(r"\b(average|percentile|median)\b", metric.help):
        assert metric.name in SHAPES | LOAD | {"nightshift_http_request_outliers_total"}


def test_exemplars_are_shown_in_openmetrics_alone() -> None:
    """C18: a request with a trace leads to it, where the format has a place for that."""
    assert re.search(r'^\S+_bucket\{.*\} \d+ # \{trace_id="[0-9a-f]{32}"\} \S+ \S+$', OPENMETRICS, re.MULTILINE)
    assert " # {" not in TEXT


def test_logs_tell_lines_backlog_and_last_line() -> None:
    """C19: what reads a log counts its lines and its errors, and shows how far behind it is and when it last read."""
    for log in ("nightshift_traffic", "nightshift_error"):
        names = [name for name in METRICS if name.startswith(log)]
        for ending in ("lines_total", "log_read_errors_total", "log_backlog_bytes", "last_line_timestamp_seconds"):
            assert [name for name in names if name.endswith(ending)], f"{log}: {ending}"


def test_probe_and_own_metrics_are_apart() -> None:
    """C17: what one probe found is shown to whoever asked for it, and only what we say of ourselves on /metrics."""
    assert not re.search(r"^# TYPE probe_", TEXT, re.MULTILINE)
    probe = [one.name for one in vars(blackbox_metrics).values() if isinstance(one, Metric)]
    assert probe
    assert [name for name in probe if not name.startswith("probe_")] == []
