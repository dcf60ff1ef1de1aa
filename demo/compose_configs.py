"""Writes the Prometheus and Alertmanager files of docker-compose.yml from the shipped ones: other addresses, no more.

python -m demo.compose_configs      # after a change of prometheus/*.yml; a test says when it was forgotten
"""

import sys
from collections.abc import Mapping
from pathlib import Path

from demo.configs import ROOT, alertmanager_text, prometheus_text, write

FOLDER = ROOT / "demo" / "compose"
# Names in the network of docker-compose.yml.
ADDRESSES: Mapping[str, str] = {
    "prometheus": "prometheus:9090",
    "alertmanager": "alertmanager:9093",
    "exporter": "exporter:19100",
    "handler": "handler:19093",
}
PEOPLE_REACH_HANDLER = "http://127.0.0.1:19093"
_HEAD = "# Made from prometheus/{name} by `python -m demo.compose_configs`; only addresses differ. Change it there.\n"


def texts() -> Mapping[Path, str]:
    """Gives every file and its text.

    Raises:
        ShippedFileChangedError: a shipped file no longer holds what is replaced.
    """
    prometheus = prometheus_text(ADDRESSES, 5, "rules/*.rules.yml", PEOPLE_REACH_HANDLER)
    alertmanager = alertmanager_text(ADDRESSES["handler"])
    return {
        FOLDER / "prometheus.yml": _HEAD.format(name="prometheus.yml") + prometheus,
        FOLDER / "alertmanager.yml": _HEAD.format(name="alertmanager.yml") + alertmanager,
    }


def main() -> int:
    """Writes the files."""
    for path, text in texts().items():
        write(path, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
