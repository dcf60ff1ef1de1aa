"""A real handler over a temporary store, with a clock and a Prometheus that the test moves. Nothing runs by itself."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
from flask import Flask
from flask.testing import FlaskClient

from alert_handler.app import create_app
from alert_handler.config import Config
from alert_handler.handler import Handler

START = 1_800_000_000.0
INTAKE = "/api/v1/alertmanager"
CLEANUP = {
    "name": "clean-logs",
    "match": ['alertname="DiskFull"'],
    "remediation": "cleanup",
    "params": {"root": "logs", "files": ["*.log"], "min_age_seconds": 0, "keep_newest": 0},
    "verify": {"query": "disk_used", "healthy": "< 0.8", "hold_seconds": 5, "within_seconds": 20},
    "cooldown_seconds": 60,
}

Series = list[tuple[dict[str, str], float]]


class Prometheus:
    """Answers queries by the first of `answers` whose key is part of the expression, else with no series."""

    def __init__(self) -> None:
        self.answers: dict[str, Series] = {}
        self.asked: list[str] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def close(self) -> None:
        """Answer no more; a connection is refused from now on."""
        self._server.shutdown()
        self._server.server_close()

    def answer(self, target: str) -> dict[str, Any]:
        """The API's answer to a request for *target*."""
        parts = urlsplit(target)
        expression = parse_qs(parts.query).get("query", [""])[0]
        self.asked.append(expression)
        series = next((rows for key, rows in self.answers.items() if key in expression), [])
        over_time = parts.path.endswith("query_range")
        times = [START + 30 * n for n in range(5)] if over_time else [START]
        samples = [{"metric": labels, **_samples(times, value, over_time=over_time)} for labels, value in series]
        return {"status": "success", "data": {"resultType": "matrix" if over_time else "vector", "result": samples}}

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        prometheus = self

        class Answering(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps(prometheus.answer(self.path)).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Answering


class House:
    """The handler, its web application as a client sees it, its clock and its Prometheus."""

    def __init__(self, folder: Path, prometheus: Prometheus, **config: object) -> None:
        self.now = START
        self.folder = folder
        self.prometheus = prometheus
        self.kill_file = folder / "KILL"
        self.roots = folder / "logs"
        self.roots.mkdir()
        self.handler = Handler(self._config(config), "http://nightshift.example", lambda: self.now)
        self.handler.upkeep.turn()
        self.app: Flask = create_app(self.handler, lambda: "")
        self.client: FlaskClient = self.app.test_client()

    def _config(self, changes: dict[str, object]) -> Config:
        document = {
            "mode": "act",
            "store_url": f"sqlite:///{self.folder}/store/nightshift.db",
            "prometheus": {"url": self.prometheus.url},
            "alertmanager": {"url": self.prometheus.url},
            "switches": {"kill_file": str(self.kill_file)},
            "remediations": {"cleanup": {"roots": {"logs": {"path": str(self.roots)}}}},
            "playbooks": [CLEANUP],
            "playbook_files": [],
            "notifiers": {"log": {}},
        }
        return msgspec.convert(document | changes, Config)

    def receive(self, *alerts: dict[str, Any], work: bool = True) -> None:
        """Send *alerts* as Alertmanager does and, unless told otherwise, let the stages run as far as they go now."""
        assert self.client.post(INTAKE, data=body(*alerts)).status_code == 200
        while self.handler.lifecycle.absorb():
            pass
        if work:
            self.work()

    def work(self) -> None:
        """Run every stage that is due."""
        while self.handler.worker.turn():
            pass

    def wait(self, seconds: float) -> None:
        """Let time pass, second by second, with the stages running."""
        until = self.now + seconds
        while self.now < until:
            self.now += 1.0
            self.work()

    def get(self, path: str) -> str:
        """The page at *path*."""
        response = self.client.get(path)
        assert response.status_code == 200, (path, response.status_code, response.text)
        return response.text

    def json(self, path: str) -> Any:  # noqa: ANN401 -- whatever the API says
        """What the API says at *path*."""
        return json.loads(self.get(path))


@contextmanager
def house(folder: Path, **config: object) -> Iterator[House]:
    """A house that is cleaned up at the end; *config* replaces sections of its configuration."""
    prometheus = Prometheus()
    built = House(folder, prometheus, **config)
    try:
        yield built
    finally:
        built.handler.stop()
        prometheus.close()


def alert(labels: dict[str, str], annotations: dict[str, str] | None = None, **fields: object) -> dict[str, Any]:
    """One alert of a notification; *fields* replace its own (`status`, `startsAt`, `generatorURL`)."""
    plain = {
        "status": "firing",
        "labels": labels,
        "annotations": annotations or {},
        "startsAt": datetime.fromtimestamp(START - 15, UTC).isoformat(),
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus.example:9090/graph?g0.expr=up",
        "fingerprint": "0123456789abcdef",
    }
    return plain | fields


def body(*alerts: dict[str, Any]) -> bytes:
    """A notification of Alertmanager's version 4 with *alerts*."""
    group = {"groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "groupKey": "{}"}
    top = {"receiver": "nightshift", "status": "firing", "externalURL": "http://alertmanager.example:9093"}
    return json.dumps({**top, **group, "version": "4", "alerts": alerts, "truncatedAlerts": 0}).encode()


def disk_full(**fields: object) -> dict[str, Any]:
    """The alert that the playbook of the house answers."""
    labels = {"alertname": "DiskFull", "severity": "critical", "service": "shop", "instance": "web-1:19100"}
    annotations = {"summary": "The disk of shop is full.", "runbook_url": "https://runbooks.example/disk"}
    return alert(labels, annotations, **fields)


def repaired(home: House) -> None:
    """Incident 1 of *home*: detected, cleaned up, verified as fixed, closed."""
    for number in range(3):
        (home.roots / f"access-{number}.log").write_bytes(b"x" * 1000)
    home.prometheus.answers = {
        "disk_used": [({}, 0.93)],
        "_used_ratio": [({"__name__": "nightshift_health_disk_used_ratio", "service": "shop"}, 0.93)],
    }
    home.receive(disk_full())
    home.prometheus.answers["disk_used"] = [({}, 0.4)]
    home.wait(30)
    home.receive(disk_full(status="resolved"))


def _samples(times: list[float], value: float, *, over_time: bool) -> dict[str, Any]:
    if not over_time:
        return {"value": [times[-1], str(value)]}
    return {"values": [[at, str(value - 0.01 * (len(times) - n))] for n, at in enumerate(times)]}
