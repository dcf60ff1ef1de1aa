import argparse
import json

from alert_handler.verbs import describe


def test_every_metric_is_listed_once_with_its_kind_and_labels() -> None:
    """What rules and boards are checked against."""
    rows = json.loads(describe.run(argparse.Namespace()))
    by_name = {row["name"]: row for row in rows}
    assert len(by_name) == len(rows)
    assert by_name["nightshift_decisions_total"] == {
        "name": "nightshift_decisions_total",
        "kind": "counter",
        "labels": ["verdict", "reason"],
        "help": "Decisions of the policy, by verdict and reason.",
    }
