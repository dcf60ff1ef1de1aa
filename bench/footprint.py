"""What a whole exporter costs at rest: logs that grow, 100 endpoints probed, a scrape every second.

    python bench/footprint.py --seconds 60

The logs grow by 200 access lines and 20 error lines a second; the endpoints are another exporter's `/-/healthy`.
Prints resident memory and the share of a processor; the budget is 35 MB.
"""

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.scrape import PLAIN_REQUEST, REQUEST, Peer, running  # the project's root must be on the path first

BUDGET_MB = 35
CONFIG = """
collectors:
  traffic:
    state_directory: {folder}/state
    services: {{shop: {{path: {folder}/access.log}}, blog: {{path: {folder}/access.log}}}}
  error_log:
    state_directory: {folder}/state
    services: {{shop: {{path: {folder}/error.log, preset: python}}}}
  probes:
    interval: 10s
    targets: [{{targets: [{targets}], module: http_2xx}}]
"""
ACCESS = (
    '10.0.0.{n} - - [21/Nov/2026:10:00:00 +0000] "GET /shop/item/{n}?x={n} HTTP/1.1" 200 {n}12 "-" "bench" 0.0{n}\n'
)
ERROR = "2026-11-21 10:00:00 ERROR worker {n} could not reach 10.0.0.{n}:5432 after {n} ms\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run it; 0 when the resident memory stays in the budget."""
    options = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        target = stack.enter_context(running("target", [sys.executable, "-m", "exporter", "serve"]))
        urls = ", ".join(f'"http://127.0.0.1:{target.port}/-/healthy?n={n}"' for n in range(100))
        config = Path(folder) / "exporter.yml"
        config.write_text(CONFIG.format(folder=folder, targets=urls))
        command = [sys.executable, "-m", "exporter", "serve", f"--config.file={config}"]
        ours = stack.enter_context(running("nightshift", command))
        share = watch(ours, Path(folder), options.seconds)
        megabytes = resident_megabytes(ours)
        text = ours.scrape(PLAIN_REQUEST).decode()
    probed = sum(1 for line in text.splitlines() if re.match(r"nightshift_probe_up\{.*\} 1", line))
    lines = re.search(r'nightshift_traffic_lines_total\{service="shop"\} (\d+)', text)
    print(f"endpoints up {probed} of 100, access lines {lines[1] if lines else 0} twice")
    print(f"resident {megabytes:.1f} MB, {share:.2f} % of a processor; budget {BUDGET_MB} MB")
    return int(megabytes > BUDGET_MB or probed != 100)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=60, help="watched (default: %(default)s)")
    return parser


def watch(ours: Peer, folder: Path, seconds: int) -> float:
    """Let the logs grow and scrape once a second; the share of a processor in percent."""
    before = ours.cpu_seconds()
    with (folder / "access.log").open("a") as access, (folder / "error.log").open("a") as errors:
        for second in range(seconds):
            access.writelines(ACCESS.format(n=(second + number) % 90 + 10) for number in range(200))
            errors.writelines(ERROR.format(n=(second + number) % 90 + 10) for number in range(20))
            access.flush()
            errors.flush()
            ours.scrape(REQUEST)
            time.sleep(1)
    return (ours.cpu_seconds() - before) / seconds * 100


def resident_megabytes(ours: Peer) -> float:
    """Resident memory of the process in MB (10**6 bytes)."""
    return ours.resident_mib() * 2**20 / 1e6


if __name__ == "__main__":
    sys.exit(main())
