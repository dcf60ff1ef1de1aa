"""The bundle in the form that monitoring mixins have."""

import json
from typing import Any

import _jsonnet  # type: ignore[import-untyped, unused-ignore]
import pytest
import yaml

from tests.grafana.reading import ROOT, boards


@pytest.fixture(scope="module")
def mixin() -> dict[str, Any]:
    """The mixin's fields, which it hides as mixins do."""
    source = """
      local m = (import 'grafana/mixin.libsonnet') + { _config+:: { handlerUrl: 'https://night.example.org' } };
      { boards: m.grafanaDashboards, alerts: m.prometheusAlerts.groups, rules: m.prometheusRules.groups }
    """
    loaded: dict[str, Any] = json.loads(_jsonnet.evaluate_snippet("mixin", source, jpathdir=[str(ROOT)]))
    return loaded


def _rules() -> list[dict[str, Any]]:
    files = sorted((ROOT / "prometheus" / "rules").glob("*.rules.yml"))
    groups = [group for path in files for group in yaml.safe_load(path.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"]]


@pytest.mark.parametrize(("field", "kind"), [("alerts", "alert"), ("rules", "record")])
def test_mixin_has_every_rule(mixin: dict[str, Any], field: str, kind: str) -> None:
    """No rule file is forgotten, and none is changed on the way."""
    found = [json.dumps(rule, sort_keys=True) for group in mixin[field] for rule in group["rules"]]
    assert sorted(found) == sorted(json.dumps(rule, sort_keys=True) for rule in _rules() if kind in rule)


def test_mixin_has_every_board(mixin: dict[str, Any]) -> None:
    """The boards are those that are built, with the configured address of the alert handler."""
    assert {board["uid"] for board in mixin["boards"].values()} == set(boards())
    assert "https://night.example.org" in repr(mixin["boards"]["status.json"]["templating"])
