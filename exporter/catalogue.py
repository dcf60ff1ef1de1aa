"""Every metric that this exporter can show: what `describe` lists, and what rules and boards may use."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import msgspec

from exporter import registry, self_metrics
from exporter.collector import Collector
from exporter.errors import CatalogueConflict
from exporter.families import Metric

#: What a family of this kind adds to its name in its samples.
_SUFFIXES = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("_sum", "_count")}


@dataclass(frozen=True, slots=True)
class Entry:
    """One metric and the collector that shows it ("self" for what the exporter says of itself)."""

    collector: str
    metric: Metric


def entries(known: Mapping[str, type[Collector]]) -> list[Entry]:
    """Every metric of every known collector, running or not, then the exporter's own.

    Raises:
        CatalogueConflict: two of them would show samples of the same name.
    """
    found = [Entry(name, metric) for name, cls in known.items() for metric in cls.metrics]
    found += [Entry("self", metric) for metric in (*registry.METRICS, *self_metrics.METRICS)]
    _check_unique(found)
    return found


def _check_unique(found: Iterable[Entry]) -> None:
    owner: dict[str, Entry] = {}
    for entry in found:
        for name in sample_names(entry.metric):
            other = owner.setdefault(name, entry)
            if other is not entry:
                raise CatalogueConflict(f"{name} is declared by {other.collector!r} and by {entry.collector!r}")


def sample_names(metric: Metric) -> set[str]:
    """Every name under which *metric* appears in one of the text formats."""
    names = {f"{metric.name}{suffix}" for suffix in _SUFFIXES.get(metric.kind, ())}
    return names | {metric.name, metric.base_name}


def as_json(found: Sequence[Entry]) -> str:
    """The entries as a JSON list of objects with name, kind, labels, unit, help and collector."""
    rows = [
        {
            "name": entry.metric.name,
            "kind": entry.metric.kind,
            "labels": entry.metric.labels,
            "unit": entry.metric.unit,
            "help": entry.metric.help,
            "collector": entry.collector,
        }
        for entry in found
    ]
    return msgspec.json.format(msgspec.json.encode(rows), indent=2).decode()


def as_table(found: Sequence[Entry]) -> str:
    """The entries as text: one line each, columns aligned."""
    rows = [("METRIC", "KIND", "COLLECTOR", "HELP")]
    for entry in found:
        labels = ",".join(entry.metric.labels)
        name = f"{entry.metric.name}{{{labels}}}" if labels else entry.metric.name
        rows.append((name, entry.metric.kind, entry.collector, entry.metric.help))
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    return "\n".join(
        "  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[3]]) for row in rows
    )
