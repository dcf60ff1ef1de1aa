"""Test coverage by component, from reports of Cobertura, coverage.py (JSON) or LCOV, with its targets beside it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, ClassVar

import msgspec

from exporter.analysis.components import LineCounts, Naming, largest
from exporter.collector import CollectorConfig, collector
from exporter.families import Family, Metric
from exporter.sampler import Sampler, Source
from exporter.sources import cobertura, coverage_json, lcov
from exporter.sources.regular_files import Stamp
from exporter.sources.reports import Reading, Report, begins_with

RATIO = Metric(
    "nightshift_qa_coverage_ratio", "gauge", "Covered lines over all lines of the component, 0 to 1.", ["component"]
)
TARGET = Metric("nightshift_qa_coverage_target_ratio", "gauge", "What the ratio should be at least.", ["component"])
LINES = Metric("nightshift_qa_coverage_lines", "gauge", "Lines that can be covered.", ["component"])
COVERED = Metric("nightshift_qa_coverage_covered_lines", "gauge", "Lines that tests ran.", ["component"])
READABLE = Metric(
    "nightshift_qa_coverage_report_readable", "gauge", "1 if the report is there and could be read, else 0.", ["report"]
)
WRITTEN = Metric(
    "nightshift_qa_coverage_report_timestamp_seconds",
    "gauge",
    "Unix time in seconds at which the newest file of the report was written.",
    ["report"],
)

Ratio = Annotated[float, msgspec.Meta(ge=0, le=1)]
Counts = dict[str, tuple[int, int]]


class ReportRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A coverage report; its format is recognised.

    Attributes:
        path: of the file, or with wildcards of several, whose lines are added up.
        strip: a prefix of the paths in the report that is no part of a component's name.
        depth: how many folders make the name of a component.
        components: component -> path prefixes (after `strip`), for files that no folder tells apart.
    """

    path: str
    strip: str = ""
    depth: Annotated[int, msgspec.Meta(ge=1, le=10)] = 1
    components: dict[str, list[str]] = msgspec.field(default_factory=dict)


class Config(CollectorConfig, frozen=True):
    """The coverage reports that are read, by name.

    Attributes:
        reports: name -> report; a component in several of them is the sum of all.
        target_ratio: of components that `targets` does not name.
        targets: component -> ratio.
        max_components: the smaller ones of more components count together as "other".
        interval_seconds: between two looks at the files.
    """

    reports: dict[str, ReportRule] = msgspec.field(default_factory=dict)
    target_ratio: Ratio = 0.9
    targets: dict[str, Ratio] = msgspec.field(default_factory=dict)
    max_components: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 50
    interval_seconds: Annotated[float, msgspec.Meta(ge=1, le=86400)] = 30.0


@collector("coverage")
class Coverage:
    """Shows what the reports said when they were last read."""

    config: ClassVar[type[CollectorConfig]] = Config
    metrics: ClassVar[tuple[Metric, ...]] = (RATIO, TARGET, LINES, COVERED, READABLE, WRITTEN)

    def __init__(self, config: Config) -> None:
        self._config = config
        self._sampler = Sampler()
        self._sources = {name: self._start(name, rule) for name, rule in sorted(config.reports.items())}

    def collect(self) -> Iterator[Family]:
        """Lines by component and how the reports did; a report that is not there yet shows no lines."""
        self._sampler.settle()
        families = {metric: Family(metric) for metric in self.metrics}
        counts: Counts = {}
        for name, source in self._sources.items():
            if source.sample is not None:
                _add(source.sample.value, counts)
                families[READABLE].add(not source.sample.value.problem, name)
                if not source.sample.value.problem:
                    families[WRITTEN].add(source.sample.value.modified_seconds, name)
        for component, (covered, lines) in largest(counts, self._config.max_components).items():
            families[RATIO].add(min(1.0, covered / lines), component)
            families[TARGET].add(self._config.targets.get(component, self._config.target_ratio), component)
            families[LINES].add(lines, component)
            families[COVERED].add(covered, component)
        yield from families.values()

    def close(self) -> None:
        """End the reading."""
        self._sampler.close()

    def _start(self, name: str, rule: ReportRule) -> Source[Reading[Counts]]:
        naming = Naming(name, rule.strip, rule.depth, rule.components)
        report = Report(name, rule.path, lambda path: read(path, naming))
        return self._sampler.start(Source(name, report.look, lambda _: self._config.interval_seconds))


def read(path: Path, naming: Naming) -> tuple[Counts, Stamp]:
    """Covered and all lines by component of the report at *path*, and its stamp.

    Raises:
        SourceUnavailable: it cannot be read.
        SourceMalformed: it is in none of the three formats, or broken.
    """
    reader = {"<": cobertura.read, "{": coverage_json.read}.get(begins_with(path), lcov.read)
    lines = LineCounts(naming)
    stamp = reader(path, lines.tally)
    return lines.counts, stamp


def _add(reading: Reading[Counts], counts: Counts) -> None:
    for file in reading.values:
        for component, (covered, lines) in file.items():
            before = counts.get(component, (0, 0))
            counts[component] = (before[0] + covered, before[1] + lines)
