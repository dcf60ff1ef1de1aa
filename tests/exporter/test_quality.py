import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest

from exporter.collectors.quality import Config, Quality, read
from exporter.errors import SourceMalformed
from tests.exporter.conftest import FIXTURES
from tests.exporter.doubles import Samples, Shown

REPORTS = FIXTURES / "reports"
Look = Callable[..., Samples]


@pytest.fixture
def look(shown: Shown) -> Iterator[Look]:
    """What a collector of this configuration shows, without the names' beginning."""
    with ExitStack() as stack:

        def collect(**keys: object) -> Samples:
            it = Quality(msgspec.convert(keys, Config))
            stack.callback(it.close)
            return {name.removeprefix("nightshift_qa_"): value for name, value in shown(it.collect()).items()}

        yield collect


def sarif(path: Path, *levels: str, score: str = "") -> str:
    """A report with findings of these levels, of a rule with this security severity."""
    rule = {"id": "r", "properties": {"security-severity": score}} if score else {"id": "r"}
    results = [{"ruleId": "r", "level": level} for level in levels]
    tool = {"driver": {"name": path.stem, "rules": [rule]}}
    path.write_text(json.dumps({"version": "2.1.0", "runs": [{"tool": tool, "results": results}]}))
    return str(path)


def test_collect_shows_test_results(look: Look) -> None:
    """Cases by outcome, the share that passed of those that ran, and when that was."""
    path = REPORTS / "pytest.xml"
    seen = look(reports={"unit": {"path": str(path), "pipeline": "integration"}})
    assert seen['tests{suite="unit",outcome="passed"}'] == 3
    assert seen['tests{suite="unit",outcome="skipped"}'] == 2
    assert seen['pass_ratio{suite="unit"}'] == 0.6
    assert seen['score_ratio{pipeline="integration"}'] == 0.6
    assert seen['report_timestamp_seconds{report="unit"}'] == pytest.approx(path.stat().st_mtime)


def test_collect_shows_findings_with_zeros(look: Look, tmp_path: Path) -> None:
    """A severity without findings is 0, so that its rise is seen."""
    path = sarif(tmp_path / "codeql.sarif", "error", "error", score="9.8")
    seen = look(reports={"codeql": {"path": path, "pipeline": "security"}}, targets={"security": 0.8})
    assert seen['findings{tool="codeql",severity="critical"}'] == 2
    assert seen['vulnerabilities{severity="critical"}'] == 2
    assert seen['vulnerabilities{severity="high"}'] == seen['findings{tool="codeql",severity="low"}'] == 0
    assert (seen['score_ratio{pipeline="security"}'], seen['target_ratio{pipeline="security"}']) == (0.5, 0.8)


def test_collect_score_of_a_pipeline_is_its_worst(look: Look, tmp_path: Path) -> None:
    """A clean report does not outweigh a bad one, and a score does not fall below 0."""
    clean, bad = sarif(tmp_path / "a.sarif"), sarif(tmp_path / "b.sarif", *["error"] * 20)
    seen = look(reports={"a": {"path": clean}, "b": {"path": bad}, "c": {"path": clean, "pipeline": "other"}})
    assert seen['score_ratio{pipeline="quality"}'] == 0
    assert seen['score_ratio{pipeline="other"}'] == 1


def test_collect_score_waits_for_every_report(look: Look, tmp_path: Path) -> None:
    """A pipeline with a missing report has no score; its target and what else is known are shown."""
    clean = sarif(tmp_path / "a.sarif")
    seen = look(reports={"a": {"path": clean}, "b": {"path": f"{tmp_path}/none"}})
    assert 'score_ratio{pipeline="quality"}' not in seen
    assert seen['target_ratio{pipeline="quality"}'] == 0.9
    assert (seen['report_readable{report="a"}'], seen['report_readable{report="b"}']) == (1, 0)
    assert 'report_timestamp_seconds{report="b"}' not in seen


def test_collect_adds_files_of_a_report_up(look: Look, tmp_path: Path) -> None:
    """Surefire writes a file per class."""
    for name in ("TEST-a.xml", "TEST-b.xml"):
        (tmp_path / name).write_text('<testsuite><testcase time="1"/></testsuite>')
    seen = look(reports={"unit": {"path": f"{tmp_path}/TEST-*.xml"}})
    assert seen['tests{suite="unit",outcome="passed"}'] == 2
    assert seen['tests_duration_seconds{suite="unit"}'] == 2


def test_collect_without_a_test_that_ran_has_no_ratio(look: Look, tmp_path: Path) -> None:
    """Nothing divided by nothing is neither good nor bad."""
    (tmp_path / "a.xml").write_text("<testsuite><testcase><skipped/></testcase></testsuite>")
    seen = look(reports={"unit": {"path": f"{tmp_path}/a.xml"}})
    assert seen['tests{suite="unit",outcome="skipped"}'] == 1
    assert not [name for name in seen if name.startswith(("pass_ratio", "score"))]


def test_collect_past_the_bound_counts_tools_together(look: Look, tmp_path: Path) -> None:
    """A report that names a tool per finding cannot fill the memory."""
    for number in range(52):
        sarif(tmp_path / f"{number:02}.sarif", "note")
    seen = look(reports={"all": {"path": f"{tmp_path}/*.sarif"}})
    assert seen['findings{tool="other",severity="low"}'] == 2
    assert len([name for name in seen if name.startswith("findings")]) == 51 * 4


def test_read_what_is_no_report_says_so(tmp_path: Path) -> None:
    """The message has the file and what was expected."""
    (tmp_path / "a").write_text("hello")
    with pytest.raises(SourceMalformed, match="a: neither JUnit XML nor SARIF"):
        read(tmp_path / "a")
