"""describe: list every metric of the handler as JSON."""

import argparse
import json

from alert_handler.metrics import Metrics


def run(_arguments: argparse.Namespace) -> str:
    """Name, kind, labels and help of every metric."""
    catalogue = Metrics().catalogue
    rows = [
        {"name": name, "kind": kind, "labels": list(labels), "help": text}
        for name, (kind, labels, text) in sorted(catalogue.items())
    ]
    return json.dumps(rows, indent=1) + "\n"
