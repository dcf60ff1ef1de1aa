import json
from pathlib import Path
from typing import Any

import pytest

from exporter.errors import SourceMalformed
from exporter.sources import sarif
from exporter.sources.sarif import Findings
from tests.exporter.conftest import FIXTURES


def report(tmp_path: Path, results: list[dict[str, Any]], rules: list[dict[str, Any]], **run: object) -> Findings:
    """What a report with these results and rules says."""
    tool = {"driver": {"name": "CodeQL", "rules": rules}}
    document = {"version": "2.1.0", "runs": [{"tool": tool, "results": results, **run}]}
    (tmp_path / "a.sarif").write_text(json.dumps(document))
    return sarif.read(tmp_path / "a.sarif")[0]


def test_read_ruff() -> None:
    """A real report of Ruff: errors without a score are high, and nothing in it is marked as security."""
    findings, _ = sarif.read(FIXTURES / "reports" / "ruff.sarif")
    assert findings.tools == {"ruff": {"high": 7}}
    assert findings.vulnerabilities.total() == 0


@pytest.mark.parametrize(
    ("score", "severity"),
    [("9.8", "critical"), ("9.0", "critical"), ("8.9", "high"), (7, "high"), ("6.9", "medium"), ("3.9", "low")],
)
def test_read_score_of_the_rule_is_cut_as_github_cuts_it(tmp_path: Path, score: object, severity: str) -> None:
    """A rule's security severity is stronger than the level, and makes its findings vulnerabilities."""
    rule = {"id": "js/sql", "properties": {"security-severity": score, "tags": ["security"]}}
    findings = report(tmp_path, [{"ruleId": "js/sql", "level": "note"}], [rule])
    assert findings.tools == {"codeql": {severity: 1}}
    assert findings.vulnerabilities == {severity: 1}


@pytest.mark.parametrize(
    ("result", "severity"),
    [
        ({"level": "error"}, "high"),
        ({"level": "warning"}, "medium"),
        ({"level": "note"}, "low"),
        ({}, "medium"),
        ({"ruleId": "quiet"}, "low"),
        ({"ruleIndex": 0}, "low"),
        ({"rule": {"id": "quiet"}}, "low"),
        ({"ruleId": "quiet/7"}, "low"),
        ({"ruleIndex": 99}, "medium"),
        ({"ruleId": "odd"}, "medium"),
        ({"properties": {"security-severity": "9.1"}}, "critical"),
    ],
)
def test_read_level_says_it_where_no_score_does(tmp_path: Path, result: dict[str, Any], severity: str) -> None:
    """The finding's level, else its rule's, else a warning; a rule is found by id or by its place."""
    odd = {"id": "odd", "properties": {"security-severity": "nan"}}
    rules = [{"id": "quiet", "defaultConfiguration": {"level": "note"}}, odd]
    assert report(tmp_path, [result], rules).tools == {"codeql": {severity: 1}}


@pytest.mark.parametrize(
    "result",
    [
        {"level": "none"},
        {"kind": "pass"},
        {"baselineState": "absent"},
        {"suppressions": [{"kind": "inSource"}]},
    ],
)
def test_read_passes_over_what_is_no_finding(tmp_path: Path, result: dict[str, Any]) -> None:
    """Passed checks, findings that are gone and those that somebody accepted do not count; the tool is known."""
    assert report(tmp_path, [result], []).tools == {"codeql": {}}


def test_read_rejected_suppression_does_not_hide(tmp_path: Path) -> None:
    """Only an accepted suppression is one."""
    assert report(tmp_path, [{"suppressions": [{"kind": "external", "status": "rejected"}]}], []).tools["codeql"]


def test_read_rules_of_extensions(tmp_path: Path) -> None:
    """Query packs bring rules of their own."""
    extension = {"name": "pack", "rules": [{"id": "x", "properties": {"security-severity": "9.5"}}]}
    tool = {"driver": {"name": " CodeQL "}, "extensions": [extension]}
    assert report(tmp_path, [{"ruleId": "x"}], [], tool=tool).tools == {"codeql": {"critical": 1}}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"version": "1.0.0", "runs": []}', "SARIF version '1.0.0': let the tool write 2.1.0"),
        ('{"runs": []}', "SARIF version ''"),
        ("{}", "missing required field `runs`"),
        ('{"version": "2.1.0", "runs": [{"results": []}]}', "missing required field `tool`"),
        ("{", "a.sarif"),
        ('{"x":' * 100_000, "nested too deep|truncated"),
    ],
)
def test_read_what_is_no_sarif_says_so(tmp_path: Path, text: str, problem: str) -> None:
    """The message has the file and what is missing."""
    (tmp_path / "a.sarif").write_text(text)
    with pytest.raises(SourceMalformed, match=problem):
        sarif.read(tmp_path / "a.sarif")
