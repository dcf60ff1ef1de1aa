"""Scrapes our exporter and prometheus-node-exporter in turn, with the same families, and prints what each cost.

    python bench/scrape.py --rounds 500 --output scrape.json

One keep-alive connection each, gzip as Prometheus asks for it; CPU is the process' own user + system time, divided
by the scrapes; memory is resident after all rounds. Both run at once, scraped alternately, so the ratios hold on a
machine that is busy with other things; the milliseconds do not.
"""

import argparse
import http.client
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from demo import binaries  # the project is not installed: its root must be on the path first

#: node_exporter's collectors of the families that ours has.
FAMILIES = ("cpu", "meminfo", "filesystem", "diskstats", "netdev", "loadavg", "stat", "pressure", "filefd")
HEADERS = {
    "Accept": "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
    "Accept-Encoding": "gzip",
    "X-Prometheus-Scrape-Timeout-Seconds": "10",
}
START_SECONDS = 20.0
TICKS = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass
class Peer:
    """One exporter under test: its process, its connection, and the seconds of each scrape."""

    name: str
    pid: int
    connection: http.client.HTTPConnection
    seconds: list[float] = field(default_factory=list)
    series: int = 0

    def scrape(self, headers: dict[str, str]) -> bytes:
        """Fetch /metrics once; the body as it was sent."""
        self.connection.request("GET", "/metrics", headers=headers)
        response = self.connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise RuntimeError(f"{self.name}: HTTP {response.status}: {body[:200]!r}")
        return body

    def timed(self) -> None:
        """Scrape once and note how long it took."""
        started = time.perf_counter()
        self.scrape(HEADERS)
        self.seconds.append(time.perf_counter() - started)

    def cpu_seconds(self) -> float:
        """User and system time of the process so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def resident_mib(self) -> float:
        """Resident memory of the process."""
        return int(Path(f"/proc/{self.pid}/statm").read_text().split()[1]) * PAGE_BYTES / 2**20


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the comparison; 0 when ours costs at most a third of node_exporter's in this run."""
    options = _parser().parse_args(arguments)
    with ExitStack() as stack:
        peers = [stack.enter_context(running(name, command)) for name, command in commands().items()]
        figures = measure(peers, options.rounds, options.idle_seconds)
    print(table(figures))
    if options.output:
        options.output.write_text(json.dumps(figures, indent=2) + "\n")
    ratios = figures["ratio"]
    return int(max(ratios["p50_ms"], ratios["cpu_ms_per_scrape"]) > 1 / 3)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=500, help="scrapes of each (default: %(default)s)")
    parser.add_argument("--idle-seconds", type=float, default=10.0, help="watched at rest (default: %(default)s)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the figures there as JSON")
    return parser


def commands() -> dict[str, list[str]]:
    """The two programs, each with its listen address still to come."""
    node = [str(binaries.find("prometheus-node-exporter")), "--collector.disable-defaults"]
    node += [f"--collector.{family}" for family in FAMILIES]
    return {"nightshift": [sys.executable, "-m", "exporter", "serve"], "node_exporter": node}


@contextmanager
def running(name: str, command: list[str]) -> Iterator[Peer]:
    """A running exporter, ended afterwards.

    Raises:
        RuntimeError: it does not answer in time.
    """
    port = free_port()
    arguments = [*command, f"--web.listen-address=127.0.0.1:{port}"]
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        peer = Peer(name, process.pid, http.client.HTTPConnection("127.0.0.1", port, timeout=10))
        wait_until_answers(peer)
        yield peer
        peer.connection.close()
    finally:
        process.terminate()
        process.wait(timeout=10)


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_answers(peer: Peer) -> None:
    """Wait for the first scrape and count its series.

    Raises:
        RuntimeError: there was none within `START_SECONDS`.
    """
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            text = peer.scrape({})
        except OSError:
            peer.connection.close()
            time.sleep(0.05)
        else:
            peer.series = sum(not line.startswith(b"#") for line in text.splitlines())
            return
    raise RuntimeError(f"{peer.name} does not answer after {START_SECONDS:g} s")


def measure(peers: list[Peer], rounds: int, idle_seconds: float) -> dict[str, dict[str, float]]:
    """The figures of each peer by its name, and under "ratio" ours divided by node_exporter's."""
    idle_before = [peer.cpu_seconds() for peer in peers]
    time.sleep(idle_seconds)
    idle = [peer.cpu_seconds() - before for peer, before in zip(peers, idle_before, strict=True)]
    busy_before = [peer.cpu_seconds() for peer in peers]
    for _ in range(rounds):
        for peer in peers:
            peer.timed()
    figures = {}
    for peer, resting, before in zip(peers, idle, busy_before, strict=True):
        percentiles = statistics.quantiles(peer.seconds, n=20)
        figures[peer.name] = {
            "series": peer.series,
            "p50_ms": percentiles[9] * 1000,
            "p95_ms": percentiles[18] * 1000,
            "cpu_ms_per_scrape": (peer.cpu_seconds() - before) / rounds * 1000,
            "rss_mib": peer.resident_mib(),
            "idle_cpu_percent": resting / idle_seconds * 100 if idle_seconds else 0.0,
        }
    ours, theirs = figures.values()
    figures["ratio"] = {key: value / theirs[key] if theirs[key] else 0.0 for key, value in ours.items()}
    return figures


def table(figures: dict[str, dict[str, float]]) -> str:
    """The figures as aligned text, one column for each peer and one for the ratio."""
    names = list(figures)
    lines = [f"{'':20}" + "".join(f"{name:>15}" for name in names)]
    lines += [f"{key:20}" + "".join(f"{figures[name][key]:>15.3f}" for name in names) for key in figures[names[0]]]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
