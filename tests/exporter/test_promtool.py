import subprocess
import sys
from pathlib import Path

import pytest

from demo import binaries

CONFIG = """
collectors:
  health: {services: {shop: {url: "http://127.0.0.1:1", timeout_seconds: 0.2}}}
  services: {services: {shop: {port: "127.0.0.1:1", process: {name: init}}}}
  traffic: {services: {shop: {path: access.log, start: beginning}}}
"""
LINE = '10.0.0.1 - - [21/Nov/2026:02:29:00 +0000] "GET /a HTTP/1.1" 200 5 "-" "curl" 0.1\n'


@pytest.mark.acceptance
def test_check_metrics_finds_nothing(tmp_path: Path) -> None:
    """Prometheus' own linter has nothing to say about any family that we show."""
    (tmp_path / "exporter.yml").write_text(CONFIG.replace("access.log", str(tmp_path / "access.log")))
    (tmp_path / "access.log").write_text(LINE)
    once = [sys.executable, "-m", "exporter", "once", "--config.file", str(tmp_path / "exporter.yml")]
    exposition = subprocess.run(once, capture_output=True, check=True).stdout
    promtool = [str(binaries.find("promtool")), "check", "metrics"]
    checked = subprocess.run(promtool, input=exposition, capture_output=True, check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")
    assert b"nightshift_http_request_duration_seconds_bucket" in exposition
