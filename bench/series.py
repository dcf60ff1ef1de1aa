"""Scrapes of 10,000 and 100,000 series: our exporter, prometheus_client and node_exporter, each with the same file.

    python bench/series.py --sizes 10000 100000 --rounds 5

The series lie in one text file. Ours and node_exporter show it by their text-file collectors; prometheus_client holds
the same series as gauges of its registry, under the same web server as ours. CPU is the process' user and system time.
"""

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.scrape import PLAIN_REQUEST, Peer, running, table  # the project's root must be on the path first
from demo import binaries

#: A program that holds the series of a file in prometheus_client's registry.
HOLDER = """
import re, sys
from prometheus_client import CollectorRegistry, Gauge, make_wsgi_app
from waitress import serve
registry = CollectorRegistry()
gauge = Gauge("bench_value", "A value.", ["shelf", "item"], registry=registry)
for line in open(sys.argv[1]):
    found = re.match(r'bench_value{shelf="(.*)",item="(.*)"} (.*)', line)
    if found:
        gauge.labels(found[1], found[2]).set(float(found[3]))
serve(make_wsgi_app(registry), listen=sys.argv[2].partition("=")[2])
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the comparison; 0 when ours costs at most a tenth of prometheus_client's CPU a series."""
    options = _parser().parse_args(arguments)
    found = {size: compare(size, options.rounds) for size in options.sizes}
    for size, figures in found.items():
        print(f"\n{size} series\n{table(figures)}")
    if options.output:
        options.output.write_text(json.dumps(found, indent=2) + "\n")
    return int(any(figures["ours/client"]["cpu_us_per_series"] > 0.1 for figures in found.values()))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000], help="(default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=8, help="of ten scrapes each, in turn (default: %(default)s)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the figures there as JSON")
    return parser


def compare(size: int, rounds: int) -> dict[str, dict[str, float]]:
    """The figures of each exporter with *size* series, and ours divided by the others'."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        write_series(Path(folder) / "bench.prom", size)
        peers = [stack.enter_context(running(name, command)) for name, command in commands(Path(folder)).items()]
        seconds = {peer.name: 0.0 for peer in peers}
        for _ in range(rounds):
            for peer in peers:
                before = peer.cpu_seconds()
                for _ in range(10):
                    peer.bytes_sent = len(peer.scrape(PLAIN_REQUEST))
                seconds[peer.name] += peer.cpu_seconds() - before
        figures = {peer.name: figures_of(peer, seconds[peer.name] / (10 * rounds)) for peer in peers}
    ours = figures["nightshift"]
    for short, name in (("client", "prometheus_client"), ("node", "node_exporter")):
        figures[f"ours/{short}"] = {key: value / figures[name][key] for key, value in ours.items()}
    return figures


def write_series(path: Path, size: int) -> None:
    """Write *size* series, a hundred to a shelf."""
    lines = [f'bench_value{{shelf="{n // 100}",item="item-{n % 100}"}} {n % 977}.5\n' for n in range(size)]
    path.write_text("# HELP bench_value A value.\n# TYPE bench_value gauge\n" + "".join(lines))
    written = time.time() - 60  # ours reads a file that has just been written at every scrape
    os.utime(path, (written, written))


def commands(folder: Path) -> dict[str, list[str]]:
    """The three programs, each with its listen address still to come."""
    config = folder / "exporter.yml"
    limit = "max_file_bytes: 67108864, max_series: 200000"
    config.write_text(f"collectors: {{resources: {{enabled: false}}, dropin: {{folders: ['{folder}'], {limit}}}}}\n")
    node = [str(binaries.find("prometheus-node-exporter")), "--collector.disable-defaults", "--collector.textfile"]
    return {
        "nightshift": [sys.executable, "-m", "exporter", "serve", f"--config.file={config}"],
        "prometheus_client": [sys.executable, "-c", HOLDER, str(folder / "bench.prom")],
        "node_exporter": [*node, f"--collector.textfile.directory={folder}"],
    }


def figures_of(peer: Peer, cpu_seconds: float) -> dict[str, float]:
    """What one scrape of *peer* costs."""
    return {
        "series": peer.series,
        "cpu_ms_per_scrape": cpu_seconds * 1000,
        "cpu_us_per_series": cpu_seconds / peer.series * 1e6,
        "rss_mib": peer.resident_mib(),
    }


if __name__ == "__main__":
    sys.exit(main())
