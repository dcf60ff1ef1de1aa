import json
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from demo.processes import free_ports
from demo.waiting import until
from tests.prometheus.routing import CONFIG, FILE, Labels, inhibits
from tests.prometheus.rulebook import Rule, alert_labels, alerts

START_SECONDS = 20
EQUAL = {label for rule in CONFIG["inhibit_rules"] for label in rule["equal"]} - {"topic"}
by_alert = pytest.mark.parametrize("rule", alerts(), ids=str)


def variants(labels: Labels) -> Iterator[Labels]:
    """The same alert on the labels of every other alert, as far as it has them: the worst case for `equal`."""
    for other in alerts():
        yield {**labels, **{key: value for key, value in alert_labels(other).items() if key in EQUAL & set(labels)}}


@by_alert
def test_repairable_alert_and_watchdog_are_never_inhibited(rule: Rule) -> None:
    """Whatever else fires: their end would never be sent."""
    if "action" not in rule.labels and "watchdog" not in rule.labels:
        return
    sources = [alert_labels(source) for source in alerts()]
    assert not any(inhibits(source, labels) for labels in variants(alert_labels(rule)) for source in sources)


def test_critical_alert_inhibits_lesser_ones_of_the_same_thing_only() -> None:
    """A file system out of inodes is not also running out of them; another one may be."""
    named = {rule.name: alert_labels(rule) for rule in alerts()}
    lesser = named["NightshiftDiskInodesHigh"]
    assert inhibits(named["NightshiftDiskInodesCritical"], lesser)
    assert not inhibits(named["NightshiftDiskInodesCritical"], {**lesser, "mountpoint": "/other"})
    assert not inhibits(named["NightshiftDiskInodesCritical"], {**lesser, "instance": "m9:19100"})
    assert not inhibits(lesser, named["NightshiftDiskInodesCritical"])


def test_service_that_is_down_inhibits_its_errors_and_its_latency() -> None:
    """One fault, one call."""
    named = {rule.name: alert_labels(rule) for rule in alerts()}
    down, errors = named["NightshiftServiceDown"], named["NightshiftErrorRatioCritical"]
    assert inhibits(down, errors)
    assert inhibits(down, named["NightshiftLatencyHigh"])
    assert not inhibits(down, {**errors, "service": "other"})


def ask(url: str, body: object = None) -> Any:  # noqa: ANN401 -- JSON
    """GET, or POST of JSON; the answer as plain objects, None when nobody answers."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.loads(answer.read() or b"true")
    except OSError:
        return None


@pytest.fixture
def api(alertmanager: Path, tmp_path: Path) -> Iterator[str]:
    """A real Alertmanager with the shipped configuration, its handler's address replaced by one where nobody is."""
    port, nobody = free_ports(2)
    text = FILE.read_text(encoding="utf-8").replace("127.0.0.1:19093", f"127.0.0.1:{nobody}")
    (tmp_path / "alertmanager.yml").write_text(text, encoding="utf-8")
    flags = {
        "config.file": tmp_path / "alertmanager.yml",
        "storage.path": tmp_path / "data",
        "web.listen-address": f"127.0.0.1:{port}",
        "cluster.listen-address": "",
    }
    with (tmp_path / "log").open("w") as log:
        child = subprocess.Popen([alertmanager, *(f"--{k}={v}" for k, v in flags.items())], stdout=log, stderr=log)
        try:
            until(lambda: ask(f"http://127.0.0.1:{port}/api/v2/status"), "Alertmanager", START_SECONDS)
            yield f"http://127.0.0.1:{port}/api/v2/alerts"
        finally:
            child.terminate()
            child.wait()


def test_real_alertmanager_inhibits_as_this_file_says(api: str) -> None:
    """The real one and `inhibits` agree on every pair of alerts that fire together."""
    fired = [alert_labels(rule) for rule in alerts()]
    expected = {labels["alertname"] for labels in fired if any(inhibits(source, labels) for source in fired)}
    assert ask(api, [{"labels": labels} for labels in fired])

    def suppressed() -> set[str]:
        shown = ask(api) or []
        return {alert["labels"]["alertname"] for alert in shown if alert["status"]["state"] == "suppressed"}

    until(lambda: suppressed() >= expected, "the inhibited alerts", START_SECONDS)
    assert suppressed() == expected
