"""Would the tests of the rules notice a wrong rule? Changes each rule in every small way and runs its promtool tests.

    python bench/rule_mutations.py                  # every topic
    python bench/rule_mutations.py --stem disk -v   # one topic, and name every survivor

A mutant is killed when promtool fails. The score is killed / all; exit 1 below --at-least.
"""

import argparse
import copy
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from demo.binaries import find  # the project is not installed: its root must be on the path first
from tests.prometheus.rulebook import RULES, document, seconds, stems

RuleEntry = dict[str, Any]

#: Tokens of PromQL; strings, label matchers, modifiers and durations are passed over whole.
TOKEN = re.compile(
    r"""(?P<skip>"[^"]*"|\{[^}]*\}|\[[^\]]*\]|\b(?:without|by|on|ignoring)\s*\([^)]*\))"""
    r"""|(?P<compare>==|!=|>=|<=|>|<)"""
    r"""|(?P<set>\b(?:and|or|unless)\b)"""
    r"""|(?P<math>[*/])"""
    r"""|(?P<call>\b(?:min|max|sum|min_over_time|max_over_time|rate|increase|changes|deriv|histogram_quantile)\b(?=\s*(?:\(|without)))"""
    r"""|(?P<name>[A-Za-z_:][\w:]*)"""
    r"""|(?P<number>\d+(?:\.\d+)?)"""
)
COMPARE = {">": (">=", "<"), "<": ("<=", ">"), ">=": (">", "<="), "<=": ("<", ">="), "==": ("!=",), "!=": ("==",)}
SETS = {"and": ("or", "unless"), "or": ("and",), "unless": ("and", "or")}
CALLS = {"min": ("max",), "max": ("min",), "sum": ("max",), "min_over_time": ("max_over_time",), "changes": ("resets",)}
SEVERITIES = ("critical", "high", "medium", "low")


@dataclass(frozen=True)
class Mutant:
    """One changed rule: where it stands, what was done, and the whole changed file."""

    stem: str
    rule: str
    change: str
    document: dict[str, Any]


def expressions(expr: str) -> Iterator[tuple[str, str]]:
    """Every small change of a PromQL expression: (what was done, the changed expression)."""
    for match in TOKEN.finditer(expr):
        for changed in _replacements(match):
            yield f"{match[0]} -> {changed}", expr[: match.start()] + changed + expr[match.end() :]


def _replacements(match: re.Match[str]) -> tuple[str, ...]:
    text = match[0]
    tables = {"compare": COMPARE, "set": SETS, "call": CALLS, "math": {"*": ("/",), "/": ("*",)}}
    if match.lastgroup == "number":
        return _numbers(float(text))
    return tables.get(match.lastgroup or "", {}).get(text, ())


def _numbers(value: float) -> tuple[str, ...]:
    """A quarter more, a fifth less; 0 and 1 become one another."""
    if value in {0.0, 1.0}:
        return (f"{1 - value:g}",)
    return f"{value * 1.25:.12g}", f"{value * 0.8:.12g}"


def alterations(rule: RuleEntry) -> Iterator[tuple[str, RuleEntry]]:
    """Every small change of a rule: (what was done, the changed rule)."""
    for change, expr in expressions(rule["expr"]):
        yield change, rule | {"expr": expr}
    for key in ("for", "keep_firing_for"):
        held = seconds(rule.get(key, "0s"))
        for other in {held * 2, 0} - {held} if held else {15} if "alert" in rule else set():
            yield f"{key}: {other}s", rule | {key: f"{other}s"}
    yield from _labels(rule)


def _labels(rule: RuleEntry) -> Iterator[tuple[str, RuleEntry]]:
    labels = rule.get("labels", {})
    for name in labels:
        yield f"without label {name}", rule | {"labels": {k: v for k, v in labels.items() if k != name}}
    if "severity" in labels:
        other = SEVERITIES[(SEVERITIES.index(labels["severity"]) + 1) % len(SEVERITIES)]
        yield f"severity: {other}", rule | {"labels": labels | {"severity": other}}


def mutants(stem: str) -> Iterator[Mutant]:
    """Every mutant of a topic's rules."""
    original = document(RULES / f"{stem}.rules.yml")
    for index, rule in enumerate(original["groups"][0]["rules"]):
        for change, altered in alterations(rule):
            changed = copy.deepcopy(original)
            changed["groups"][0]["rules"][index] = altered
            yield Mutant(stem, rule.get("alert") or rule["record"], change, changed)


def survives(mutant: Mutant, promtool: Path) -> bool:
    """Do all tests of the topic still pass with the changed rule?

    Run are the tests of the alert itself, or all of the topic when a recording was changed.
    """
    with tempfile.TemporaryDirectory(prefix="rule-mutant-") as scratch:
        folder = Path(scratch)
        tests = copy.deepcopy(document(RULES / f"{mutant.stem}.test.yml"))
        own = [group for group in tests["tests"] if group["name"] == mutant.rule]
        tests["tests"] = own or tests["tests"]
        for name in tests["rule_files"]:
            (folder / name).symlink_to(RULES / name)
        (folder / f"{mutant.stem}.rules.yml").unlink()
        (folder / f"{mutant.stem}.rules.yml").write_text(yaml.safe_dump(mutant.document, sort_keys=False))
        (folder / "mutant.test.yml").write_text(yaml.safe_dump(tests, sort_keys=False))
        done = subprocess.run([promtool, "test", "rules", folder / "mutant.test.yml"], capture_output=True, check=False)
        return done.returncode == 0


def main(argv: list[str] | None = None) -> int:
    """Run the mutants and print a line per topic; 0 when the score is reached."""
    arguments = _parser().parse_args(argv)
    promtool = find("promtool", arguments.suite)
    total = killed = 0
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for stem in arguments.stem or stems():
            found = list(mutants(stem))
            alive = [
                m
                for m, survived in zip(found, pool.map(lambda m: survives(m, promtool), found), strict=True)
                if survived
            ]
            total, killed = total + len(found), killed + len(found) - len(alive)
            print(f"{stem:14} {len(found) - len(alive):4} of {len(found):4} killed", flush=True)
            for mutant in alive if arguments.verbose else ():
                print(f"    survives: {mutant.rule}: {mutant.change}")
    score = 100 * killed / max(total, 1)
    print(f"{'all':14} {killed:4} of {total:4} killed: {score:.1f} %")
    return int(score < arguments.at_least)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="rule_mutations", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--stem", action="append", choices=stems(), help="topic, may be repeated (default: all)")
    parser.add_argument("--suite", help="Debian suite whose promtool runs (default: PATH, else this release)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="at once (default: %(default)s)")
    parser.add_argument("--at-least", type=float, default=98.0, metavar="PERCENT", help="(default: %(default)s)")
    parser.add_argument("-v", "--verbose", action="store_true", help="name every survivor")
    return parser


if __name__ == "__main__":
    sys.exit(main())
