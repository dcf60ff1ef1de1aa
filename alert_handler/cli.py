"""The verbs that answer and end: check-config, describe, incidents."""

import argparse
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import requests

from alert_handler import config as configuration
from alert_handler.handler import store_path
from alert_handler.metrics import Metrics
from alert_handler.plugins import build_channels, build_remediations
from chassis.logs import clean

TIMEOUT_SECONDS = 10.0


def check_config(path: Path | None) -> str:
    """Build everything that the configuration names, and say what it is.

    Raises:
        ConfigInvalid: it cannot be used.
    """
    config = configuration.load(path)
    store_path(config.store_url)
    remediations, channels = build_remediations(config), build_channels(config)
    return (
        f"{path or 'built-in defaults'}: valid: mode {config.mode}, {len(config.playbooks)} playbooks, "
        f"{len(remediations)} remediation kinds, channels {', '.join(channels) or 'none'}\n"
    )


def describe() -> str:
    """Every metric of the handler as JSON: name, kind, labels, help."""
    catalogue = Metrics().catalogue
    rows = [
        {"name": name, "kind": kind, "labels": list(labels), "help": text}
        for name, (kind, labels, text) in sorted(catalogue.items())
    ]
    return json.dumps(rows, indent=1) + "\n"


def incidents(url: str, arguments: argparse.Namespace) -> str:
    """The incidents of the handler at *url*, as its API tells them.

    Raises:
        requests.RequestException: it does not answer.
    """
    one = "" if arguments.id is None else f"/{arguments.id}"
    answer = requests.get(
        f"{url.rstrip('/')}/api/v1/incidents{one}", params={"state": arguments.state}, timeout=TIMEOUT_SECONDS
    )
    if arguments.format == "json":
        return answer.text + "\n"
    content = answer.json()
    if one:
        return _whole(content)
    return "".join(_line(incident) for incident in content) or "no incidents\n"


def _line(incident: dict[str, Any]) -> str:
    verdict = incident["verdict"] or (incident["decision"] or {}).get("reason", "")
    cells = (str(incident["id"]), _time(incident["opened_at"]), incident["state"], incident["severity"])
    return "  ".join((*cells, clean(incident["alertname"]), clean(incident["service"]), verdict)) + "\n"


def _whole(incident: dict[str, Any]) -> str:
    if "error" in incident:
        return f"{incident['error']}\n"
    steps = (f"  {_time(t['at'])}  {t['stage']:<9} {t['outcome']:<22} {clean(t['text'])}" for t in incident["timeline"])
    return _line(incident) + "\n".join(steps) + "\n"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
