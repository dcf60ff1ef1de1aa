"""Measures the alert handler's way in: a storm from a real Alertmanager, and its memory after some work.

    python bench/intake.py --groups 1000 --output intake.json

The storm: so many alerts are given to Alertmanager in one request; it makes a group of each (`group_by: ['...']`,
`group_wait: 0s`) and posts them all at once, each over a connection of its own. Counted are the seconds from that
request until every webhook is stored, and until every alert is an incident. Memory is what a fresh handler holds after
200 webhooks and 200 scrapes. Everything is on loopback and ends by itself.
"""

import argparse
import http.client
import json
import os
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from demo import binaries  # noqa: E402 -- the project is not installed: its root must be on the path first
from demo.processes import Child, free_ports  # noqa: E402
from demo.waiting import until  # noqa: E402

Figures = dict[str, dict[str, float]]

#: What the design promises.
STORED_SECONDS = 2.0
RESIDENT_MIB = 48.0
PATIENCE_SECONDS = 90.0
MIB = 2**20

HANDLER_CONFIG = """\
store_url: sqlite:///{store}
playbook_files: []
prometheus: {{url: "http://127.0.0.1:9"}}
alertmanager: {{url: "http://127.0.0.1:9"}}
"""
ALERTMANAGER_CONFIG = """\
route: {{receiver: nightshift, group_by: ["..."], group_wait: 0s, group_interval: 5m, repeat_interval: 4h}}
receivers:
  - name: nightshift
    webhook_configs:
      - {{url: "http://127.0.0.1:{port}/api/v1/alertmanager", send_resolved: true, max_alerts: 0}}
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run both measurements; 0 when both budgets are kept."""
    options = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="nightshift-intake-") as name:
        figures = {
            "storm": storm(Path(name) / "storm", options.groups),
            "memory": memory(Path(name) / "memory", options.webhooks, options.scrapes),
        }
    print(table(figures))
    print(json.dumps(figures))
    if options.output:
        options.output.write_text(json.dumps(figures, indent=2) + "\n")
    kept = figures["storm"]["stored_seconds"] <= STORED_SECONDS and figures["memory"]["resident_mib"] <= RESIDENT_MIB
    return 0 if kept else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--groups", type=int, default=1000, help="groups of the storm (default: %(default)s)")
    parser.add_argument("--webhooks", type=int, default=200, help="before memory is read (default: %(default)s)")
    parser.add_argument("--scrapes", type=int, default=200, help="before memory is read (default: %(default)s)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the figures there as JSON")
    return parser


def storm(folder: Path, groups: int) -> dict[str, float]:
    """Seconds from the alerts' arrival at Alertmanager until the handler has stored, and then absorbed, all groups."""
    handler_port, alertmanager_port = free_ports(2)
    with (
        running_handler(folder, handler_port) as handler,
        running_alertmanager(folder, alertmanager_port, handler_port),
    ):
        alerts = [alert(number) for number in range(groups)]
        before = cpu_seconds(handler)
        began = time.monotonic()
        send(alertmanager_port, "/api/v2/alerts", alerts)
        store = folder / "handler.db"
        stored = seconds_until(began, lambda: count(store, "inbox") >= groups, "every group stored")
        cpu = cpu_seconds(handler)
        absorbed = seconds_until(began, lambda: count(store, "incidents") >= groups, "every alert an incident")
        return {
            "groups": groups,
            "stored_seconds": stored,
            "incidents_seconds": absorbed,
            "handler_cpu_seconds": cpu - before,
            "webhooks": count(store, "inbox"),
            "resident_mib": handler.resident_bytes() / MIB,
        }


