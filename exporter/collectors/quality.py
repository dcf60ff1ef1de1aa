"""Test results (JUnit XML) and findings of analysers (SARIF 2.1.0), and the score of the pipelines they come from.

The score of a test report is the share of its cases that passed, skipped ones aside; that of findings is 1 less a
penalty for each. A pipeline is worth as much as its worst report, and has no score while one of them is missing.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, ClassVar

import msgspec

from exporter.collector import CollectorConfig, collector
from exporter.errors import SourceMalformed
from exporter.families import Family, Metric
from exporter.sampler import Sampler, Source
from exporter.sources import junit, sarif
from exporter.sources.junit import OUTCOMES, TestResults
from exporter.sources.regular_files import Stamp
from exporter.sources.reports import Reading, Report, begins_with
from exporter.sources.sarif import SEVERITIES, Findings

TESTS = Metric("nightshift_qa_tests", "gauge", "Test cases by outcome.", ["suite", "outcome"])
PASS_RATIO = Metric(
    "nightshift_qa_pass_ratio", "gauge", "Passed cases over all that ran, 0 to 1; skipped ones did not.", ["suite"]
)
TEST_SECONDS = Metric("nightshift_qa_tests_duration_seconds", "gauge", "Seconds of all cases together.", ["suite"])
FINDINGS = Metric("nightshift_qa_findings", "gauge", "Findings of the analyser by severity.", ["tool", "severity"])
VULNERABILITIES = Metric(
    "nightshift_qa_vulnerabilities",
    "gauge",
    "Findings of all reports whose rule has a security severity or the tag security.",
    ["severity"],
)
SCORE = Metric("nightshift_qa_score_ratio", "gauge", "Score of the pipeline's worst report, 0 to 1.", ["pipeline"])
TARGET = Metric("nightshift_qa_target_ratio", "gauge", "What the score should be at least.", ["pipeline"])
READABLE = Metric(
    "nightshift_qa_report_readable", "gauge", "1 if the report is there and could be read, else 0.", ["report"]
)
WRITTEN = Metric(
    "nightshift_qa_report_timestamp_seconds",
    "gauge",
    "Unix time in seconds at which the newest file of the report was written.",
    ["report"],
)

Ratio = Annotated[float, msgspec.Meta(ge=0, le=1)]
Result = TestResults | Findings

#: Tools that are shown apart; findings of further ones count under "other".
_MAX_TOOLS = 50


class ReportRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A report in JUnit's XML or in SARIF; its format is recognised.

    Attributes:
        path: of the file, or with wildcards of several, which are added up.
        pipeline: whose score it counts for.
    """

    path: str
    pipeline: str = "quality"


