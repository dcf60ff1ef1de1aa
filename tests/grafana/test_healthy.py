"""The synthetic data of these tests is what the two processes really show."""

import pytest

from alert_handler.metrics import Metrics
from exporter import catalogue, config
from tests.grafana.healthy import Series, troubled

#: Labels that Prometheus gives to what it scrapes, and that of a bucket.
ADDED = {"job", "instance", "le"}
#: What Prometheus writes itself.
OWN = {"up", "ALERTS", "ALERTS_FOR_STATE"}


@pytest.fixture(scope="module")
def promised() -> dict[str, set[str]]:
    """Every metric of exporter and handler with its labels."""
    shown = {entry.metric.name: set(entry.metric.labels) for entry in catalogue.entries(config.known_collectors())}
    return shown | {name: set(labels) for name, (_, labels, _) in Metrics().catalogue.items()}


def _family(series: Series, promised: dict[str, set[str]]) -> str:
    base = series.name.removesuffix("_bucket").removesuffix("_count")
    return series.name if series.name in promised else base


def test_data_is_of_the_catalogue(promised: dict[str, set[str]]) -> None:
    """A board that is proved with series which nobody shows would be proved for nothing."""
    for series in troubled(0):
        if series.name not in OWN:
            labels = set(series.labels) - ADDED
            assert labels == promised.get(_family(series, promised)), series.name
