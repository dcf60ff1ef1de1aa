"""Writes docs/reference from the code: metrics, alerts, configuration.

python docs/build.py           write
python docs/build.py --check   exit 1 and name the first page that is not what the code says
"""

import sys
import types
import typing
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec
import yaml

from alert_handler import notifiers, remediations
from alert_handler.config import Config as HandlerConfig
from alert_handler.metrics import Metrics
from chassis import plugins
from exporter import catalogue, config

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "docs" / "reference"
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
    lines = [
        HEADER,
        "# Metrics",
        "",
        "## Exporter",
        "",
        "| metric | kind | labels | collector | help |",
        "|---|---|---|---|---|",
    ]
    for entry in catalogue.entries(config.known_collectors()):
        m = entry.metric
        lines.append(_row(f"`{m.name}`", m.kind, _labels(m.labels), entry.collector, m.help))
    lines += ["", "## Alert handler", "", "| metric | kind | labels | help |", "|---|---|---|---|"]
    for name, (kind, labels, text) in sorted(Metrics().catalogue.items()):
        lines.append(_row(f"`{name}`", kind, _labels(labels), text))
    own = "Both daemons also show `process_*` of their own process."
    return "\n".join([*lines, "", own, ""])


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
    """The page of every key of both configuration files."""
    lines = [HEADER, "# Configuration", "", "## exporter.yml", ""]
    lines += _struct("", config.TopLevel)
    for name, collector in config.known_collectors().items():
        lines += _struct(f"collectors.{name}", collector.config)
    lines += ["## alert_handler.yml", ""]
    lines += _struct("", HandlerConfig)
    for package, kind in ((remediations, "remediation"), (notifiers, "notifier")):
        for name, plugin in plugins.load(package, kind).items():
            lines += _struct(f"{kind}s.{name}", getattr(plugin, "Config"))  # noqa: B009 -- a plug-in of any kind
            if hasattr(plugin, "Params"):
                lines += _struct(f"playbook params of {name}", plugin.Params)
    return "\n".join(lines)


def _committed(name: str) -> str:
    path = REFERENCE / name
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _alert(topic: str, rule: dict[str, Any]) -> str:
    name, notes, labels = rule["alert"], rule["annotations"], rule["labels"]
    link = f"[{name}](../runbooks/{topic}.md#{name.lower()})"
    cells = (labels["severity"], rule.get("for", "0s"), f"`{notes['threshold']}`" if "threshold" in notes else "")
    return _row(link, *cells, labels.get("action", ""), notes["summary"])


def _rules(path: Path) -> Iterator[dict[str, Any]]:
    for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
        yield from group["rules"]


def _struct(place: str, struct: type[Any]) -> list[str]:
    """A table of the keys of *struct*, then of the structs inside it."""
    title = f"### `{place}`" if place else "### top level"
    lines = [title, "", (struct.__doc__ or "").strip().partition("\n\n")[0].replace("\n", " "), ""]
    lines += ["| key | type | default |", "|---|---|---|"]
    inner: list[str] = []
    for field in msgspec.structs.fields(struct):
        lines.append(_row(f"`{field.encode_name}`", _type(field.type), _default(field)))
        for nested in _structs_in(field.type):
            inner += _struct(f"{place}.{field.encode_name}".lstrip("."), nested)
    return [*lines, "", *inner]


def _structs_in(kind: Any) -> list[type[Any]]:  # noqa: ANN401 -- a type expression
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        return [kind]
    return [found for argument in typing.get_args(kind) for found in _structs_in(argument)]


def _type(kind: Any) -> str:  # noqa: ANN401 -- a type expression
    if typing.get_origin(kind) is typing.Annotated:
        plain, *bounds = typing.get_args(kind)
        limits = [(bound.ge, bound.le) for bound in bounds if isinstance(bound, msgspec.Meta)]
        return _type(plain) + "".join(_limits(*limit) for limit in limits)
    if isinstance(kind, type) and issubclass(kind, StrEnum):
        return " or ".join(f"`{member}`" for member in kind)
    if isinstance(kind, types.UnionType | types.GenericAlias) or typing.get_origin(kind):
        return f"`{kind}`".replace("typing.", "").replace("|", "or")
    return f"`{getattr(kind, '__name__', kind)}`"


def _limits(least: float | None, most: float | None) -> str:
    words = (f" from {least}" if least is not None else "", f" to {most}" if most is not None else "")
    return "".join(words)


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()  # type: ignore[operator]
    if isinstance(value, msgspec.Struct):
        return "see below"
    text = str(value) if isinstance(value, StrEnum | bool | int | float) else repr(value)
    return f"`{text}`".replace(str(ROOT) + "/", "")


def _labels(labels: typing.Iterable[str]) -> str:
    return ", ".join(f"`{label}`" for label in labels)


def _row(*cells: str) -> str:
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
