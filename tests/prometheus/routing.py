"""Alertmanager's routing and inhibition as its documentation tells them, applied to prometheus/alertmanager.yml."""

import re
from dataclasses import dataclass
from typing import Any

from tests.prometheus.rulebook import FOLDER, document

FILE = FOLDER / "alertmanager.yml"
CONFIG = document(FILE)
Labels = dict[str, str]


@dataclass(frozen=True)
class Route:
    """A route's receiver and pace, inherited values filled in."""

    receiver: str
    group_by: tuple[str, ...]
    group_wait: str
    group_interval: str
    repeat_interval: str


def matches(matcher: str, labels: Labels) -> bool:
    """Alertmanager's matcher on a label set; a missing label is the empty string."""
    found = re.fullmatch(r'(\w+)(=~|!~|!=|=)"(.*)"', matcher)
    assert found, matcher
    name, operator, value = found.groups()
    actual = labels.get(name, "")
    equal = re.fullmatch(value, actual) is not None if "~" in operator else value == actual
    return equal != operator.startswith("!")


def walk(labels: Labels, node: dict[str, Any] | None = None, parent: dict[str, Any] | None = None) -> list[Route]:
    """The routes that Alertmanager takes for *labels*, as its documentation tells it."""
    here = (parent or {}) | (node or CONFIG["route"])
    found: list[Route] = []
    for child in here.get("routes", ()):
        if all(matches(matcher, labels) for matcher in child["matchers"]):
            inherited = {key: value for key, value in here.items() if key not in {"routes", "matchers", "continue"}}
            found += walk(labels, child, inherited)
            if not child.get("continue"):
                break
    times = [here[key] for key in ("group_wait", "group_interval", "repeat_interval")]
    return found or [Route(here["receiver"], tuple(here["group_by"]), *times)]


def inhibits(source: Labels, target: Labels) -> bool:
    """Does a firing *source* inhibit *target*, by some rule?"""
    return any(
        all(matches(matcher, source) for matcher in rule["source_matchers"])
        and all(matches(matcher, target) for matcher in rule["target_matchers"])
        and all(source.get(label, "") == target.get(label, "") for label in rule["equal"])
        for rule in CONFIG["inhibit_rules"]
    )
