"""A host on which every collector has something to show: the files of fixtures/host, servers on loopback, still clocks.

What its exporter shows is the same each time, but for the values of `MASKED` and for the ports of its servers.
"""

import io
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from exporter import config
from exporter.answers import HasRoutes
from exporter.collector import Collector
from exporter.exposition import Format, render
from exporter.registry import Registry
from exporter.self_metrics import SelfMetrics
from tests.exporter.checks.test_pidbox import Broker
from tests.exporter.doubles import Clock, Site, Statvfs, serving
from tests.exporter.peers import peer, recorded
from tests.exporter.probing.talkers import talking
from tests.exporter.walk_doubles import Shop, open_shop

FIXTURES = Path(__file__).parents[1] / "fixtures"
#: Unix seconds: the clock of the host, and the time at which all its files were written.
NOW = 1_795_228_140.0
TOKEN = "a-token-of-the-fixture-host"
SECRETS = {"token": TOKEN, "mysql-password": "geheim", "rabbitmq-password": "guest"}
HEALTH = {
    "/": (200, b"a page"),
    "/health/resources": (200, b'{"memory_percent": 61.5, "disk_percent": 40, "cpu_percent": 12}'),
    "/health/system": (200, b'{"status": "healthy"}'),
}
REPORT = {"error": "Payment 7 failed", "service": "pay", "user_id": 42}
DEPLOYMENT = {"service": "pay", "version": "7.1.0", "time": NOW}

#: Metrics whose values are times of the real clock or readings of the process that runs the tests; each is shown as 1.
MASKED = frozenset(
    {
        "process_cpu_seconds_total",
        "process_max_fds",
        "process_open_fds",
        "process_resident_memory_bytes",
        "process_start_time_seconds",
        "process_virtual_memory_bytes",
        "nightshift_api_check_duration_seconds",
        "nightshift_api_check_last_run_timestamp_seconds",
        "nightshift_collector_duration_seconds",
        "nightshift_collector_last_success_timestamp_seconds",
        "nightshift_error_log_last_line_timestamp_seconds",
        "nightshift_error_pattern_first_seen_timestamp_seconds",
        "nightshift_health_check_duration_seconds",
        "nightshift_health_last_success_timestamp_seconds",
        "nightshift_journey_duration_seconds",
        "nightshift_journey_last_success_timestamp_seconds",
        "nightshift_journey_step_duration_seconds",
        "nightshift_probe_duration_seconds",
        "nightshift_probe_last_run_timestamp_seconds",
        "nightshift_service_check_duration_seconds",
        "nightshift_service_last_check_timestamp_seconds",
        "nightshift_traffic_last_line_timestamp_seconds",
    }
)
#: Collectors that take a wall clock.
_BY_THE_CLOCK = ("containers", "deployments", "dropin", "error_log")
_SAMPLE = re.compile(r"^(?P<name>[a-z_0-9]+)(?P<labels>\{.*\})? (?P<value>\S+)$")
_OF_HISTOGRAM = re.compile(r"_(bucket|sum|count)$")
_EXEMPLAR_TIME = re.compile(r"( # \{.*\} \S+) \S+$")


class FixtureHost:
    """The running collectors of the host."""

    def __init__(self, collectors: Mapping[str, Collector], servers: Mapping[str, str]) -> None:
        self.collectors = collectors
        self._servers = servers
        self._registry = Registry()
        self._registry.replace(set(), collectors)
        self._about = SelfMetrics(Clock(NOW))
        self._about.reloaded(successful=True)

    def exposition(self, form: Format) -> str:
        """Everything that it shows, with masked values."""
        text = render([*self._registry.scrape(60.0), *self._about.collect()], form).decode()
        for name, address in self._servers.items():
            text = text.replace(address, name.lower())
        return "".join(f"{mask(line)}\n" for line in text.splitlines())

    def close(self) -> None:
        """End every collector."""
        self._registry.close()


