import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest

from exporter.analysis.components import Naming
from exporter.collectors.coverage import Config, Coverage, read
from exporter.errors import SourceMalformed
from tests.exporter.conftest import FIXTURES
from tests.exporter.doubles import Samples, Shown

REPORTS = FIXTURES / "reports"
#: What the three reports of one run of coverage.py say: covered and all lines.
SHOP = {"shop": (0, 3), "shop/cart": (4, 8), "shop/pay": (4, 4)}

Look = Callable[..., Samples]


@pytest.fixture
def look(shown: Shown) -> Iterator[Look]:
    """What a collector of this configuration shows, without the names' beginning."""
    with ExitStack() as stack:

        def collect(**keys: object) -> Samples:
            it = Coverage(msgspec.convert(keys, Config))
            stack.callback(it.close)
            return {name.removeprefix("nightshift_qa_coverage_"): v for name, v in shown(it.collect()).items()}

        yield collect


@pytest.mark.parametrize("name", ["coverage.xml", "coverage.json", "coverage.lcov"])
def test_read_formats_agree(name: str) -> None:
    """One run of coverage.py, written in three formats, gives the same lines."""
    counts, _ = read(REPORTS / name, Naming("all", depth=2))
    assert {component: lines for component, lines in counts.items() if lines[1]} == SHOP


def test_collect_shows_ratio_and_target(look: Look) -> None:
    """Each component's ratio stands beside what it should be."""
    path = str(REPORTS / "coverage.xml")
    seen = look(reports={"shop": {"path": path, "depth": 2}}, targets={"shop/pay": 1.0}, target_ratio=0.8)
    assert seen['ratio{component="shop/cart"}'] == 0.5
    assert seen['ratio{component="shop/pay"}'] == 1
    assert seen['target_ratio{component="shop/pay"}'] == 1
    assert seen['target_ratio{component="shop/cart"}'] == 0.8
    assert (seen['covered_lines{component="shop/cart"}'], seen['lines{component="shop/cart"}']) == (4, 8)
    assert seen['report_readable{report="shop"}'] == 1
    assert seen['report_timestamp_seconds{report="shop"}'] == pytest.approx(Path(path).stat().st_mtime)


def test_collect_adds_reports_up(look: Look) -> None:
    """Several files, by wildcard or as several reports, are one sum per component."""
    seen = look(reports={"a": {"path": f"{REPORTS}/coverage.*"}, "b": {"path": f"{REPORTS}/coverage.json"}})
    assert (seen['covered_lines{component="shop"}'], seen['lines{component="shop"}']) == (32, 60)


def test_collect_past_the_bound_counts_small_components_together(look: Look) -> None:
    """The number of series has an end; no line is lost."""
    seen = look(reports={"a": {"path": f"{REPORTS}/coverage.xml", "depth": 2}}, max_components=1)
    lines = {name: value for name, value in seen.items() if name.startswith("lines")}
    assert lines == {'lines{component="shop/cart"}': 8, 'lines{component="other"}': 7}


def test_collect_missing_report_is_no_data(look: Look, tmp_path: Path) -> None:
    """Before the first run of the tests there is nothing to show, and nothing failed."""
    seen = look(reports={"shop": {"path": f"{tmp_path}/none.xml"}, "more": {"path": f"{tmp_path}/*.xml"}})
    assert seen == {'report_readable{report="shop"}': 0, 'report_readable{report="more"}': 0}


def test_close_ends_the_reading() -> None:
    """Nothing reads on after the end."""
    it = Coverage(msgspec.convert({"reports": {"gone": {"path": "/none"}}}, Config))
    list(it.collect())
    it.close()
    assert "source gone" not in {thread.name for thread in threading.enumerate() if thread.is_alive()}


def test_read_cobertura_counts_no_line_of_a_method_twice(tmp_path: Path) -> None:
    """Java's and C#'s reports list a method's lines below the method and below its class."""
    line = '<line number="1" hits="{}"/>'
    (tmp_path / "c.xml").write_text(
        '<!DOCTYPE coverage SYSTEM "http://cobertura.sourceforge.net/xml/coverage-04.dtd"><coverage><packages>'
        '<package name="p"><classes><class name="p.A" filename="p/A.java"><methods><method name="f"><lines>'
        f"{line.format(5)}</lines></method></methods><lines>{line.format(5)}{line.format(0)}{line.format(10)}</lines>"
        "</class></classes></package></packages></coverage>"
    )
    assert read(tmp_path / "c.xml", Naming("all"))[0] == {"p": (2, 3)}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("<testsuite/>", "begins with <testsuite>, not with <coverage>"),
        ("<coverage>", "no element found"),
        ('{"files": 5}', "Expected `object`"),
        ('{"totals": {}}', "missing required field `files`"),
        ('{"files": ' + '{"a":' * 5000 + "}" * 5000 + "}", "a: |nested too deep|at|malformed"),
        ("hello", "neither Cobertura XML, nor coverage.py's JSON, nor an LCOV tracefile"),
        ("", "neither Cobertura XML"),
    ],
)
def test_read_what_is_no_report_says_so(tmp_path: Path, text: str, problem: str) -> None:
    """The message has the file and what was expected."""
    (tmp_path / "a").write_text(text)
    with pytest.raises(SourceMalformed, match=problem) as caught:
        read(tmp_path / "a", Naming("all"))
    assert str(tmp_path / "a") in str(caught.value)


def test_read_lcov_takes_hits_with_checksums_and_long_lines(tmp_path: Path) -> None:
    """A checksum behind the hits and a line of a megabyte change no count."""
    text = f"TN:{'x' * 1_000_000}\nSF:a/b.c\r\nDA:1,0,abc\r\nDA:2,7,abc\r\nDA:3,0\r\nend_of_record\r\n"
    (tmp_path / "a.info").write_text(text, newline="")
    assert read(tmp_path / "a.info", Naming("all"))[0] == {"a": (1, 3)}
