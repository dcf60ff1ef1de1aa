"""The demo's configuration files: the shipped Prometheus and Alertmanager files with other addresses, and two of ours.

The shipped files are taken as text and only addresses, paths and intervals are replaced, so the demo shows what is
shipped. A replacement that finds nothing is an error: the shipped file changed and this module has to follow.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = ROOT / "prometheus"
PLAYBOOKS = ROOT / "alert_handler" / "playbooks"
# What the shipped files call the parts of the stack.
SHIPPED_ADDRESSES: Mapping[str, str] = {
    "prometheus": "127.0.0.1:9090",
    "alertmanager": "127.0.0.1:9093",
    "exporter": "127.0.0.1:19100",
    "handler": "127.0.0.1:19093",
}
Playbook = dict[str, Any]

SERVICE = "demo"
WORKER = "demo-worker"


class ShippedFileChangedError(RuntimeError):
    """A shipped configuration no longer holds what the demo replaces in it; the text names file and place."""


@dataclass(frozen=True)
class Layout:
    """Where one stack lives: its folder, its addresses (HOST:PORT by part) and its Prometheus' interval."""

    folder: Path
    cache: Path
    addresses: Mapping[str, str]
    interval_seconds: float = 5.0

    @property
    def logs(self) -> Path:
        """The demo service's log folder."""
        return self.folder / "service" / "logs"

    @property
    def pid_file(self) -> Path:
        """The demo worker's pid file."""
        return self.folder / "service" / "worker.pid"

    @property
    def messages(self) -> Path:
        """What the receiver took: JSON lines."""
        return self.folder / "messages.jsonl"

    @property
    def kill_file(self) -> Path:
        """The handler's kill switch."""
        return self.folder / "KILL"

    @property
    def switches(self) -> Path:
        """The handler's switches file."""
        return self.folder / "switches.env"

    @property
    def store(self) -> Path:
        """The handler's database."""
        return self.folder / "handler.db"

    def path(self, part: str) -> Path:
        """The configuration file of a part."""
        return self.folder / f"{part}.yml"

    def url(self, part: str) -> str:
        """The address of a part as URL."""
        return f"http://{self.addresses[part]}"


def prometheus_text(addresses: Mapping[str, str], interval_seconds: float, rules: str, handler_url: str) -> str:
    """Gives the shipped prometheus.yml with these addresses, this interval and this glob of rule files.

    Args:
        addresses: HOST:PORT of prometheus, alertmanager, exporter and handler.
        interval_seconds: scrape and evaluation interval.
        rules: glob of the rule files.
        handler_url: where people reach the handler, for the links in alerts.

    Raises:
        ShippedFileChangedError: the shipped file no longer holds what is replaced.
    """
    file = "prometheus.yml"
    text = (SHIPPED / file).read_text(encoding="utf-8")
    text = _replace(r"^( *nightshift_url:) *\S+", rf"\1 {handler_url}", text, file)
    for part, shipped in SHIPPED_ADDRESSES.items():
        text = _replace(rf"targets: \[{re.escape(shipped)}\]", f"targets: [{addresses[part]}]", text, file)
    text = _replace(r"^( *- )rules/\*\.rules\.yml$", rf"\1{rules}", text, file)
    for key in ("scrape_interval", "evaluation_interval"):
        text = _replace(rf"^(  {key}:) *5s$", rf"\1 {interval_seconds:g}s", text, file)
    # A scrape may not take longer than its interval.
    timeout = min(interval_seconds, 4)
    return _replace(r"^(  scrape_timeout:) *4s$", rf"\1 {timeout:g}s", text, file)


def alertmanager_text(handler: str) -> str:
    """Gives the shipped alertmanager.yml with the handler's address (HOST:PORT).

    Raises:
        ShippedFileChangedError: the shipped file no longer holds what is replaced.
    """
    file = "alertmanager.yml"
    text = (SHIPPED / file).read_text(encoding="utf-8")
    return _replace(rf"\bhttp://{re.escape(SHIPPED_ADDRESSES['handler'])}/", f"http://{handler}/", text, file)


def exporter_config(layout: Layout) -> dict[str, object]:
    """Gives the exporter's configuration: the demo service's health, its worker, its access log."""
    # By default health is polled every 30 s, in trouble every 10 s; a demo should not make people wait for that.
    often = {"interval_seconds": 1, "trouble_interval_seconds": 1}
    return {
        "collectors": {
            "health": {"services": {SERVICE: {"url": layout.url("service"), **often}}},
            "services": {"services": {WORKER: {"pid_file": str(layout.pid_file), "interval_seconds": 1}}},
            "traffic": {"services": {SERVICE: {"path": str(layout.logs / "access.log")}}},
        }
    }


def handler_config(layout: Layout, python: str) -> dict[str, object]:
    """Gives the alert handler's configuration: it may act, on the demo's folders and worker alone."""
    intervals = layout.interval_seconds
    return {
        "mode": "act",
        "store_url": f"sqlite:///{layout.store}",
        "prometheus": {
            "url": layout.url("prometheus"),
            "scrape_interval_seconds": intervals,
            "evaluation_interval_seconds": intervals,
        },
        "alertmanager": {"url": layout.url("alertmanager")},
        "switches": {"file": str(layout.switches), "kill_file": str(layout.kill_file)},
        "remediations": {
            "cleanup": {
                "roots": {
                    f"{SERVICE}-logs": {"path": str(layout.logs)},
                    f"{SERVICE}-cache": {"path": str(layout.cache)},
                }
            },
            "restart": {
                "services": {WORKER: {"pid_file": str(layout.pid_file), "start": worker_start(layout, python)}}
            },
        },
        "notifiers": {"webhook": {"url": f"{layout.url('receiver')}/hook"}, "log": {}},
    }


def with_playbooks(document: dict[str, object], change: Callable[[Playbook], Playbook]) -> dict[str, object]:
    """Gives a handler configuration whose playbooks are the shipped ones, each changed."""
    files = sorted(PLAYBOOKS.glob("*.yml"))
    entries = [change(entry) for file in files for entry in yaml.safe_load(file.read_text(encoding="utf-8"))]
    return {**document, "playbooks": entries, "playbook_files": []}


def worker_start(layout: Layout, python: str) -> Sequence[str]:
    """Gives the command that starts the demo's worker."""
    # By path and isolated: the handler's children get neither its environment nor its working directory.
    return [python, "-I", str(ROOT / "demo" / "worker.py"), "--detach", "--pid-file", str(layout.pid_file)]


def write(path: Path, text: str) -> None:
    """Writes a text file."""
    path.write_text(text, encoding="utf-8")


def write_yaml(path: Path, document: Mapping[str, object]) -> None:
    """Writes a YAML file."""
    write(path, yaml.safe_dump(document, sort_keys=False))


def _replace(pattern: str, replacement: str, text: str, file: str) -> str:
    """Replaces a pattern wherever it stands.

    Raises:
        ShippedFileChangedError: it stands nowhere.
    """
    text, count = re.subn(pattern, replacement, text, flags=re.MULTILINE)
    if not count:
        raise ShippedFileChangedError(f"{SHIPPED / file}: found nothing that matches {pattern}; mend demo/configs.py")
    return text
