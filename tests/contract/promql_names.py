"""The metric names that the rules use and define, read from their expressions with a real PromQL parser.

For the tests of every room: names used must be shown by the exporter, by the handler, by Prometheus or Alertmanager
themselves (`FOREIGN`), or be recorded by a rule.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import promql_parser
import yaml

RULES = Path(__file__).parents[2] / "prometheus" / "rules"

#: What Prometheus and Alertmanager show of themselves or add to every scrape, as far as rules use it.
FOREIGN = frozenset(
    {
        "ALERTS",
        "up",
        "scrape_duration_seconds",
        "prometheus_config_last_reload_successful",
        "prometheus_notifications_dropped_total",
        "prometheus_rule_evaluation_failures_total",
        "alertmanager_config_last_reload_successful",
        "alertmanager_notifications_failed_total",
    }
)

#: What a histogram adds to its name in its samples.
HISTOGRAM_SUFFIXES = ("_bucket", "_count", "_sum")


def rules(folder: Path = RULES) -> Iterator[dict[str, Any]]:
    """Every rule of every `*.rules.yml` in *folder*, as written."""
    for path in sorted(folder.glob("*.rules.yml")):
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            yield from group["rules"]


def nodes(expression: promql_parser.Expr) -> Iterator[promql_parser.Expr]:
    """*expression* and every expression inside it, outermost first."""
    yield expression
    for name in ("expr", "lhs", "rhs", "param", "vector_selector"):
        child = getattr(expression, name, None)
        if isinstance(child, promql_parser.Expr):
            yield from nodes(child)
    for argument in getattr(expression, "args", ()):
        yield from nodes(argument)


def selectors(expression: str) -> list[promql_parser.VectorSelector]:
    """Every selector of a PromQL expression, also those inside range selectors.

    Raises:
        ValueError: it is no PromQL.
    """
    tree = promql_parser.parse(expression)
    return [node for node in nodes(tree) if isinstance(node, promql_parser.VectorSelector)]


def names_in(expression: str) -> set[str]:
    """The metric names of a PromQL expression, as they stand there (`x_bucket` for a histogram x).

    Raises:
        ValueError: it is no PromQL, or selects without a name.
    """
    found = {selector.name for selector in selectors(expression)}
    if None in found:
        raise ValueError(f"a selector without a metric name: {expression}")
    return found


def used_by_rules(folder: Path = RULES) -> dict[str, set[str]]:
    """Metric name -> the alerts and recordings whose expression uses it."""
    found: dict[str, set[str]] = {}
    for rule in rules(folder):
        for name in names_in(rule["expr"]):
            found.setdefault(name, set()).add(rule.get("alert") or rule["record"])
    return found


def recorded_by_rules(folder: Path = RULES) -> set[str]:
    """The names of all recording rules."""
    return {rule["record"] for rule in rules(folder) if "record" in rule}


def scraped_by_rules(folder: Path = RULES) -> set[str]:
    """The names that the exporter or the handler must show so that every rule can work."""
    return set(used_by_rules(folder)) - recorded_by_rules(folder) - FOREIGN
