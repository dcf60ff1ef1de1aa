"""R1, R2, R19: a real handler process that is killed, traced and stopped while webhooks come."""

import http.client
import json
import re
import shutil
import signal
import sqlite3
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Self

import pytest

from demo.processes import Child, free_ports
from demo.waiting import until

ROOT = Path(__file__).resolve().parents[2]
KILLS = 5
ACKS_A_KILL = 40
SENDERS = 4
TRACED = 20
SECONDS = 60.0


class Sending:
    """Threads that post webhooks, each body once, for as long as they are answered."""

    def __init__(self, port: int, first: int) -> None:
        self._port = port
        self._first = first
        self._threads = [threading.Thread(target=self._send, args=(number,)) for number in range(SENDERS)]
        self.acknowledged: list[bytes] = []
        self.answers: list[int] = []

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        for thread in self._threads:
            thread.join(SECONDS)

    def enough(self) -> bool:
        """Whether so many are acknowledged that it is time to strike."""
        return len(self.acknowledged) >= ACKS_A_KILL

    def _send(self, sender: int) -> None:
        for number in range(10_000):
            content = body(f"{self._first}-{sender}-{number}")
            try:
                status = post(self._port, content)
            except (OSError, http.client.HTTPException):
                return
            self.answers.append(status)
            if status == 200:
                self.acknowledged.append(content)


def body(name: str) -> bytes:
    """A webhook with one alert called *name*."""
    alert = {"status": "firing", "labels": {"alertname": name}, "startsAt": "2026-01-02T03:04:05Z"}
    return json.dumps({"version": "4", "alerts": [alert]}).encode()


def post(port: int, content: bytes) -> int:
    """The status of one delivery, over a connection of its own as Alertmanager's many groups have."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)) as connection:
        connection.request("POST", "/api/v1/alertmanager", body=content)
        answer = connection.getresponse()
        answer.read()
        return answer.status


def ready(port: int) -> bool:
    """Whether the handler is."""
    try:
        with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)) as connection:
            connection.request("GET", "/-/ready")
            return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The handler's database."""
    return tmp_path / "handler.db"


@pytest.fixture
def handler(tmp_path: Path, store: Path) -> Iterator[Child]:
    """A handler process, not yet started, that nobody else answers."""
    config = tmp_path / "handler.yml"
    config.write_text(
        f"store_url: sqlite:///{store}\nplaybook_files: []\n"
        "prometheus: {url: 'http://127.0.0.1:9'}\nalertmanager: {url: 'http://127.0.0.1:9'}\n"
    )
    [port] = free_ports(1)
    address = f"127.0.0.1:{port}"
    argv = [sys.executable, "-m", "alert_handler", "--config.file", str(config), "--web.listen-address", address]
    child = Child("handler", argv, tmp_path / "handler.log", {"PYTHONPATH": str(ROOT)})
    yield child
    child.stop()


def start(handler: Child) -> int:
    """Start it and wait until it is ready; its port."""
    handler.start()
    port = int(handler.argv[handler.argv.index("--web.listen-address") + 1].rpartition(":")[2])
    until(lambda: ready(port), f"the handler: {handler.last_lines()}", SECONDS, poll_seconds=0.02)
    return port


def stored(store: Path, table: str, column: str) -> list[object]:
    """One column of the store, in order of writing."""
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as connection:
        return [row[0] for row in connection.execute(f"SELECT {column} FROM {table} ORDER BY id")]  # noqa: S608 -- ours


def test_kill_9_under_load_loses_no_acknowledged_webhook(handler: Child, store: Path) -> None:
    """R1: every body that was answered with 200 is stored, byte for byte, and is worked on by the successor."""
    acknowledged: list[bytes] = []
    for number in range(KILLS):
        with Sending(start(handler), number) as sending:
            until(sending.enough, "acknowledged webhooks", SECONDS, poll_seconds=0.005)
            handler.stop(signal.SIGKILL)
        acknowledged += sending.acknowledged
    assert len(acknowledged) >= KILLS * ACKS_A_KILL
    assert set(acknowledged) <= set(stored(store, "inbox", "body"))
    start(handler)
    until(lambda: "new" not in stored(store, "inbox", "state"), "an empty inbox", SECONDS)
    assert len(set(stored(store, "incidents", "labels"))) == len(set(stored(store, "inbox", "body")))


def test_sigterm_under_load_answers_what_came_and_exits_0(handler: Child, store: Path) -> None:
    """R19: an orderly stop ends within seconds with status 0; no answer but 200 and 503, and no acknowledged loss."""
    with Sending(start(handler), 0) as sending:
        until(sending.enough, "acknowledged webhooks", SECONDS, poll_seconds=0.005)
        assert handler.process is not None
        handler.process.send_signal(signal.SIGTERM)
        assert handler.process.wait(SECONDS) == 0
    assert set(sending.answers) <= {200, 503}
    assert set(sending.acknowledged) <= set(stored(store, "inbox", "body"))
    assert "Traceback" not in handler.log.read_text()


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed")
def test_acknowledgement_follows_the_sync_of_its_own_row(handler: Child, tmp_path: Path) -> None:
    """R2: the thread that writes a body into the log syncs it before the answer to that body is sent."""
    trace = tmp_path / "trace"
    calls = "trace=pwrite64,fdatasync,fsync,sendto"
    handler.argv = [
        "strace",
        "-f",
        "-qq",
        "-s",
        "5000",
        "-e",
        calls,
        "-e",
        "signal=none",
        "-o",
        str(trace),
        *handler.argv,
    ]
    port = start(handler)
    names = [f"Traced{number:04}" for number in range(TRACED)]
    assert [post(port, body(name)) for name in names] == [200] * TRACED
    handler.stop()
    lines = trace.read_text(errors="replace").splitlines()
    assert [name for name in names if not synced_before_answer(lines, name)] == []


def synced_before_answer(lines: list[str], name: str) -> bool:
    """Whether, after the first write of *name*, its own thread ended a sync before any 200 was sent."""
    written = next(index for index, line in enumerate(lines) if "pwrite64" in line and name in line)
    thread = lines[written].split()[0]
    for line in lines[written:]:
        if re.search(r"(fdatasync|fsync)(\(\d+\)| resumed>\)) += 0", line) and line.split()[0] == thread:
            return True
        if "sendto" in line and "HTTP/1.1 200" in line:
            return False
    return False
