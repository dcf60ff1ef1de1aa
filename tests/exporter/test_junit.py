from pathlib import Path

import pytest

from exporter.errors import SourceMalformed
from exporter.sources import junit
from tests.exporter.conftest import FIXTURES

SUREFIRE = """<?xml version="1.0" encoding="UTF-8"?>
<testsuite xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" name="com.acme.CartTest" time="1,234.5" tests="4">
  <properties><property name="a" value="b"/></properties>
  <testcase name="sum" classname="com.acme.CartTest" time="1,000.5"/>
  <testcase name="flaky"><flakyFailure message="once"/><system-out><![CDATA[<failure/>]]></system-out></testcase>
  <testcase name="rerun" time=""><failure message="a"/><rerunFailure message="b"/></testcase>
  <testcase name="ignored"><skipped/></testcase>
</testsuite>"""

PHPUNIT = """<testsuites><testsuite name="" tests="3" failures="1"><testsuite name="Unit" tests="3" failures="1">
  <testsuite name="CartTest" file="/app/CartTest.php" tests="3" failures="1">
    <testcase name="testSum" assertions="1" time="0.1"/>
    <testcase name="testTax" assertions="1" time="0.2"><failure>no</failure><error>too</error></testcase>
    <testsuite name="CartTest::testMany"><testcase name="testMany with data set #0" time="nan"/></testsuite>
  </testsuite></testsuite></testsuite></testsuites>"""

GTEST = '<testsuites><testsuite><testcase status="notrun"/><testcase status="run"/></testsuite></testsuites>'


def results(tmp_path: Path, text: str) -> tuple[tuple[int, ...], float]:
    """Passed, failed, error, skipped, and the seconds of a report with this text."""
    (tmp_path / "a.xml").write_text(text)
    found, _ = junit.read(tmp_path / "a.xml")
    return tuple(found.cases[outcome] for outcome in junit.OUTCOMES), found.seconds


def test_read_pytest() -> None:
    """A real report of pytest with every outcome."""
    found, stamp = junit.read(FIXTURES / "reports" / "pytest.xml")
    assert found.cases == {"passed": 3, "failed": 1, "error": 1, "skipped": 2}
    assert found.seconds == pytest.approx(0.003)
    assert stamp.size > 0


@pytest.mark.parametrize(
    ("text", "cases", "seconds"),
    [
        (SUREFIRE, (2, 1, 0, 1), 1000.5),
        (PHPUNIT, (2, 0, 1, 0), 0.3),
        (GTEST, (1, 0, 0, 1), 0),
        ("<testsuites/>", (0, 0, 0, 0), 0),
        ('<testsuite><testcase time="-5"/><testcase time="1e300"/></testsuite>', (2, 0, 0, 0), 0),
    ],
)
def test_read_dialects(tmp_path: Path, text: str, cases: tuple[int, ...], seconds: float) -> None:
    """Every case counts once, however suites are nested and whatever they say of themselves."""
    found = results(tmp_path, text)
    assert found[0] == cases
    assert found[1] == pytest.approx(seconds)


def test_read_other_xml_says_so(tmp_path: Path) -> None:
    """A coverage report in the place of test results is told apart."""
    with pytest.raises(SourceMalformed, match="begins with <coverage>, not with <testsuites> or <testsuite>"):
        results(tmp_path, "<coverage/>")
