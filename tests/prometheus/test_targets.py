import promql_parser
import pytest

from tests.contract.promql_names import nodes
from tests.prometheus.rulebook import Rule, Target, alerts, recordings, targets

SEVERITIES = {"critical": {"critical"}, "high": {"high"}, "warning": {"medium", "low"}}
UNITS = {
    "ratio",
    "seconds",
    "bytes",
    "state",
    "count",
    "requests per second",
    "failures per second",
    "notifications per second",
}
by_name = pytest.mark.parametrize("rule", alerts(), ids=str)
by_key = pytest.mark.parametrize("target", targets().values(), ids=lambda target: target.key)


def numbers(expression: str) -> list[float]:
    """Every number of a PromQL expression (not the durations), in its order."""
    tree = promql_parser.parse(expression)
    return [node.val for node in nodes(tree) if isinstance(node, promql_parser.NumberLiteral)]


def guards(expression: str) -> list[float]:
    """The 0 and 1 that a metric is compared with only to choose series: `and x == 1`, `(x > 0)`."""
    tree = promql_parser.parse(expression)
    found = [node for node in nodes(tree) if isinstance(node, promql_parser.BinaryExpr)]
    inner = [node for node in found if node is not found[0] or str(node.op) in {"and", "unless"}]
    literals = [node.rhs.val for node in inner if isinstance(node.rhs, promql_parser.NumberLiteral)]
    return [value for value in literals if value in {0.0, 1.0}]


def references(rule: Rule) -> list[tuple[Target, str]]:
    """The target and level of an alert, then those of its gates."""
    named = [rule.annotations["threshold"], *rule.annotations.get("gates", "").split()]
    pairs = [reference.split(".") for reference in named]
    return [(targets()[key], level) for key, level in pairs]


@by_name
def test_numbers_of_an_alert_are_those_of_its_targets(rule: Rule) -> None:
    """Every number in the expression is its threshold, one of its gates or a guard, and each of them is there."""
    expected = {target.levels[level] for target, level in references(rule)}
    found = numbers(rule.expr)
    assert expected <= set(found)
    assert set(found) <= expected | set(guards(rule.expr))


@by_name
def test_times_of_an_alert_are_those_of_its_target(rule: Rule) -> None:
    """`for` and `keep_firing_for` stand in targets.yml, to the letter."""
    target, level = references(rule)[0]
    assert rule.hold == target.hold[level]
    assert rule.keep == target.keep.get(level)


@by_name
def test_severity_of_an_alert_is_that_of_its_level(rule: Rule) -> None:
    """The level that an alert names and the severity that it carries say the same."""
    _, level = references(rule)[0]
    assert rule.labels["severity"] in SEVERITIES[level]


def test_gates_are_gates() -> None:
    """A gate has only the level gate, and only gates are named as such."""
    gates = {target.key for rule in alerts() for target, level in references(rule)[1:] if level == "gate"}
    assert gates == {key for key, target in targets().items() if "gate" in target.levels}
    assert all(list(targets()[key].levels) == ["gate"] for key in gates)


@by_key
def test_every_level_of_a_target_is_used(target: Target) -> None:
    """No threshold is written down that no rule holds."""
    used = {level for rule in alerts() for named, level in references(rule) if named == target}
    if target.recording:
        used |= set(target.levels)
    assert used == set(target.levels)


@by_key
def test_target_is_complete_and_in_order(target: Target) -> None:
    """A target says what it compares, has a known unit, and a time for every level that alerts."""
    alerting = set(target.levels) - {"gate"} if target.recording is None else set()
    assert target.help.endswith(".")
    assert target.unit in UNITS
    assert set(target.hold) == alerting
    assert set(target.keep) <= alerting
    assert list(target.levels) == [name for name in ("warning", "high", "critical", "gate") if name in target.levels]


@pytest.mark.parametrize("target", [t for t in targets().values() if t.recording], ids=lambda target: target.key)
def test_numbers_of_a_recorded_target_are_in_its_recordings(target: Target) -> None:
    """A level that rules record (with hysteresis) has the numbers of its target, and leaves each below its entry."""
    stem = next(rule.stem for rule in recordings() if rule.name == target.recording)
    rules = [rule for rule in recordings() if rule.stem == stem]
    found = {value for rule in rules for value in set(numbers(rule.expr)) - set(guards(rule.expr))}
    assert found == set(target.levels.values()) | set(target.clear.values())
    assert all(target.clear[level] < entered for level, entered in target.levels.items())


def test_guards_are_found_beside_the_threshold() -> None:
    """The comparison at the top is never a guard; those that only choose series are."""
    assert guards("x == 0") == []
    assert guards("x > 5 and y == 1") == [1.0]
    assert guards("time() - (x > 0) > 300") == [0.0]
