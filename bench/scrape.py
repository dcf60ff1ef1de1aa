"""Scrapes our exporter and prometheus-node-exporter in turn, with the same families, and prints what each cost.

    python bench/scrape.py --rounds 500 --output scrape.json

One keep-alive connection each and the headers that Prometheus sends. CPU is the user and system time of the process
divided by the scrapes, memory is resident after all rounds. Both run at once and are scraped in turn, so the ratios
hold on a machine that is busy with other things; the milliseconds do not.
"""

import argparse
import json
import os
import re
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
#: As Prometheus asks.
REQUEST = (
    b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    b"Accept: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1\r\n"
    b"Accept-Encoding: gzip\r\nX-Prometheus-Scrape-Timeout-Seconds: 10\r\n\r\n"
)
PLAIN_REQUEST = b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
SAMPLE = re.compile(rb"[a-z_]+(\{.*\})? \S+$", re.IGNORECASE)
START_SECONDS = 20.0
TICKS = os.sysconf("SC_CLK_TCK")
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass
class Peer:
    """One exporter under test: its process, its connection, and the seconds of each scrape."""

    name: str
    pid: int
    port: int
    connection: socket.socket | None = None
    seconds: list[float] = field(default_factory=list)
    series: int = 0
    bytes_sent: int = 0

    def scrape(self, request: bytes) -> bytes:
        """Send one request over the kept connection; the whole response as it was sent.

        A client of http.client's weight would cost as much as what is measured.
        """
        if self.connection is None:
            self.connection = socket.create_connection(("127.0.0.1", self.port), timeout=10)
            self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.connection.sendall(request)
        response = b""
        while not complete(response):
            piece = self.connection.recv(65536)
            if not piece:
                raise ConnectionError(f"{self.name} closed the connection")
            response += piece
        return response

    def timed(self) -> None:
        """Scrape once and note how long it took."""
        started = time.perf_counter()
        response = self.scrape(REQUEST)
        self.seconds.append(time.perf_counter() - started)
        self.bytes_sent = len(response)

    def close(self) -> None:
        """End the connection."""
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def cpu_seconds(self) -> float:
        """User and system time of the process so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def run_seconds(self) -> float:
        """Time on a processor of all threads that live now, finer than `cpu_seconds`."""
        tasks = Path(f"/proc/{self.pid}/task").iterdir()
        return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9

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
        peer = Peer(name, process.pid, port)
        wait_until_answers(peer)
        yield peer
        peer.close()
    finally:
        process.terminate()
        process.wait(timeout=10)


def complete(response: bytes) -> bool:
    """Whether *response* has come to its end, by its length or its last chunk.

    Raises:
        RuntimeError: its status is not 200.
    """
    head, end, body = response.partition(b"\r\n\r\n")
    if not end:
        return False
    if not head.startswith(b"HTTP/1.1 200 "):
        raise RuntimeError(f"not a scrape: {response[:200]!r}")
    length = LENGTH.search(head)
    return len(body) >= int(length[1]) if length else body.endswith(b"\r\n0\r\n\r\n")


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
            text = peer.scrape(PLAIN_REQUEST).partition(b"\r\n\r\n")[2]
        except OSError:
            peer.close()
            time.sleep(0.05)
        else:
            peer.series = sum(bool(SAMPLE.match(line)) for line in text.splitlines())
            return
    raise RuntimeError(f"{peer.name} does not answer after {START_SECONDS:g} s")


def measure(peers: list[Peer], rounds: int, idle_seconds: float) -> dict[str, dict[str, float]]:
    """The figures of each peer by its name, and under "ratio" ours divided by node_exporter's."""
    idle_before = [peer.cpu_seconds() for peer in peers]
    time.sleep(idle_seconds)
    idle = [peer.cpu_seconds() - before for peer, before in zip(peers, idle_before, strict=True)]
    steady = once_a_second(peers, idle_seconds)
    busy_before = [peer.cpu_seconds() for peer in peers]
    for _ in range(rounds):
        for peer in peers:
            peer.timed()
    figures = {}
    for peer, resting, before in zip(peers, idle, busy_before, strict=True):
        percentiles = statistics.quantiles(peer.seconds, n=100)
        figures[peer.name] = {
            "series": peer.series,
            "bytes": peer.bytes_sent,
            "p50_ms": percentiles[49] * 1000,
            "p95_ms": percentiles[94] * 1000,
            "p99_ms": percentiles[98] * 1000,
            "cpu_ms_per_scrape": (peer.cpu_seconds() - before) / rounds * 1000,
            "rss_mib": peer.resident_mib(),
            "cpu_percent_at_1_s": steady[peer.name],
            "idle_cpu_percent": resting / idle_seconds * 100 if idle_seconds else 0.0,
        }
    ours, theirs = figures.values()
    figures["ratio"] = {key: value / theirs[key] if theirs[key] else 0.0 for key, value in ours.items()}
    return figures


def once_a_second(peers: list[Peer], seconds: float) -> dict[str, float]:
    """The share of a processor in percent of each peer that is scraped once a second, by its name."""
    before = {peer.name: peer.run_seconds() for peer in peers}
    rounds = max(1, round(seconds))
    for _ in range(rounds):
        for peer in peers:
            peer.scrape(REQUEST)
        time.sleep(1)
    return {peer.name: (peer.run_seconds() - before[peer.name]) / rounds * 100 for peer in peers}


def table(figures: dict[str, dict[str, float]]) -> str:
    """The figures as aligned text, one column for each peer and one for the ratio."""
    names = list(figures)
    lines = [f"{'':20}" + "".join(f"{name:>19}" for name in names)]
    lines += [f"{key:20}" + "".join(f"{figures[name][key]:>19.3f}" for name in names) for key in figures[names[0]]]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
