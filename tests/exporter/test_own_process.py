import os
from pathlib import Path

import pytest
from prometheus_client.process_collector import ProcessCollector

from exporter.client_metrics import ClientMetrics
from exporter.errors import SourceMalformed, SourceUnavailable
from exporter.sources.own_process import METRICS, OwnProcess
from tests.exporter.doubles import Shown


def test_metrics_are_those_of_prometheus_client() -> None:
    """Names, kinds and help are what every Python process shows."""
    theirs = {(m.name, m.type, m.documentation) for m in ProcessCollector(registry=None).collect()}
    assert {(m.base_name, m.kind, m.help) for m in METRICS} == theirs


def test_collect_values_are_those_of_prometheus_client(shown: Shown) -> None:
    """Both read the same process; what moves between two looks may differ a little."""
    theirs = shown(map(ClientMetrics().family, ProcessCollector(registry=None).collect()))
    ours = shown(OwnProcess().collect())
    for name, value in theirs.items():
        assert ours[name] == pytest.approx(value, rel=0.2, abs=1.0)


def test_collect_counts_descriptors_on_older_kernels(monkeypatch: pytest.MonkeyPatch, shown: Shown) -> None:
    """Where the kernel gives the folder no size, its entries are counted."""
    process = OwnProcess()
    counted = shown(process.collect())["process_open_fds"]
    monkeypatch.setattr(Path, "stat", lambda _: os.stat_result([0] * 10))
    assert shown(process.collect())["process_open_fds"] == pytest.approx(counted, abs=2)


def test_collect_without_proc_is_empty(tmp_path: Path) -> None:
    """A machine without /proc leaves the families out."""
    assert OwnProcess(str(tmp_path)).collect() == []


def test_collect_malformed_line_is_an_error(tmp_path: Path) -> None:
    """A line with too few fields is reported."""
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "stat").write_text("1 (x) S 1")
    with pytest.raises(SourceMalformed, match="self/stat"):
        OwnProcess(str(tmp_path)).collect()


def test_collect_hidden_descriptors_are_an_error(tmp_path: Path) -> None:
    """A process that may not look at itself says so."""
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "stat").write_bytes(Path("/proc/self/stat").read_bytes())
    with pytest.raises(SourceUnavailable, match="self/fd: No such file"):
        OwnProcess(str(tmp_path)).collect()
