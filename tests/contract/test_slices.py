"""A topic is whole: rules, test, runbook; a topic that the machine repairs has its playbook."""

from pathlib import Path

import pytest
import yaml

from tests.contract import promql_names

ROOT = Path(__file__).parents[2]
TOPICS = sorted(path.name.removesuffix(".rules.yml") for path in (ROOT / "prometheus/rules").glob("*.rules.yml"))
REQUIRED = {"disk", "memory", "cpu", "errors", "latency", "services", "exporter", "alert_handler", "watchdog"}


def alerts(topic: str) -> list[dict[str, dict[str, str]]]:
    """The alerts of a topic."""
    text = (ROOT / f"prometheus/rules/{topic}.rules.yml").read_text(encoding="utf-8")
    return [rule for group in yaml.safe_load(text)["groups"] for rule in group["rules"] if "alert" in rule]


def test_required_topics_exist() -> None:
    """Every topic that was asked for has its rules."""
    assert set(TOPICS) >= REQUIRED


@pytest.mark.parametrize("topic", TOPICS)
def test_topic_is_whole(topic: str) -> None:
    """A rule file has its test, and its runbook when it has alerts."""
    assert (ROOT / f"prometheus/rules/{topic}.test.yml").exists()
    assert (ROOT / f"docs/runbooks/{topic}.md").exists() or not alerts(topic)


@pytest.mark.parametrize("topic", TOPICS)
def test_topic_with_actions_has_a_playbook(topic: str) -> None:
    """Alerts that carry `action` belong to a topic with a playbook file of the same stem."""
    actions = [rule for rule in alerts(topic) if "action" in rule["labels"]]
    assert not actions or (ROOT / f"alert_handler/playbooks/{topic}.yml").exists()


def test_every_metric_prefix_is_in_the_rules() -> None:
    """The names test reads real rules: there are some."""
    assert len(promql_names.used_by_rules()) > 20
