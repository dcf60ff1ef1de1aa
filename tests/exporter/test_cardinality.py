"""Strangers cannot make series: each collector whose labels come from outside is shown ever new ones."""

import io
import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from exporter import config
from exporter.app import Exporter
from exporter.exposition import TEXT
from exporter.web import Application
from tests.exporter.doubles import Site, Until

TOKEN = "a-long-token-for-tests"
CONFIG = """
collectors:
  resources: {enabled: false}
  traffic:
    services: {shop: {path: access.log, start: beginning, max_routes: 20, poll_interval_seconds: 0.05}}
  error_log:
    services: {shop: {path: error.log, preset: plain, start: beginning, max_patterns: 20, poll_interval_seconds: 0.05}}
    reports: {token_file: token, max_patterns: 20}
  deployments: {token_file: token, max_services: 10}
  probes: {max_requests: 1}
  dropin: {folders: [metrics], max_series: 50, max_files: 10}
  health: {services: {shop: {url: SITE, interval_seconds: 0.05, trouble_interval_seconds: 0.05}}}
  services: {services: {shop: {http: {url: SITE}, redis: {address: "127.0.0.1:1"}, interval_seconds: 0.05}}}
"""
#: Words that no masking of numbers and identifiers makes alike.
WORDS = [a + b + c + d for a in "bcdfgklm" for b in "aeiou" for c in "npqrstvw" for d in "aeiou"]


class Attacked:
    """An exporter, and what strangers can do to it: *wave* is other text each time."""

    def __init__(self, folder: Path, site: Site) -> None:
        (folder / "metrics").mkdir()
        (folder / "token").touch(mode=0o600)
        (folder / "token").write_text(TOKEN)
        (folder / "exporter.yml").write_text(CONFIG.replace("SITE", site.url))
        self.exporter = Exporter(folder / "exporter.yml", config.known_collectors())
        self._application = Application(self.exporter)
        self._folder = folder
        self._site = site

    def series(self) -> set[str]:
        """What is shown, without values."""
        lines = self.exporter.exposition(9.5, TEXT).decode().splitlines()
        return {line.rpartition(" ")[0] for line in lines if not line.startswith("#")}

    def wave(self, number: int) -> None:
        """Lines, reports, deployments, probes, files and answers that were never seen before."""
        words = WORDS[number * 150 : number * 150 + 150]
        with (self._folder / "access.log").open("a") as log:
            head = "10.0.0.1 - - [21/Nov/2026:02:29:00 +0000]"
            log.writelines(
                f'{head} "{w.upper()} /{w}/{w} HTTP/1.1" {100 + n} 5 "-" "{w}"\n' for n, w in enumerate(words)
            )
        with (self._folder / "error.log").open("a") as log:
            log.writelines(f"ERROR {w} {w}{w} has lost {w}{w[::-1]}\n" for w in words)
        for w in words:
            report = {"error": f"{w} of {w}{w}", "service": w, "user_id": w, "context": {w: w}}
            self.ask("/errors", method="POST", body=report)
            self.ask("/deployments", method="POST", body={"service": w, "version": w, "environment": w})
            self.ask("/probe", query=f"target=http://127.0.0.1:1/{w}&module=http_2xx")
            self.ask("/probe", query=f"target=http://127.0.0.1:1/&module={w}")
        for w in words[:15]:
            (self._folder / "metrics" / f"{w}.prom").write_text(f'{w}{{{w}="{w}"}} 1\n')
        self._site.answers |= {
            "/health/resources": (200, b'{"memory_percent": 1, "disk_percent": 2}'),
            "/health/system": (200, json.dumps({"status": words[0]}).encode()),
            "/": (500, words[0].encode()),
        }

    def ask(self, path: str, method: str = "GET", query: str = "", body: object = None) -> None:
        """One request of a stranger who has the token."""
        data = json.dumps(body).encode()
        environ = {"REQUEST_METHOD": method, "PATH_INFO": path, "QUERY_STRING": query, "CONTENT_LENGTH": str(len(data))}
        environ |= {"HTTP_AUTHORIZATION": f"Bearer {TOKEN}", "wsgi.input": io.BytesIO(data)}
        b"".join(self._application(environ, lambda *_: None))


@pytest.fixture
def attacked(tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Attacked]:
    """The exporter under attack."""
    monkeypatch.chdir(tmp_path)
    with ExitStack() as stack:
        it = Attacked(tmp_path, site)
        stack.callback(it.exporter.close)
        yield it


def count(series: set[str], beginning: str) -> int:
    """How many series begin so."""
    return sum(name.startswith(beginning) for name in series)


def test_attack_beyond_the_caps_adds_no_series(attacked: Attacked, until: Until) -> None:
    """After three waves the caps are reached; three more change the number of series by nothing."""
    for number in range(3):
        attacked.wave(number)
    until(lambda: lines(attacked) == 450)
    before = attacked.series()
    for number in range(3, 6):
        attacked.wave(number)
    until(lambda: lines(attacked) == 900)
    assert len(attacked.series()) == len(before)


def test_attack_is_held_by_the_cap_of_each_collector(attacked: Attacked, until: Until) -> None:
    """Routes, patterns, services, files and modules: each no more than configured, and `other` for the rest."""
    for number in range(3):
        attacked.wave(number)
    until(lambda: lines(attacked) == 450)
    shown = attacked.series()
    assert count(shown, "nightshift_http_response_bytes_total") == 21
    assert count(shown, 'nightshift_error_pattern_info{service="shop"') == 20
    assert count(shown, "nightshift_error_reports_total") == 52
    assert count(shown, "nightshift_deploys_total") == 10
    assert count(shown, "nightshift_textfile_error") == 10
    assert count(shown, "nightshift_probe_requests_total") == 1
    assert count(shown, "nightshift_health_status") == 5


def lines(attacked: Attacked) -> float:
    """Lines of both logs that were counted, the fewer."""
    text = attacked.exporter.exposition(9.5, TEXT).decode()
    names = ("nightshift_traffic_lines_total", "nightshift_error_log_lines_total")
    found = [line.rpartition(" ")[2] for line in text.splitlines() if line.startswith(names)]
    return min(map(float, found))
