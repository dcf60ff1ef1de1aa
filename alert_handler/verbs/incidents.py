"""incidents: list the incidents of a running handler, or show one with its timeline."""

import argparse
from datetime import UTC, datetime
from typing import Any

import requests

from alert_handler.errors import UpstreamError
from chassis.logs import clean

TIMEOUT_SECONDS = 10.0


def run(arguments: argparse.Namespace) -> str:
    """What the handler's API tells, as text or as its JSON.

    Raises:
        UpstreamError: the handler does not answer.
    """
    one = "" if arguments.id is None else f"/{arguments.id}"
    url = f"{arguments.external_url.rstrip('/')}/api/v1/incidents{one}"
    try:
        answer = requests.get(url, params={"state": arguments.state}, timeout=TIMEOUT_SECONDS)
        content = answer.json()
    except requests.RequestException as error:
        problem = f"{type(error).__name__}; is the handler running there? (--web.external-url)"
        raise UpstreamError(f"{url}: {problem}") from error
    if isinstance(content, dict) and "error" in content:
        raise UpstreamError(f"{url}: {clean(str(content['error']))}")
    if arguments.format == "json":
        return answer.text + "\n"
    try:
        return _whole(content) if one else "".join(_line(incident) for incident in content) or "no incidents\n"
    except (KeyError, TypeError, AttributeError) as error:
        raise UpstreamError(f"{url}: the answer is not an alert handler's (--web.external-url)") from error


def _line(incident: dict[str, Any]) -> str:
    verdict = incident["verdict"] or (incident["decision"] or {}).get("reason", "")
    cells = (str(incident["id"]), _time(incident["opened_at"]), incident["state"], incident["severity"])
    return "  ".join((*cells, clean(incident["alertname"]), clean(incident["service"]), verdict)) + "\n"


def _whole(incident: dict[str, Any]) -> str:
    steps = (f"  {_time(t['at'])}  {t['stage']:<9} {t['outcome']:<22} {clean(t['text'])}" for t in incident["timeline"])
    return _line(incident) + "\n".join(steps) + "\n"


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
