from itertools import pairwise

import pytest

from tests.prometheus.rulebook import RULES, Firing, Rule, alerts, document, firings, recordings, stems

#: Fires always, so it can neither be quiet nor end.
ALWAYS = "NightshiftWatchdog"
ending = pytest.mark.parametrize("rule", [rule for rule in alerts() if rule.name != ALWAYS], ids=str)


def expectations(rule: Rule) -> list[Firing]:
    """What the tests of an alert expect, in the order of time."""
    return sorted((f for f in firings() if f.alertname == rule.name), key=lambda firing: (firing.group, firing.at))


@pytest.mark.parametrize("rule", alerts(), ids=str)
def test_every_alert_has_a_firing_test(rule: Rule) -> None:
    """Somewhere it must fire, with all its labels."""
    assert any(firing.alerts for firing in expectations(rule))


@ending
def test_every_alert_is_expected_to_be_quiet_right_before_it_fires(rule: Rule) -> None:
    """One evaluation (5 s) before the alert must not fire: the edge of `for` or of the condition."""
    seen = expectations(rule)
    first = next(index for index, firing in enumerate(seen) if firing.alerts)
    assert first > 0
    assert seen[first - 1].group == seen[first].group
    assert seen[first].at - seen[first - 1].at <= (10 if "[1m]" in rule.expr and "== 0" in rule.expr else 5)


@ending
def test_every_alert_is_expected_to_resolve(rule: Rule) -> None:
    """After it has fired it must be quiet again, in the same run."""
    seen = expectations(rule)
    ended = [b for a, b in pairwise(seen) if a.group == b.group and a.alerts and not b.alerts]
    assert ended


@ending
def test_every_firing_test_has_a_healthy_series_beside_it(rule: Rule) -> None:
    """In the run in which it fires there are series of the same metric for which it must not fire."""
    [group] = {firing.group for firing in expectations(rule) if firing.alerts}
    series = document(RULES / f"{rule.stem}.test.yml")["tests"][group]["input_series"]
    assert len(series) > max(len(firing.alerts) for firing in expectations(rule))


@pytest.mark.parametrize("rule", recordings(), ids=str)
def test_every_recording_is_tested(rule: Rule) -> None:
    """Some expression test names it and expects a value."""
    cases = [
        case
        for stem in stems()
        for group in document(RULES / f"{stem}.test.yml")["tests"]
        for case in group.get("promql_expr_test", ())
    ]
    assert any(rule.name in case["expr"] and case.get("exp_samples") for case in cases)
