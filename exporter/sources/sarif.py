"""Findings in SARIF 2.1.0, the format of CodeQL, Semgrep, Bandit, Trivy, Ruff, ESLint and most other analysers."""

import contextlib
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from exporter.errors import SourceMalformed
from exporter.sources import json_reader
from exporter.sources.regular_files import Stamp

SEVERITIES = ("critical", "high", "medium", "low")
#: Where a rule has no score, the level of the finding says how bad it is; `none` is no finding.
_BY_LEVEL = {"error": "high", "warning": "medium", "note": "low"}
#: The lowest CVSS-like score of each severity, as GitHub cuts them.
_BY_SCORE = ((9.0, "critical"), (7.0, "high"), (4.0, "medium"))


class _Level(msgspec.Struct):
    level: str = "warning"


class _Properties(msgspec.Struct):
    security_severity: Any = msgspec.field(default=None, name="security-severity")
    tags: list[Any] = msgspec.field(default_factory=list)


class _Rule(msgspec.Struct):
    id: str = ""
    default: _Level | None = msgspec.field(default=None, name="defaultConfiguration")
    properties: _Properties | None = None


class _Component(msgspec.Struct):
    name: str = "unknown"
    rules: list[_Rule] | None = None


class _Tool(msgspec.Struct):
    driver: _Component
    extensions: list[_Component] | None = None


class _Reference(msgspec.Struct):
    id: str = ""


class _Suppression(msgspec.Struct):
    status: str = "accepted"


class _Result(msgspec.Struct):
    rule_id: str = msgspec.field(default="", name="ruleId")
    rule_index: int = msgspec.field(default=-1, name="ruleIndex")
    rule: _Reference | None = None
    level: str = ""
    kind: str = "fail"
    baseline: str = msgspec.field(default="", name="baselineState")
    suppressions: list[_Suppression] | None = None
    properties: _Properties | None = None


class _Run(msgspec.Struct):
    tool: _Tool
    results: list[_Result] | None = None


class _Report(msgspec.Struct):
    runs: list[_Run]
    version: str = ""


@dataclass(slots=True)
class Findings:
    """What analysers found: how many findings by tool and severity, and how many of all are vulnerabilities."""

    tools: dict[str, Counter[str]] = field(default_factory=dict)
    vulnerabilities: Counter[str] = field(default_factory=Counter)


def read(path: Path) -> tuple[Findings, Stamp]:
    """The findings in the report at *path*, and its stamp; those that are suppressed or gone do not count.

    Raises:
        SourceUnavailable: the report cannot be read.
        SourceMalformed: it is no SARIF 2.1.
    """
    report, stamp = json_reader.read(path, _Report)
    if not report.version.startswith("2.1"):
        raise SourceMalformed(f"{path}: SARIF version {report.version!r}: let the tool write 2.1.0")
    findings = Findings()
    for run in report.runs:
        _count(run, findings)
    return findings, stamp


def _count(run: _Run, findings: Findings) -> None:
    counts = findings.tools.setdefault(run.tool.driver.name.strip().lower()[:60], Counter())
    own = run.tool.driver.rules or []
    rules = {rule.id: rule for part in (run.tool.driver, *(run.tool.extensions or ())) for rule in part.rules or ()}
    for result in run.results or ():
        if _counts(result):
            rule = _rule_of(result, own, rules)
            severity = _severity(result, rule)
            if severity:
                counts[severity] += 1
                findings.vulnerabilities[severity] += _is_vulnerability(result, rule)


def _counts(result: _Result) -> bool:
    suppressed = any(suppression.status == "accepted" for suppression in result.suppressions or ())
    return result.kind == "fail" and result.baseline != "absent" and not suppressed


def _rule_of(result: _Result, own: list[_Rule], rules: dict[str, _Rule]) -> _Rule:
    """The rule of *result*, by id, else by its place among the tool's own; a rule that says nothing if unknown."""
    name = result.rule_id or (result.rule.id if result.rule else "")
    if not name and 0 <= result.rule_index < len(own):
        return own[result.rule_index]
    # A hierarchical id such as CA1000/1 belongs to the rule CA1000.
    return rules.get(name) or rules.get(name.rpartition("/")[0]) or _Rule()


def _severity(result: _Result, rule: _Rule) -> str:
    """One of `SEVERITIES`; empty if it is none to count."""
    score = _score(result, rule)
    if score > 0:
        return next((severity for limit, severity in _BY_SCORE if score >= limit), "low")
    level = result.level or (rule.default.level if rule.default else "warning")
    return _BY_LEVEL.get(level, "")


def _score(result: _Result, rule: _Rule) -> float:
    """The security severity from 0 to 10; 0 where none is given. SARIF has it as text, some tools as a number."""
    for properties in (result.properties, rule.properties):
        with contextlib.suppress(TypeError, ValueError):
            score = float(properties.security_severity) if properties else 0.0
            if 0 < score <= 10:
                return score
    return 0.0


def _is_vulnerability(result: _Result, rule: _Rule) -> bool:
    tags = [tag for properties in (result.properties, rule.properties) if properties for tag in properties.tags]
    return _score(result, rule) > 0 or "security" in tags
