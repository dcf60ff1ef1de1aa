"""Metrics made with prometheus_client: a collector may yield its `GaugeMetricFamily` and friends as they are.

They are known by their shape: importing the library costs 8 MB of the 35 that the exporter may use, and no collector
of ours needs it.
"""

from collections.abc import Mapping, Sequence
from typing import Protocol, cast

from exporter.families import SUFFIXES, Family, Kind, Metric, check_names, series


class ClientSample(Protocol):
    """A sample of prometheus_client."""

    @property
    def name(self) -> str:
        """The name with its suffix."""

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels by name."""

    @property
    def value(self) -> float:
        """The value."""


class ClientMetric(Protocol):
    """A metric of prometheus_client, known by its shape: importing the library costs 8 MB and it may not be used."""

    name: str
    documentation: str
    type: str

    @property
    def samples(self) -> Sequence[ClientSample]:
        """The samples."""


class ClientMetrics:
    """Turns metrics of prometheus_client into families, and keeps their declarations between scrapes."""

    def __init__(self) -> None:
        self._declared: dict[str, Metric] = {}

    def family(self, metric: ClientMetric) -> Family:
        """*metric* as a family of ours; `_created` samples, timestamps and exemplars are left out.

        Raises:
            AttributeError: it is no metric of prometheus_client.
            ValueError: a name in it is not one that every Prometheus takes.
        """
        family = Family(self._declaration(metric))
        for sample in metric.samples:
            if not sample.name.endswith("_created"):
                labels = sorted(sample.labels.items())
                check_names(sample.name, sample.labels)
                family.samples[series(sample.name, labels)] = +sample.value
        return family

    def _declaration(self, metric: ClientMetric) -> Metric:
        if metric.name not in self._declared:
            kind = cast("Kind", metric.type)
            name = f"{metric.name}{SUFFIXES.get(kind, '')}"
            self._declared[metric.name] = Metric(name, kind, metric.documentation)
        return self._declared[metric.name]
