"""The files below prometheus/ as values, for the tests of this folder and for bench/rule_mutations.py."""

from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "prometheus"
RULES = FOLDER / "rules"


@dataclass(frozen=True)
class Rule:
    """One alerting or recording rule; *stem* is the topic, which names its file."""

    stem: str
    name: str
    expr: str
    alerting: bool
    hold: str = "0s"
    keep: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    annotations: dict[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Firing:
    """An expectation of a promtool test: at *at* seconds exactly these alerts (label sets) fire."""

    alertname: str
    group: int
    at: int
    alerts: tuple[dict[str, str], ...]


@dataclass(frozen=True)
class Target:
    """One threshold of targets.yml."""

    key: str
    help: str
    unit: str
    levels: dict[str, float]
    hold: dict[str, str]
    keep: dict[str, str]
    clear: dict[str, float]
    recording: str | None


def stems() -> list[str]:
    """The topics, each a pair of files."""
    return sorted(path.name.removesuffix(".rules.yml") for path in RULES.glob("*.rules.yml"))


@cache
def document(path: Path) -> Any:  # noqa: ANN401 -- YAML
    """A YAML file as plain objects, read once: do not change them."""
    return yaml.safe_load(path.read_text(encoding="utf-8"))


@cache
def all_rules() -> tuple[Rule, ...]:
    """Every rule, topic by topic, in the order of the files."""
    return tuple(
        _rule(stem, entry)
        for stem in stems()
        for group in document(RULES / f"{stem}.rules.yml")["groups"]
        for entry in group["rules"]
    )


def alerts() -> list[Rule]:
    """Every alerting rule."""
    return [rule for rule in all_rules() if rule.alerting]


def recordings() -> list[Rule]:
    """Every recording rule."""
    return [rule for rule in all_rules() if not rule.alerting]


def _rule(stem: str, entry: dict[str, Any]) -> Rule:
    return Rule(
        stem=stem,
        name=entry.get("alert") or entry["record"],
        expr=entry["expr"],
        alerting="alert" in entry,
        hold=entry.get("for", "0s"),
        keep=entry.get("keep_firing_for"),
        labels=entry.get("labels", {}),
        annotations=entry.get("annotations", {}),
    )


@cache
def targets() -> dict[str, Target]:
    """Every threshold by its key."""
    return {
        key: Target(
            key=key,
            help=entry["help"],
            unit=entry["unit"],
            levels=entry["levels"],
            hold=entry.get("for", {}),
            keep=entry.get("keep", {}),
            clear=entry.get("clear", {}),
            recording=entry.get("recording"),
        )
        for key, entry in document(FOLDER / "targets.yml").items()
    }


@cache
def firings() -> tuple[Firing, ...]:
    """Every expectation about alerts in every `*.test.yml`, in the order of the files."""
    return tuple(
        Firing(
            alertname=case["alertname"],
            group=index,
            at=seconds(case["eval_time"]),
            alerts=tuple(alert["exp_labels"] for alert in case.get("exp_alerts", ())),
        )
        for stem in stems()
        for index, group in enumerate(document(RULES / f"{stem}.test.yml")["tests"])
        for case in group.get("alert_rule_test", ())
    )


def alert_labels(rule: Rule) -> dict[str, str]:
    """A full label set of the alert *rule*, as its promtool test expects it, with its name.

    Raises:
        LookupError: no test of the alert expects it to fire.
    """
    for firing in firings():
        if firing.alertname == rule.name and firing.alerts:
            return {"alertname": rule.name, **firing.alerts[0]}
    raise LookupError(f"no test expects {rule.name} to fire")


def seconds(duration: str) -> int:
    """`1h5m10s` in seconds."""
    units = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
    total, number = 0, ""
    for character in duration:
        if character.isdigit():
            number += character
        else:
            total += int(number) * units[character]
            number = ""
    return total
