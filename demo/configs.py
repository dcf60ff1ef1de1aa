"""The demo's configuration files: the shipped Prometheus and Alertmanager files with other addresses, and two of ours.

The shipped files are taken as text and only addresses, paths and intervals are replaced, so the demo shows what is
shipped. A replacement that finds nothing is an error: the shipped file changed and this module has to follow.
"""

import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
SHIPPED = ROOT / "prometheus"
# What the shipped files call the parts of the stack.
SHIPPED_ADDRESSES: Mapping[str, str] = {
    "prometheus": "127.0.0.1:9090",
    "alertmanager": "127.0.0.1:9093",
    "exporter": "127.0.0.1:19100",
    "handler": "127.0.0.1:19093",
}
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


def write_all(layout: Layout, python: str = sys.executable) -> None:
    """Writes the four configuration files of a stack into its folder.

    Raises:
        ShippedFileChangedError: a shipped file no longer holds what is replaced.
    """
    write(layout.path("prometheus"), prometheus_text(layout.addresses, layout.interval_seconds))
    write(layout.path("alertmanager"), alertmanager_text(layout.addresses))
    write_yaml(layout.path("exporter"), exporter_config(layout))
    write_yaml(layout.path("handler"), handler_config(layout, python))


def prometheus_text(addresses: Mapping[str, str], interval_seconds: float, rules: str | None = None) -> str:
    """Gives the shipped prometheus.yml with these addresses, this interval and this glob of rule files.

    Raises:
        ShippedFileChangedError: the shipped file no longer holds what is replaced.
    """
    text = (SHIPPED / "prometheus.yml").read_text(encoding="utf-8")
    text = _with_addresses(text, addresses, "prometheus.yml")
    text = _replace(r"\brules/\*\.rules\.yml", rules or str(SHIPPED / "rules" / "*.rules.yml"), text, "prometheus.yml")
    seconds = f"{interval_seconds:g}s"
    for key in ("scrape_interval", "evaluation_interval"):
        text = _replace(rf"^(\s*{key}:) *5s\b", rf"\1 {seconds}", text, "prometheus.yml")
    if interval_seconds < 5:
        # A scrape may not take longer than its interval.
        text = re.sub(r"^(\s*scrape_timeout:) *\S+", rf"\1 {seconds}", text, flags=re.MULTILINE)
    return text


def alertmanager_text(addresses: Mapping[str, str]) -> str:
    """Gives the shipped alertmanager.yml with the handler's address.

    Raises:
        ShippedFileChangedError: the shipped file no longer holds what is replaced.
    """
    text = (SHIPPED / "alertmanager.yml").read_text(encoding="utf-8")
    return _with_addresses(text, {"handler": addresses["handler"]}, "alertmanager.yml")


def exporter_config(layout: Layout) -> dict[str, object]:
    """Gives the exporter's configuration: the demo service's health, its worker, its access log."""
    return {
        "collectors": {
            # By default every 30 s, in trouble every 10 s; a demo should not make people wait for that.
            "health": {"services": {SERVICE: {"url": layout.url("service"), "interval_seconds": 1}}},
            "services": {"checks": [{"service": WORKER, "pid_file": str(layout.pid_file)}]},
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


def _with_addresses(text: str, addresses: Mapping[str, str], file: str) -> str:
    """Replaces the shipped addresses; the own address of a file's program may be missing from it.

    Raises:
        ShippedFileChangedError: an address of another part is not in the text.
    """
    for part, address in addresses.items():
        if part in SHIPPED_ADDRESSES:
            text = _replace(rf"(?<![\d.])(?:127\.0\.0\.1|localhost){_port(part)}\b", address, text, file)
    return text


def _port(part: str) -> str:
    """Gives `:port` of a part's shipped address, as a pattern."""
    return re.escape(":" + SHIPPED_ADDRESSES[part].rpartition(":")[2])


def _replace(pattern: str, replacement: str, text: str, file: str) -> str:
    """Replaces a pattern wherever it stands.

    Raises:
        ShippedFileChangedError: it stands nowhere.
    """
    text, count = re.subn(pattern, replacement, text, flags=re.MULTILINE)
    if not count:
        raise ShippedFileChangedError(f"{SHIPPED / file}: found nothing that matches {pattern}; mend demo/configs.py")
    return text
