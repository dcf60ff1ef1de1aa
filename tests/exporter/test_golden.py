"""The whole exposition, of a host that uses every collector: agreed line by line, and what other programs say to it.

`UPDATE_GOLDEN=1 python -m pytest tests/exporter/test_golden.py` writes the two files anew; look at the difference.
"""

import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from demo.binaries import BinaryMissingError, find
from exporter import catalogue, config
from exporter.collectors.probes import Probes
from exporter.exposition import OPENMETRICS, TEXT, Format
from tests.exporter.doubles import Statvfs, Until
from tests.exporter.fixture_host import MASKED, FixtureHost, fixture_host, mask

GOLDEN = Path(__file__).parents[1] / "golden"
FILES = {"exporter_whole.prom": TEXT, "exporter_whole.openmetrics": OPENMETRICS}
#: None is the machine's own. Together: promtool 2.42, 2.53, 3.5.
SUITES = (None, "trixie", "sid")
ENTRIES = catalogue.entries(config.known_collectors())


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, statvfs: Statvfs, until: Until) -> Iterator[FixtureHost]:
    """The host, once every target has been probed."""
    with fixture_host(tmp_path, monkeypatch, statvfs) as it:
        probes = it.collectors["probes"]
        assert isinstance(probes, Probes)
        until(lambda: len([slot for slot in probes._schedule.slots.values() if slot.last]) == 3)
        yield it


@pytest.mark.parametrize(("name", "form"), FILES.items(), ids=FILES)
def test_exposition_is_as_agreed(host: FixtureHost, name: str, form: Format) -> None:
    """Every family, series and value of the host is that of the golden file."""
    text = host.exposition(form)
    if os.environ.get("UPDATE_GOLDEN"):
        (GOLDEN / name).write_text(text, encoding="utf-8")
    assert text.splitlines() == (GOLDEN / name).read_text(encoding="utf-8").splitlines()


def test_golden_shows_every_metric_of_the_catalogue() -> None:
    """No metric is declared that the golden exposition does not show."""
    declared = {entry.metric.name: entry.metric for entry in ENTRIES}
    headers = re.findall(r"^# TYPE (\S+)", (GOLDEN / "exporter_whole.prom").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(declared) - set(headers) == set()


def test_masked_metrics_are_in_the_catalogue() -> None:
    """No mask outlives its metric."""
    assert {entry.metric.name for entry in ENTRIES} >= MASKED


def test_mask_leaves_names_and_labels() -> None:
    """Only the value of a masked metric, and the time of an exemplar, are replaced."""
    assert mask('nightshift_journey_duration_seconds{journey="a b} 2"} 0.25') == (
        'nightshift_journey_duration_seconds{journey="a b} 2"} 1'
    )
    assert mask("nightshift_load1 0.25") == "nightshift_load1 0.25"
    assert (
        mask('x_bucket{le="1"} 2 # {trace_id="7"} 0.5 1795228140.123') == 'x_bucket{le="1"} 2 # {trace_id="7"} 0.5 1.0'
    )


def test_golden_is_read_by_prometheus_client() -> None:
    """Its strict parser of OpenMetrics and the one of the text format find the same families."""
    text = {family.name for family in parse_text((GOLDEN / "exporter_whole.prom").read_text(encoding="utf-8"))}
    strict = {
        f"{family.name}_info" if family.type == "info" else family.name
        for family in parse_openmetrics((GOLDEN / "exporter_whole.openmetrics").read_text(encoding="utf-8"))
    }
    assert strict == text


@pytest.mark.acceptance
@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite or "default")
def test_golden_is_clean_for_promtool(suite: str | None) -> None:
    """Prometheus' own linter has nothing to say about any family, in any version."""
    try:
        promtool = find("promtool", suite)
    except BinaryMissingError as error:
        if suite is None:
            pytest.fail(str(error))
        pytest.skip(str(error))
    golden = (GOLDEN / "exporter_whole.prom").read_bytes()
    checked = subprocess.run([promtool, "check", "metrics"], input=golden, capture_output=True, timeout=60, check=False)
    assert (checked.returncode, (checked.stdout + checked.stderr).decode()) == (0, "")
