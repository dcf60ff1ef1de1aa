"""Test results in JUnit's XML, as pytest, Surefire, Gradle, PHPUnit, Jest and GoogleTest write it.

Counted are the test cases, not the numbers that the suites say of themselves: those are missing in some dialects and
count a nested suite's cases again in others.
"""

from dataclasses import dataclass, field
from pathlib import Path

from exporter.sources import xml_reader
from exporter.sources.regular_files import Stamp

OUTCOMES = ("passed", "failed", "error", "skipped")
#: Elements below a test case that tell its outcome; Surefire's flakyFailure and rerunFailure tell nothing, for the
#: case passed in the end, or has a failure beside them.
_TOLD_BY = {"failure": "failed", "error": "error", "skipped": "skipped", "disabled": "skipped"}
#: The worst of several counts.
_RANK = {"passed": 0, "skipped": 1, "failed": 2, "error": 3}
_NOT_RUN = ("notrun", "disabled", "skipped", "ignored")


@dataclass(slots=True)
class TestResults:
    """How many cases ended how, and how long they took together, in seconds."""

    cases: dict[str, int] = field(default_factory=lambda: dict.fromkeys(OUTCOMES, 0))
    seconds: float = 0.0


def read(path: Path) -> tuple[TestResults, Stamp]:
    """The results in the report at *path*, and its stamp.

    Raises:
        SourceUnavailable: the report cannot be read.
        SourceMalformed: it is no XML, or no report of tests.
    """
    visitor = _Cases()
    stamp = xml_reader.visit(path, visitor)
    xml_reader.expect(path, visitor.root, ("testsuites", "testsuite"))
    return visitor.results, stamp


class _Cases:
    def __init__(self) -> None:
        self.root = ""
        self.results = TestResults()
        self._outcome = ""

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Note a test case, or what is said of it."""
        self.root = self.root or tag
        if tag == "testcase":
            self._outcome = "skipped" if attributes.get("status", "").lower() in _NOT_RUN else "passed"
            self.results.seconds += _seconds(attributes.get("time", ""))
        elif self._outcome and tag in _TOLD_BY:
            self._outcome = max(self._outcome, _TOLD_BY[tag], key=_RANK.__getitem__)

    def end(self, tag: str) -> None:
        """Count a test case that has ended."""
        if tag == "testcase":
            self.results.cases[self._outcome] += 1
            self._outcome = ""


def _seconds(text: str) -> float:
    """The time of a case; 0 where it cannot be read. Surefire writes thousands with commas."""
    try:
        seconds = float(text.replace(",", ""))
    except ValueError:
        return 0.0
    return seconds if 0 <= seconds < 1e9 else 0.0