def mask(line: str) -> str:
    """*line* with 1 for the value of a masked metric, and for the time of an exemplar."""
    found = _SAMPLE.fullmatch(line)
    if found and {found["name"], _OF_HISTOGRAM.sub("", found["name"])} & MASKED:
        return f"{found['name']}{found['labels'] or ''} 1"
    return _EXEMPLAR_TIME.sub(r"\1 1.0", line)


@contextmanager
def fixture_host(folder: Path, monkeypatch: pytest.MonkeyPatch, statvfs: Statvfs) -> Iterator[FixtureHost]:
    """The host, with its files in *folder*, which becomes the working directory."""
    _furnish(folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("NIGHTSHIFT_REVISION", "fixture")
    monkeypatch.setattr("exporter.self_metrics.VERSION", "0.0.0")
    monkeypatch.setattr("platform.python_version", lambda: "3.0.0")
    monkeypatch.setattr("exporter.probing.schedule.first_due", lambda _, now: now)  # not spread over an interval
    for module in ("sampler", "schedule"):
        monkeypatch.setattr(f"exporter.{module}.SETTLE_SECONDS", 60.0)  # the first scrape has everything
    with ExitStack() as stack:
        servers = _servers(stack)
        text = (folder / "exporter.yml").read_text(encoding="utf-8")
        for name, address in servers.items():
            text = text.replace(name, address)
        (folder / "exporter.yml").write_text(text, encoding="utf-8")
        host = FixtureHost(_collectors(folder / "exporter.yml", statvfs), servers)
        stack.callback(host.close)
        assert post(host, "/errors", REPORT) == "202 Accepted"
        assert post(host, "/deployments", DEPLOYMENT) == "200 OK"
        yield host


def post(host: FixtureHost, path: str, body: object) -> str:
    """The status of a POST to a collector of the host."""
    (collector,) = [one for one in host.collectors.values() if isinstance(one, HasRoutes) and path in one.paths]
    data = json.dumps(body).encode()
    request = {
        "REQUEST_METHOD": "POST",
        "CONTENT_LENGTH": str(len(data)),
        "HTTP_AUTHORIZATION": f"Bearer {TOKEN}",
        "wsgi.input": io.BytesIO(data),
    }
    return collector.routes()[path].answer(request).status


def _furnish(folder: Path) -> None:
    """Copy the host's files, all as old as each other."""
    shutil.copytree(FIXTURES / "host", folder, dirs_exist_ok=True)
    shutil.copytree(FIXTURES / "reports", folder / "reports")
    shutil.copytree(FIXTURES / "proc", folder / "proc")
    for name, secret in SECRETS.items():
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(secret, encoding="utf-8")
    for path in folder.rglob("*"):
        os.utime(path, (NOW, NOW))


def _servers(stack: ExitStack) -> dict[str, str]:
    """The host's servers by their word in the configuration, begun."""
    page = stack.enter_context(serving(Site(answers=dict(HEALTH)))).url
    tls = stack.enter_context(talking(b"", tls=True))
    return {
        "SITE": page,
        "PAGE": f"{stack.enter_context(serving(Site(answers=dict(HEALTH)))).url}/",
        "TLS": f"127.0.0.1:{tls.port}",
        "SHOP": stack.enter_context(open_shop(Shop())).url,
        "BROKER": stack.enter_context(peer(Broker(2, ["a@h", "b@h"]))).address,
        "RABBIT": stack.enter_context(peer(recorded("rabbitmq_queues"))).address,
        "MYSQL": stack.enter_context(peer(recorded("mysql_native"))).address,
    }


def _collectors(path: Path, statvfs: Statvfs) -> dict[str, Collector]:
    """A collector for each section, by the clock of the host where it has one of its own."""
    clock = Clock(NOW)
    still: dict[str, dict[str, object]] = {name: {"wall": clock} for name in _BY_THE_CLOCK}
    still["resources"] = {"statvfs": statvfs}
    loaded = config.load(path, config.known_collectors())
    return {
        name: loaded.classes[name](section, **still.get(name, {}))  # type: ignore[call-arg]
        for name, section in loaded.collectors.items()
    }
