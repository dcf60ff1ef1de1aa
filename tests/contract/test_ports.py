"""Addresses and intervals agree between the daemons' defaults and the shipped Prometheus and Alertmanager files."""

from pathlib import Path
from typing import Any

import yaml

import alert_handler.config as handler_config
import exporter.__main__ as exporter_main

ROOT = Path(__file__).parents[2]


def shipped(name: str) -> dict[str, Any]:
    """A shipped configuration file."""
    document: dict[str, Any] = yaml.safe_load((ROOT / "prometheus" / name).read_text(encoding="utf-8"))
    return document


def targets(job: str) -> list[str]:
    """The addresses that a scrape job names."""
    jobs = {entry["job_name"]: entry for entry in shipped("prometheus.yml")["scrape_configs"]}
    return [target for group in jobs[job]["static_configs"] for target in group["targets"]]


def test_prometheus_scrapes_the_default_ports() -> None:
    """Both jobs name the daemons' default addresses."""
    assert targets("nightshift-exporter") == [f"127.0.0.1:{exporter_main.PORT}"]
    assert targets("nightshift-handler") == [f"127.0.0.1:{handler_config.PORT}"]


def test_alertmanager_posts_to_the_handler() -> None:
    """Every webhook goes to the handler's default address and intake path, unlimited and without redirects."""
    hooks = [
        hook for receiver in shipped("alertmanager.yml")["receivers"] for hook in receiver.get("webhook_configs", [])
    ]
    assert {hook["url"] for hook in hooks} == {f"http://127.0.0.1:{handler_config.PORT}/api/v1/alertmanager"}
    assert all(hook["max_alerts"] == 0 and hook["http_config"]["follow_redirects"] is False for hook in hooks)


def test_handler_waits_for_the_shipped_intervals() -> None:
    """A verification waits for one scrape and one evaluation: as long as the shipped Prometheus takes."""
    intervals = shipped("prometheus.yml")["global"]
    defaults = handler_config.PrometheusUpstream()
    assert f"{defaults.scrape_interval_seconds:.0f}s" == intervals["scrape_interval"]
    assert f"{defaults.evaluation_interval_seconds:.0f}s" == intervals["evaluation_interval"]
