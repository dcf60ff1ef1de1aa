"""The playbooks that come with Nightshift answer the alerts that come with it."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from alert_handler import config, plugins
from alert_handler.playbooks import Playbook, condition, fill_all, first_match

RULES = Path(__file__).parents[2] / "prometheus" / "rules"
PLAYBOOKS = config.load(None).playbooks


def rules_with_action() -> list[dict[str, Any]]:
    """Every shipped rule that says that a machine may act on it."""
    files = sorted(RULES.glob("*.rules.yml"))
    groups = [group for file in files for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]]
    return [rule for group in groups for rule in group["rules"] if "action" in rule.get("labels", {})]


def labels_of(rule: dict[str, Any]) -> dict[str, str]:
    """What an alert of *rule* carries, from the exporter beside the handler."""
    series = {"instance": "127.0.0.1:19100", "service": "shop", "mountpoint": "/var", "job": "nightshift-exporter"}
    return series | rule["labels"] | {"alertname": rule["alert"]}


def playbook_for(labels: dict[str, str]) -> Playbook:
    """The entry that answers *labels*."""
    found = first_match(PLAYBOOKS, labels)
    assert found
    return found


@pytest.mark.parametrize("rule", rules_with_action(), ids=lambda rule: rule["alert"])
def test_alert_with_action_is_answered_by_that_remediation(rule: dict[str, Any]) -> None:
    """The label that people see on the alert is what the handler does, and every placeholder can be filled."""
    playbook = playbook_for(labels_of(rule))
    assert playbook.remediation == rule["labels"]["action"]
    filled = fill_all([playbook.params, playbook.verify.query], labels_of(rule))
    assert not re.search(r"\{[a-z]+\}", str(filled))


@pytest.mark.parametrize("rule", rules_with_action(), ids=lambda rule: rule["alert"])
def test_healthy_is_clearly_below_the_alert(rule: dict[str, Any]) -> None:
    """A repair counts only with distance to the threshold; a service counts when it is up."""
    symbol, healthy = condition(playbook_for(labels_of(rule)).verify.healthy)
    above = re.search(r"> (0\.\d+)", rule["expr"])
    if above:
        assert symbol == "<"
        assert healthy <= float(above.group(1)) - 0.049
    else:
        assert (symbol, healthy) == ("==", 1)


@pytest.mark.parametrize("alertname", ["NightshiftDiskCritical", "NightshiftDiskHigh"])
def test_machine_elsewhere_is_never_cleaned_here(alertname: str) -> None:
    """An alert about another machine's disk must not delete files on ours."""
    labels = {"alertname": alertname, "instance": "db1.example:19100", "service": "host", "mountpoint": "/"}
    assert first_match(PLAYBOOKS, labels) is None


def test_alert_without_a_service_is_not_answered() -> None:
    """No service, no target."""
    assert first_match(PLAYBOOKS, {"alertname": "NightshiftServiceDown", "instance": "127.0.0.1:19100"}) is None


def test_parameters_fit_their_remediations() -> None:
    """Every shipped entry passes the check that the handler makes at its start."""
    assert set(plugins.build_remediations(config.Config(playbooks=PLAYBOOKS))) >= {"cleanup", "restart"}
