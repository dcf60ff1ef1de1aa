"""Sources that hang cost themselves: not the scrape, not the other sources, not one more thread."""

import http.client
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
SCRAPES = 1000
ADDRESS = re.compile(r"address=127\.0\.0\.1:(\d+)")


@pytest.fixture
def stalled() -> Iterator[int]:
    """The port of a server that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as server:
        yield server.getsockname()[1]


@pytest.fixture
def config(tmp_path: Path, stalled: int) -> Path:
    """A configuration in which every source that can hang does."""
    (tmp_path / "drop").mkdir()
    os.mkfifo(tmp_path / "drop" / "x.prom")
    os.mkfifo(tmp_path / "access.log")
    os.mkfifo(tmp_path / "error.log")
    os.mkfifo(tmp_path / "pid")
    often = {"interval_seconds": 0.1, "timeout_seconds": 0.2}
    url = f"http://127.0.0.1:{stalled}"
    checks = {"http": {"url": url}, "redis": {"address": url[7:]}, "pid_file": str(tmp_path / "pid")}
    state = {"state_directory": str(tmp_path / "state")}
    sections = {
        "health": {"services": {"a": {"url": url, **often}}},
        "services": {"services": {"a": {**checks, **often}}},
        "traffic": {"services": {"a": {"path": str(tmp_path / "access.log")}}, **state},
        "error_log": {"services": {"a": {"path": str(tmp_path / "error.log")}}, **state},
        "dropin": {"folders": [str(tmp_path / "drop")]},
        "probes": {"targets": [{"targets": [url], "module": "http_2xx", "interval": "1s"}]},
    }
    file = tmp_path / "exporter.yml"
    file.write_text(yaml.safe_dump({"collectors": sections}))
    return file


@pytest.fixture
def exporter(config: Path) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A running exporter and its port."""
    command = [sys.executable, "-m", "exporter", "serve", f"--config.file={config}", "--web.listen-address=127.0.0.1:0"]
    said = config.with_name("log")
    with said.open("w") as log, subprocess.Popen(command, cwd=ROOT, stderr=log) as process:
        try:
            yield process, port_of(said)
        finally:
            process.terminate()


def port_of(said: Path) -> int:
    """The port that the exporter says it listens on."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if found := ADDRESS.search(said.read_text()):
            return int(found[1])
        threading.Event().wait(0.05)
    raise AssertionError(said.read_text())


def scrape(connection: http.client.HTTPConnection) -> str:
    """One exposition."""
    connection.request("GET", "/metrics")
    return connection.getresponse().read().decode()


def threads(process: subprocess.Popen[bytes]) -> int:
    """How many threads the process has."""
    found = re.search(r"^Threads:\s+(\d+)", Path(f"/proc/{process.pid}/status").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])


def test_hung_sources_leave_every_scrape_whole_and_start_no_thread(
    exporter: tuple[subprocess.Popen[bytes], int],
) -> None:
    """Over a thousand scrapes beside pipes without a writer and servers without an answer."""
    process, port = exporter
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=20)) as connection:
        deadline = time.monotonic() + 30
        while 'nightshift_health_up{service="a"} 0' not in scrape(connection) and time.monotonic() < deadline:
            pass
        before = threads(process)
        texts = [scrape(connection) for _ in range(SCRAPES)]
        after = threads(process)
    whole = [
        text for text in texts if 'collector_success{collector="resources"} 1' in text and "nightshift_cpus" in text
    ]
    assert (len(whole), after) == (SCRAPES, before)
    assert 'nightshift_textfile_error{file="' in texts[-1]
    assert 'nightshift_traffic_log_readable{service="a"} 0' in texts[-1]
