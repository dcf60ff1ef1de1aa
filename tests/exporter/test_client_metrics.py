import math
from collections.abc import Callable, Iterable

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Info
from prometheus_client import Histogram as ClientHistogram
from prometheus_client import Metric as ClientMetric
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.client_metrics import ClientMetrics
from exporter.exposition import OPENMETRICS, TEXT, Format, render


def samples(parsed: Iterable[ClientMetric]) -> dict[tuple[str, frozenset[tuple[str, str]]], float | str]:
    """Every sample of parsed families, comparable (NaN equals NaN)."""
    return {
        (s.name, frozenset(s.labels.items())): "NaN" if math.isnan(s.value) else s.value
        for f in parsed
        for s in f.samples
    }


@pytest.fixture
def client_registry() -> CollectorRegistry:
    """One metric of each kind, made with prometheus_client."""
    registry = CollectorRegistry()
    Counter("jobs", "Jobs.", ["kind"], registry=registry).labels('we"ird\\').inc(3)
    Gauge("heat_bytes", "Heat.", registry=registry).set(-1.5)
    ClientHistogram("wait_seconds", "Waiting.", registry=registry).observe(0.3)
    Info("build", "Build.", registry=registry).info({"version": "1"})
    return registry


@pytest.mark.parametrize(
    ("form", "generate", "parse"),
    [(TEXT, generate_latest, parse_text), (OPENMETRICS, generate_openmetrics, parse_openmetrics)],
)
def test_render_of_client_metrics_equals_the_client(
    client_registry: CollectorRegistry,
    form: Format,
    generate: Callable[[CollectorRegistry], bytes],
    parse: Callable[[str], Iterable[ClientMetric]],
) -> None:
    """A metric of prometheus_client comes out of our renderer as out of its own, creation times aside."""
    ours = render(map(ClientMetrics().family, client_registry.collect()), form).decode()
    theirs = [f for f in parse(generate(client_registry).decode()) if not f.name.endswith("_created")]
    assert samples(parse(ours)) == {k: v for k, v in samples(theirs).items() if not k[0].endswith("_created")}
    assert {(f.name, f.type, f.documentation) for f in parse(ours)} == {
        (f.name, f.type, f.documentation) for f in theirs
    }


def test_family_keeps_the_declared_metric(client_registry: CollectorRegistry) -> None:
    """The second scrape finds the metrics declared by the first."""
    metrics = ClientMetrics()
    first = [metrics.family(metric).metric for metric in client_registry.collect()]
    assert [metrics.family(metric).metric for metric in client_registry.collect()] == first


@pytest.mark.parametrize("metric", ["text", 7, None, object()])
def test_family_refuses_what_is_no_metric(metric: object) -> None:
    """An object of another kind is an error of the collector that gave it."""
    with pytest.raises(AttributeError):
        ClientMetrics().family(metric)


def test_family_refuses_names_that_old_servers_do_not_take() -> None:
    """A name with dots would break the whole exposition for them, so it is refused."""
    with pytest.raises(ValueError, match=r"'my\.metric' is no name"):
        ClientMetrics().family(GaugeMetricFamily("my.metric", "M.", value=1))
    labelled = GaugeMetricFamily("m", "M.", labels=["a.b"])
    labelled.add_metric(["x"], 1)
    with pytest.raises(ValueError, match=r"'a\.b' is no name"):
        ClientMetrics().family(labelled)
