import re
import subprocess
from pathlib import Path

import yaml

from demo import binaries
from exporter import config
from exporter.config import known_collectors
from exporter.probing.attempt import REASONS
from exporter.probing.modules import DEFAULTS
from exporter.probing.targets import FileSource, TargetFiles, wanted

PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "probe-endpoints.md").read_text()
BLOCKS = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)


def test_configurations_of_the_page_are_valid(tmp_path: Path) -> None:
    """Both sections for exporter.yml load as they are printed."""
    sections = [block for block in BLOCKS if block.startswith("collectors:")]
    assert len(sections) == 2
    for block in sections:
        (tmp_path / "exporter.yml").write_text(block)
        assert "probes" in config.load(tmp_path / "exporter.yml", known_collectors()).collectors


def test_targets_of_the_page_are_read_as_it_says(tmp_path: Path) -> None:
    """The page's file of targets, with the module that a label chooses."""
    (tmp_path / "targets.yml").write_text(next(block for block in BLOCKS if block.startswith("- targets:")))
    files = TargetFiles([FileSource((str(tmp_path / "targets.yml"),))])
    files.refresh()
    found, problems = wanted(files.groups(), DEFAULTS, 30)
    assert problems == []
    assert [one.key for one in found][1:] == [("https://api.example/health", "http_2xx"), ("ns1.example", "dns_soa")]


def test_scrape_configuration_of_the_page_passes_promtool(tmp_path: Path) -> None:
    """Prometheus' own checker takes the job as it is printed."""
    job = next(block for block in BLOCKS if block.startswith("scrape_configs:"))
    assert yaml.safe_load(job)["scrape_configs"][0]["metrics_path"] == "/probe"
    (tmp_path / "prometheus.yml").write_text(job)
    checker = [str(binaries.find("promtool")), "check", "config", str(tmp_path / "prometheus.yml")]
    done = subprocess.run(checker, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_page_names_every_reason_and_built_in_module() -> None:
    """What the page lists is what there is."""
    listed = re.search(r"of: `(resolve[a-z_\s]+)`", PAGE)
    assert listed is not None
    assert sorted(listed[1].split()) == sorted(REASONS)
    assert all(f"`{name}`" in PAGE for name in DEFAULTS)