def memory(folder: Path, webhooks: int, scrapes: int) -> dict[str, float]:
    """Resident memory of a fresh handler, and after so many webhooks and scrapes."""
    [port] = free_ports(1)
    with running_handler(folder, port) as handler:
        fresh = handler.resident_bytes() / MIB
        for number in range(webhooks):
            send(port, "/api/v1/alertmanager", {"version": "4", "alerts": [{**alert(number), "status": "firing"}]})
        until(lambda: count(folder / "handler.db", "incidents") >= webhooks, "the incidents", PATIENCE_SECONDS)
        for _ in range(scrapes):
            fetch(port, "/metrics")
        return {
            "webhooks": webhooks,
            "scrapes": scrapes,
            "fresh_mib": fresh,
            "resident_mib": handler.resident_bytes() / MIB,
        }


@contextmanager
def running_handler(folder: Path, port: int) -> Iterator[Child]:
    """A handler process with a store of its own in *folder*, ready."""
    folder.mkdir()
    config = folder / "handler.yml"
    config.write_text(HANDLER_CONFIG.format(store=folder / "handler.db"))
    address = ["--web.listen-address", f"127.0.0.1:{port}"]
    argv = [sys.executable, "-m", "alert_handler", "--config.file", str(config), *address]
    with running(Child("handler", argv, folder / "handler.log", {"PYTHONPATH": str(ROOT)}), port) as child:
        yield child


@contextmanager
def running_alertmanager(folder: Path, port: int, handler_port: int) -> Iterator[Child]:
    """A real Alertmanager that sends every group to the handler at once, ready."""
    config = folder / "alertmanager.yml"
    config.write_text(ALERTMANAGER_CONFIG.format(port=handler_port))
    argv = [
        str(binaries.find("alertmanager")),
        f"--config.file={config}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",  # a cluster waits 10 s for its members before it sends anything
        "--log.level=warn",
    ]
    with running(Child("alertmanager", argv, folder / "alertmanager.log"), port) as child:
        yield child


@contextmanager
def running(child: Child, port: int) -> Iterator[Child]:
    """*child* as long as the block runs, from the moment that it is ready."""
    child.start()
    try:
        until(lambda: answers(port), f"{child.name}: {child.last_lines()}", PATIENCE_SECONDS, poll_seconds=0.05)
        yield child
    finally:
        child.stop()


def cpu_seconds(child: Child) -> float:
    """User and system time of *child* so far: unlike the clock, it hardly depends on what else the machine does."""
    fields = Path(f"/proc/{child.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def answers(port: int) -> bool:
    """Whether the server at *port* says that it is ready."""
    try:
        return fetch(port, "/-/ready") == 200
    except OSError:
        return False


def fetch(port: int, path: str) -> int:
    """The status of a GET."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        return answer.status


def send(port: int, path: str, content: object) -> None:
    """POST *content* as JSON.

    Raises:
        RuntimeError: the answer is not 200.
    """
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)) as connection:
        connection.request("POST", path, json.dumps(content).encode(), {"Content-Type": "application/json"})
        answer = connection.getresponse()
        if answer.status != 200:
            raise RuntimeError(f"{path}: HTTP {answer.status}: {answer.read()[:200]!r}")
        answer.read()


def alert(number: int) -> dict[str, object]:
    """One alert; each number is a label set and so a group of its own."""
    labels = {"alertname": "Storm", "severity": "high", "service": "shop", "instance": f"host-{number}:9100"}
    return {"labels": labels, "annotations": {"summary": f"storm {number}"}, "startsAt": datetime.now(UTC).isoformat()}


def count(store: Path, table_name: str) -> int:
    """How many rows are committed."""
    with closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=PATIENCE_SECONDS)) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table_name}").fetchone()[0])  # noqa: S608 -- ours


def seconds_until(began: float, condition: Callable[[], bool], what: str) -> float:
    """Seconds from *began* until *condition* holds, looked at every 20 ms."""
    until(condition, what, PATIENCE_SECONDS, poll_seconds=0.02)
    return round(time.monotonic() - began, 3)


def table(figures: Figures) -> str:
    """The figures as aligned text."""
    rows = [(name, key, value) for name, part in figures.items() for key, value in part.items()]
    return "\n".join(f"{name:<8} {key:<20} {value:>10.2f}" for name, key, value in rows)


if __name__ == "__main__":
    sys.exit(main())
