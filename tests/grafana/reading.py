"""Reads the committed boards as the tests need them: panels, queries, and variables put in as Grafana does."""

import functools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import promql_parser

ROOT = Path(__file__).resolve().parents[2]
GENERATED = ROOT / "grafana" / "generated"

#: What Grafana puts in for `All` and for three hours on a wide screen, with a scrape interval of 5 s.
VARIABLES = {
    "$__rate_interval": "1m",
    "$__interval": "1m",
    "$__range": "29m",
    "$handler_job": ".+",
    "$instance": ".+",
    "$service": ".+",
    "$job": ".+",
}


@dataclass(frozen=True)
class Query:
    """One target of a panel or one annotation layer, with the variables still in it."""

    board: str
    panel: str
    ref: str
    expr: str
    instant: bool

    def __str__(self) -> str:
        return f"{self.board} / {self.panel} / {self.ref}"

    @property
    def promql(self) -> str:
        """The expression that Prometheus gets."""
        return substituted(self.expr)


def substituted(expr: str) -> str:
    """*expr* with every variable of Grafana replaced, the longest name first."""
    for name in sorted(VARIABLES, key=len, reverse=True):
        expr = expr.replace(name, VARIABLES[name])
    return expr


@functools.cache
def boards() -> dict[str, dict[str, Any]]:
    """Every committed board by its uid."""
    found = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(GENERATED.glob("*.json"))]
    return {board["uid"]: board for board in found}


def panels() -> Iterator[tuple[str, dict[str, Any]]]:
    """Every panel but the headings, with the uid of its board."""
    for uid, board in boards().items():
        yield from ((uid, panel) for panel in board["panels"] if panel["type"] != "row")


def queries() -> list[Query]:
    """Every query of every panel, then those of the annotation layers."""
    found = [
        Query(uid, panel["title"], target["refId"], target["expr"], target["instant"])
        for uid, panel in panels()
        for target in panel["targets"]
    ]
    for uid, board in boards().items():
        layers = [layer for layer in board["annotations"]["list"] if "expr" in layer]
        found += [Query(uid, f"layer {layer['name']}", "A", layer["expr"], instant=False) for layer in layers]
    return found


def nodes(promql: str) -> list[promql_parser.Expr]:
    """Every node of the syntax tree of *promql*.

    Raises:
        ValueError: *promql* is no PromQL.
    """
    found: list[promql_parser.Expr] = []
    promql_parser.walk(promql_parser.parse(promql), pre_visit=found.append)
    return found


def selectors(promql: str) -> list[promql_parser.VectorSelector]:
    """Every selector in *promql*, those of ranges included."""
    found = [node.vector_selector if isinstance(node, promql_parser.MatrixSelector) else node for node in nodes(promql)]
    return [node for node in found if isinstance(node, promql_parser.VectorSelector)]


def labels_out(promql: str) -> set[str] | None:
    """The labels that the outermost aggregation leaves, or None when every label stays."""
    by = re.match(r"[^{]*?\b(?:sum|max|min|count) by \(([^)]*)\)", promql)
    return {label.strip() for label in by[1].split(",")} if by else None


def columns(panel: dict[str, Any]) -> set[str]:
    """The names of a table's columns, as its last transformation leaves them."""
    return set(panel["transformations"][-1]["options"]["renameByName"].values())
