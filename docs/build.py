"""Writes docs/reference from the code: metrics, alerts, configuration.

python docs/build.py           write
python docs/build.py --check   exit 1 and name the first page that is not what the code says
"""

import importlib
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml
from config_reference import ROOT, ConfigReference, row

from alert_handler import notifiers, remediations
from alert_handler.config import Config as HandlerConfig
from alert_handler.metrics import Metrics
from chassis import plugins
from chassis.web_config import WebConfig
from exporter import catalogue, config, probing
from exporter.catalogue import Entry
from exporter.families import Metric

REFERENCE = ROOT / "docs" / "reference"
_LEGEND = (
    "A key of one's own choice is written NAME, an entry of a list []. Where the default is empty, leaving the key out "
    "means that there is none. [exporter.yml](../../exporter/exporter.yml) "
    "shows every key of the exporter in its place."
)
_PROBE = "One probe as blackbox_exporter shows it; which of them an answer has depends on the module's prober."
_HEAD = ("| metric | kind | labels | help |", "|---|---|---|---|")
HEADER = "<!-- Written by `make docs` from the code; do not edit. -->\n"


def main(argv: list[str]) -> int:
    """Write the pages, or with --check prove that they are fresh; the exit status."""
    pages = {"metrics.md": metrics(), "alerts.md": alerts(), "config.md": configuration()}
    if "--check" not in argv:
        REFERENCE.mkdir(exist_ok=True)
        for name, text in pages.items():
            (REFERENCE / name).write_text(text, encoding="utf-8")
        return 0
    stale = [name for name, text in pages.items() if _committed(name) != text]
    for name in stale:
        print(f"docs/reference/{name} is not what the code says: run `make docs` and look at the difference")
    return 1 if stale else 0


def metrics() -> str:
    """The page of every metric of both daemons."""
    lines = [HEADER, "# Metrics", "", "## Exporter", ""]
    by_collector: dict[str, list[Entry]] = {}
    for entry in catalogue.entries(config.known_collectors()):
        by_collector.setdefault(entry.collector, []).append(entry)
    for collector, found in by_collector.items():
        title = "The exporter itself" if collector == "self" else f"Collector `{collector}`"
        lines += [f"### {title}", "", *_table(entry.metric for entry in found)]
    lines += ["## Answers of `/probe`", "", _PROBE, "", *_table(_of_probes())]
    lines += ["## Alert handler", ""]
    shown = [(name, *about) for name, about in sorted(Metrics().catalogue.items())]
    lines += [*_HEAD, *(row(f"`{name}`", kind, _labels(labels), text) for name, kind, labels, text in shown), ""]
    return "\n".join([*lines, "It also shows `process_*` of its own process.", ""])


def alerts() -> str:
    """The page of every alert, by topic."""
    lines = [HEADER, "# Alerts", ""]
    for path in sorted((ROOT / "prometheus" / "rules").glob("*.rules.yml")):
        found = [rule for rule in _rules(path) if "alert" in rule]
        if not found:
            continue
        topic = path.name.removesuffix(".rules.yml")
        lines += [
            f"## {topic}",
            "",
            "| alert | severity | for | threshold | action | summary |",
            "|---|---|---|---|---|---|",
        ]
        lines += [_alert(topic, rule) for rule in found]
        lines.append("")
    return "\n".join(lines)


def configuration() -> str:
    """The page of every key of the configuration files."""
    page = ConfigReference()
    lines = [HEADER, "# Configuration", "", _LEGEND, "", "## exporter.yml", ""]
    lines += page.section("", config.TopLevel, "top level of exporter.yml")
    for name, collector in config.known_collectors().items():
        lines += page.section(f"collectors.{name}", collector.config)
    lines += ["## alert_handler.yml", ""]
    lines += page.section("", HandlerConfig, "top level of alert_handler.yml")
    for package, kind in ((remediations, "remediation"), (notifiers, "notifier")):
        for name, plugin in plugins.load(package, kind).items():
            lines += page.section(f"{kind}s.{name}", getattr(plugin, "Config"))  # noqa: B009 -- a plug-in of any kind
            if hasattr(plugin, "Params"):
                lines += page.section("", plugin.Params, f"playbook params of {name}")
    lines += ["## The file of `--web.config.file`, of both daemons", ""]
    lines += page.section("", WebConfig, "top level of the web configuration")
    return "\n".join(lines)


def _table(found: Iterable[Metric]) -> list[str]:
    """A table of metrics, with a blank line after it."""
    return [*_HEAD, *(row(f"`{one.name}`", one.kind, _labels(one.labels), one.help) for one in found), ""]


def _of_probes() -> list[Metric]:
    """The metrics that answers of `/probe` may have, each once."""
    modules = [importlib.import_module(f"{probing.__name__}.{name}") for name in plugins.stems(probing)]
    found = [one for module in modules for one in vars(module).values() if isinstance(one, Metric)]
    return sorted({one.name: one for one in found}.values(), key=lambda one: one.name)


def _committed(name: str) -> str:
    path = REFERENCE / name
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _alert(topic: str, rule: dict[str, Any]) -> str:
    name, notes, labels = rule["alert"], rule["annotations"], rule["labels"]
    link = f"[{name}](../runbooks/{topic}.md#{name.lower()})"
    cells = (labels["severity"], rule.get("for", "0s"), f"`{notes['threshold']}`" if "threshold" in notes else "")
    return row(link, *cells, labels.get("action", ""), notes["summary"])


def _rules(path: Path) -> Iterator[dict[str, Any]]:
    for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
        yield from group["rules"]


def _labels(labels: Iterable[str]) -> str:
    return ", ".join(f"`{label}`" for label in labels)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
