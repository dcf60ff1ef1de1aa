import sys
from pathlib import Path

import msgspec
import pytest
import yaml

import alert_handler.config
import exporter.config
from chassis import config_file
from demo import configs
from demo.configs import Layout, ShippedFileChangedError


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    """A stack's places, none of them in use."""
    parts = ("prometheus", "alertmanager", "exporter", "handler", "service", "receiver")
    addresses = {part: f"127.0.0.1:{number}" for number, part in enumerate(parts, start=1001)}
    return Layout(tmp_path, tmp_path / "cache", addresses, interval_seconds=1.0)


def _prometheus(layout: Layout) -> str:
    """The demo's prometheus.yml."""
    return configs.prometheus_text(layout.addresses, layout.interval_seconds, "/rules/*.rules.yml", "http://handler")


def test_prometheus_text_has_the_stacks_addresses(layout: Layout) -> None:
    """Every part is scraped at its own address, and none at a shipped one."""
    document = yaml.safe_load(_prometheus(layout))
    targets = {job["job_name"]: job["static_configs"][0]["targets"][0] for job in document["scrape_configs"]}
    assert targets["nightshift-exporter"] == "127.0.0.1:1003"
    assert not set(targets.values()) & set(configs.SHIPPED_ADDRESSES.values())
    assert document["global"]["external_labels"]["nightshift_url"] == "http://handler"


def test_prometheus_text_has_the_stacks_interval(layout: Layout) -> None:
    """A faster interval needs a shorter timeout, or Prometheus refuses the file."""
    found = yaml.safe_load(_prometheus(layout))["global"]
    assert (found["scrape_interval"], found["evaluation_interval"], found["scrape_timeout"]) == ("1s", "1s", "1s")


def test_prometheus_text_of_a_changed_file_says_what_is_missing(
    layout: Layout, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the shipped file no longer holds an address, the error names file and pattern."""
    monkeypatch.setattr(configs, "SHIPPED", tmp_path)
    (tmp_path / "prometheus.yml").write_text("global: {}\n", encoding="utf-8")
    with pytest.raises(ShippedFileChangedError, match=r"prometheus.yml: found nothing that matches .*nightshift_url"):
        _prometheus(layout)


def test_alertmanager_text_sends_to_the_given_handler() -> None:
    """Alertmanager calls the handler, or a proxy in front of it."""
    document = yaml.safe_load(configs.alertmanager_text("127.0.0.1:7"))
    assert document["receivers"][0]["webhook_configs"][0]["url"] == "http://127.0.0.1:7/api/v1/alertmanager"


def test_exporter_config_is_valid(layout: Layout) -> None:
    """The exporter takes it; service, worker and access log are watched."""
    path = layout.path("exporter")
    configs.write_yaml(path, configs.exporter_config(layout))
    found = exporter.config.load(path, exporter.config.known_collectors()).collectors
    assert {"health", "services", "traffic"} <= set(found)


def test_handler_config_fits_the_handlers_schema(layout: Layout) -> None:
    """The alert handler's types take it; it may act."""
    document = msgspec.to_builtins(configs.handler_config(layout, sys.executable))
    found = config_file.decode(document, alert_handler.config.Config, "handler.yml")
    assert found.mode == "act"
    assert set(found.remediations) == {"cleanup", "restart"}