class Penalties(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one finding takes from a score of 1, by severity."""

    critical: Ratio = 0.25
    high: Ratio = 0.1
    medium: Ratio = 0.03
    low: Ratio = 0.01


class Config(CollectorConfig, frozen=True):
    """The reports that are read, by name, which is the suite of test results.

    Attributes:
        reports: name -> report.
        target_ratio: of pipelines that `targets` does not name.
        targets: pipeline -> ratio.
        penalties: what findings take from the score.
        interval_seconds: between two looks at the files.
    """

    reports: dict[str, ReportRule] = msgspec.field(default_factory=dict)
    target_ratio: Ratio = 0.9
    targets: dict[str, Ratio] = msgspec.field(default_factory=dict)
    penalties: Penalties = Penalties()
    interval_seconds: Annotated[float, msgspec.Meta(ge=1, le=86400)] = 30.0


@collector("quality")
class Quality:
    """Shows what the reports said when they were last read."""

    config: ClassVar[type[CollectorConfig]] = Config
    metrics: ClassVar[tuple[Metric, ...]] = (
        TESTS,
        PASS_RATIO,
        TEST_SECONDS,
        FINDINGS,
        VULNERABILITIES,
        SCORE,
        TARGET,
        READABLE,
        WRITTEN,
    )

    def __init__(self, config: Config) -> None:
        self._config = config
        self._penalties: dict[str, float] = msgspec.structs.asdict(config.penalties)
        self._sampler = Sampler()
        self._sources = {name: self._start(name, rule) for name, rule in sorted(config.reports.items())}

    def collect(self) -> Iterator[Family]:
        """Results, findings and scores, and how the reports did; a report that is not there yet shows no result."""
        self._sampler.settle()
        families = {metric: Family(metric) for metric in self.metrics}
        totals: list[Findings] = []
        scores: dict[str, list[float | None]] = {}
        for name, source in self._sources.items():
            pipeline = scores.setdefault(self._config.reports[name].pipeline, [])
            if source.sample is None:
                pipeline.append(None)
                continue
            reading = source.sample.value
            tests = _tests(reading.values)
            found = [value for value in reading.values if isinstance(value, Findings)]
            totals += found
            _show_report(name, reading, families)
            if tests is not None:
                _show_tests(name, tests, families)
            pipeline.append(self._score(tests, found))
        _show_findings(totals, families)
        self._show_scores(scores, families)
        yield from families.values()

    def close(self) -> None:
        """End the reading."""
        self._sampler.close()

    def _start(self, name: str, rule: ReportRule) -> Source[Reading[Result]]:
        report = Report(name, rule.path, read)
        return self._sampler.start(Source(name, report.look, lambda _: self._config.interval_seconds))

    def _score(self, tests: TestResults | None, found: list[Findings]) -> float | None:
        """The score of a report; None where it has nothing, or no test ran."""
        lost = sum(self._penalties[level] * count for level, count in _by_severity(found).items())
        scores = [max(0.0, 1.0 - lost)] if found else []
        if tests is not None:
            scores += [ratio for ratio in (pass_ratio(tests),) if ratio is not None]
        return min(scores, default=None)

    def _show_scores(self, scores: Mapping[str, list[float | None]], families: Mapping[Metric, Family]) -> None:
        for pipeline, given in scores.items():
            families[TARGET].add(self._config.targets.get(pipeline, self._config.target_ratio), pipeline)
            known = [score for score in given if score is not None]
            if len(known) == len(given):
                families[SCORE].add(min(known), pipeline)


def read(path: Path) -> tuple[Result, Stamp]:
    """The test results or findings in the report at *path*, and its stamp.

    Raises:
        SourceUnavailable: it cannot be read.
        SourceMalformed: it is neither JUnit's XML nor SARIF, or broken.
    """
    first = begins_with(path)
    if first == "<":
        return junit.read(path)
    if first == "{":
        return sarif.read(path)
    raise SourceMalformed(f"{path}: neither JUnit XML nor SARIF")


def pass_ratio(tests: TestResults) -> float | None:
    """Passed cases over all that ran; None where none ran."""
    ran = sum(tests.cases.values()) - tests.cases["skipped"]
    return tests.cases["passed"] / ran if ran else None


def _tests(values: tuple[Result, ...]) -> TestResults | None:
    """The test results of all files of a report together; None where it has none."""
    parts = [value for value in values if isinstance(value, TestResults)]
    cases = {outcome: sum(part.cases[outcome] for part in parts) for outcome in OUTCOMES}
    return TestResults(cases, sum(part.seconds for part in parts)) if parts else None


def _by_severity(found: list[Findings]) -> Counter[str]:
    """How many findings of each severity there are in all."""
    return sum((counts for findings in found for counts in findings.tools.values()), Counter[str]())


def _show_report(name: str, reading: Reading[Result], families: Mapping[Metric, Family]) -> None:
    families[READABLE].add(not reading.problem, name)
    if not reading.problem:
        families[WRITTEN].add(reading.modified_seconds, name)


def _show_tests(suite: str, tests: TestResults, families: Mapping[Metric, Family]) -> None:
    for outcome, count in tests.cases.items():
        families[TESTS].add(count, suite, outcome)
    families[TEST_SECONDS].add(tests.seconds, suite)
    ratio = pass_ratio(tests)
    if ratio is not None:
        families[PASS_RATIO].add(ratio, suite)


def _show_findings(totals: list[Findings], families: Mapping[Metric, Family]) -> None:
    """The findings of every tool, and the vulnerabilities among them; nothing where no report of findings was read."""
    tools: dict[str, Counter[str]] = {}
    for tool, counts in [item for findings in totals for item in findings.tools.items()]:
        shown = tool if tool in tools or len(tools) < _MAX_TOOLS else "other"
        tools[shown] = tools.get(shown, Counter()) + counts
    for tool, counts in sorted(tools.items()):
        for severity in SEVERITIES:
            families[FINDINGS].add(counts[severity], tool, severity)
    vulnerabilities = sum((findings.vulnerabilities for findings in totals), Counter[str]())
    for severity in SEVERITIES if totals else ():
        families[VULNERABILITIES].add(vulnerabilities[severity], severity)
