"""CPU per probe of our exporter and of prometheus-blackbox-exporter, against 1,000 addresses of one nginx on loopback.

    python bench/probes.py --rounds 5 --output probes.json

Five ways, in turn, each round: `blackbox`, `nightshift /probe` (its `listen_address`) and `nightshift /probe, web`
(beside /metrics, by its web server) are asked by GET /probe over one kept connection, with the headers that Prometheus
sends, and answer with the same metrics. `nightshift schedule` probes the same targets by itself, once a second each,
and `nightshift schedule, full` as often as keeps a core busy; their figures have no metrics page in them, as one scrape
has that of all targets.
Every probe opens a connection of its own, for TLS with a full handshake. CPU is the user and system time of the
process divided by its probes; nginx and this client are others. The programs are Debian's packages.
"""

import argparse
import json
import os
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from demo import binaries  # the project is not installed: its root must be on the path first

ROOT = Path(__file__).resolve().parent.parent
TLS = ROOT / "tests" / "fixtures" / "tls"
REQUEST = (
    "GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    "Accept: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1\r\n"
    "Accept-Encoding: gzip\r\nX-Prometheus-Scrape-Timeout-Seconds: 10\r\n\r\n"
)
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
#: Between the chunks of a page of metrics, which has no carriage return of its own.
CHUNK_SIZE = re.compile(rb"(?:^|\r\n)[0-9a-f]+\r\n(?:\r\n)?")
RUNS = re.compile(r"^nightshift_probe_runs_total\{.*\} (\d+)", re.MULTILINE)
FAILURES = re.compile(r"^nightshift_probe_failures_total\{.*\} (\d+)", re.MULTILINE)
PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
START_SECONDS = 20.0
#: The scheduled targets are probed this long in a round; the figures are per probe.
SCHEDULE_SECONDS = 3.0
#: Seconds between two probes of a target that keep a core busy: 5,000 probes a second, 1,250 with a handshake.
FULL_INTERVALS = {"plain": 0.2, "secured": 0.8}

MODULES = """
  plain: {prober: http, timeout: 5s, http: {preferred_ip_protocol: ip4}}
  secured:
    prober: http
    timeout: 5s
    http: {preferred_ip_protocol: ip4, tls_config: {insecure_skip_verify: true}}
"""
NGINX = """
worker_processes 1; daemon off; pid nginx.pid; error_log error.log;
events {{ worker_connections 8192; }}
http {{ access_log off; client_body_temp_path t1; proxy_temp_path t2; fastcgi_temp_path t3; uwsgi_temp_path t4;
scgi_temp_path t5; ssl_certificate {tls}/localhost.pem; ssl_certificate_key {tls}/localhost.key;
ssl_session_cache off; ssl_session_tickets off;
server {{ {listens} location / {{ return 200 "ok\\n"; }} }} }}
"""


@dataclass
class Program:
    """A running program: its process, its port, the kept connection to it."""

    name: str
    process: subprocess.Popen[bytes]
    port: int
    connection: socket.socket | None = None

    def get(self, path: str) -> str:
        """The body of *path* over the kept connection.

        Raises:
            RuntimeError: its status is not 200.
        """
        if self.connection is None:
            self.connection = socket.create_connection(("127.0.0.1", self.port), timeout=30)
        self.connection.sendall(REQUEST.format(path=path).replace("Accept-Encoding: gzip\r\n", "").encode())
        response = b""
        while not whole(response):
            piece = self.connection.recv(1 << 20)
            if not piece:
                raise RuntimeError(f"{self.name} closed the connection")
            response += piece
        head, _, body = response.partition(b"\r\n\r\n")
        if b" 200 " not in head.split(b"\r\n")[0]:
            raise RuntimeError(f"{self.name} answers {response[:300]!r}")
        return (body if LENGTH.search(head) else CHUNK_SIZE.sub(b"", body)).decode()

    def cpu_seconds(self) -> float:
        """User and system time of the process so far, by the kernel's own clock of it (nanoseconds, not ticks)."""
        return time.clock_gettime((~self.process.pid << 3) | 2)

    def resident_mib(self) -> float:
        """Resident memory of the process."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * PAGE_BYTES / 2**20


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the comparison; 0 when ours costs at most a third of blackbox_exporter's, with TLS at most as much."""
    options = _parser().parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        figures = measure(Bench(Path(folder), options.targets, stack), options.rounds)
    print(table(figures))
    if options.output:
        options.output.write_text(json.dumps(figures, indent=2) + "\n")
    plain, secured = figures["plain"]["ratio /probe"], figures["secured"]["ratio /probe"]
    return int(plain > 1 / 3 or secured > 1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="of each way (default: %(default)s)")
    parser.add_argument("--targets", type=int, default=1000, help="addresses of 127.0.0.0/8 (default: %(default)s)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the figures there as JSON")
    return parser


class Bench:
    """Everything that runs: nginx on *count* addresses, blackbox_exporter, ours for /probe and ours on its schedule."""

    def __init__(self, folder: Path, count: int, stack: ExitStack) -> None:
        hosts = [f"127.{1 + number // 62500}.{number // 250 % 250}.{number % 250 + 1}" for number in range(count)]
        plain, secured = free_port(), free_port()
        self.targets = {
            "plain": [f"http://{host}:{plain}/" for host in hosts],
            "secured": [f"https://{host}:{secured}/" for host in hosts],
        }
        self._wanted = folder / "targets.json"
        self._folder = folder
        self._order([], "plain", 1)
        stack.enter_context(nginx(folder, hosts, plain, secured))
        self.blackbox = stack.enter_context(self._blackbox())
        port = free_port()
        self.web = stack.enter_context(self._nightshift("nightshift web", f"    listen_address: 127.0.0.1:{port}\n"))
        self.asked = Program("nightshift /probe", self.web.process, port)
        scheduled = f"    file_sd: [{{files: [{self._wanted}]}}]\n    refresh_interval: 0.1\n    max_running: 32\n"
        self.scheduled = stack.enter_context(self._nightshift("nightshift schedule", scheduled))

    def ask(self, program: Program, module: str) -> float:
        """Microseconds of CPU per probe when every target is asked for once."""
        paths = [f"/probe?module={module}&target={quote(target, safe='')}" for target in self.targets[module]]
        before = program.cpu_seconds()
        pages = [program.get(path) for path in paths]
        spent = program.cpu_seconds() - before
        failed = [page for page in pages if "\nprobe_success 1" not in page]
        if failed:
            raise RuntimeError(f"{program.name}: {len(failed)} probes failed; the first says:\n{failed[0]}")
        return spent / len(paths) * 1e6

    def watch(self, module: str, interval: float, seconds: float) -> float:
        """Microseconds of CPU per probe while the targets are on the schedule, once an *interval* (seconds) each."""
        self._order(self.targets[module], module, interval)
        count = len(self.targets[module])
        wait_until(lambda: len(RUNS.findall(self.scheduled.get("/metrics"))) == count, "the schedule runs")
        runs, before = self._runs(), self.scheduled.cpu_seconds()
        time.sleep(seconds)
        spent, made = self.scheduled.cpu_seconds() - before, self._runs() - runs
        return spent / made * 1e6

    def rest(self) -> None:
        """Take every target off the schedule."""
        self._order([], "plain", 1)
        wait_until(lambda: not RUNS.search(self.scheduled.get("/metrics")), "the schedule rests")

    def _runs(self) -> int:
        page = self.scheduled.get("/metrics")
        if any(int(failures) for failures in FAILURES.findall(page)):
            raise RuntimeError("nightshift schedule: a probe failed")
        return sum(map(int, RUNS.findall(page)))

    def _order(self, targets: list[str], module: str, interval: float) -> None:
        """Write the file of targets as a whole, as whoever generates one should."""
        draft = self._wanted.with_suffix(".tmp")
        labels = {"__param_module": module, "__scrape_interval__": f"{interval:g}s"}
        draft.write_text(json.dumps([{"targets": targets, "labels": labels}]))
        draft.rename(self._wanted)

    def _blackbox(self) -> AbstractContextManager[Program]:
        config = self._folder / "blackbox.yml"
        config.write_text(f"modules:{MODULES}")
        tree = binaries.unpack("prometheus-blackbox-exporter")
        command = [str(tree / "usr/bin/prometheus-blackbox-exporter"), f"--config.file={config}", "--log.level=error"]
        return running("blackbox", command)

    def _nightshift(self, name: str, more: str) -> AbstractContextManager[Program]:
        config = self._folder / f"{name}.yml"
        indented = MODULES.replace("\n", "\n    ")
        config.write_text(f"collectors:\n  resources: {{}}\n  probes:\n    modules:{indented}\n{more}")
        return running(
            name, [sys.executable, "-m", "exporter", "serve", f"--config.file={config}", "--log.level=error"]
        )


def measure(bench: Bench, rounds: int) -> dict[str, dict[str, float]]:
    """The figures by module (medians of the rounds), and resident memory in MiB."""
    ways: dict[str, Callable[[str], float]] = {
        "blackbox": lambda module: bench.ask(bench.blackbox, module),
        "nightshift /probe": lambda module: bench.ask(bench.asked, module),
        "nightshift /probe, web": lambda module: bench.ask(bench.web, module),
        "nightshift schedule": lambda module: bench.watch(module, 1, SCHEDULE_SECONDS),
        "nightshift schedule, full": lambda module: bench.watch(module, FULL_INTERVALS[module], SCHEDULE_SECONDS),
    }
    figures: dict[str, dict[str, float]] = {}
    for module in bench.targets:
        spent: dict[str, list[float]] = {way: [] for way in ways}
        for _ in range(rounds):
            for way, probe in ways.items():
                spent[way].append(probe(module))
                bench.rest()
        figures[module] = summary(spent)
    figures["memory MiB"] = {
        "blackbox": bench.blackbox.resident_mib(),
        "nightshift /probe": bench.asked.resident_mib(),
        "nightshift schedule": bench.scheduled.resident_mib(),
    }
    return figures


def summary(spent: dict[str, list[float]]) -> dict[str, float]:
    """Median, least and most of each way in microseconds, and ours divided by blackbox_exporter's."""
    found: dict[str, float] = {}
    for way, values in spent.items():
        found |= {way: statistics.median(values), f"{way} min": min(values), f"{way} max": max(values)}
    ours = [way for way in spent if way != "blackbox"]
    return found | {f"ratio {way.removeprefix('nightshift ')}": found[way] / found["blackbox"] for way in ours}


def table(figures: dict[str, dict[str, float]]) -> str:
    """The figures as aligned text."""
    lines = []
    for title, values in figures.items():
        lines.append(title if title.startswith("memory") else f"{title}, us of CPU per probe")
        lines += [f"  {name:26}{value:10.3f}" for name, value in values.items()]
    return "\n".join(lines)


@contextmanager
def running(name: str, command: list[str]) -> Iterator[Program]:
    """A running exporter that answers, ended afterwards.

    Raises:
        RuntimeError: it does not answer in time.
    """
    port = free_port()
    process = subprocess.Popen([*command, f"--web.listen-address=127.0.0.1:{port}"], cwd=ROOT, stderr=sys.stderr)
    try:
        program = Program(name, process, port)
        wait_until(lambda: program.get("/metrics"), f"{name} answers")
        yield program
    finally:
        process.terminate()
        process.wait(timeout=10)


@contextmanager
def nginx(folder: Path, hosts: list[str], plain: int, secured: int) -> Iterator[None]:
    """The target of every probe: nginx with one worker, every host with both ports."""
    program = shutil.which("nginx") or str(binaries.unpack("nginx") / "usr/sbin/nginx")
    listens = "".join(f"listen {host}:{plain}; listen {host}:{secured} ssl;\n" for host in hosts)
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(tls=TLS, listens=listens))
    process = subprocess.Popen([program, "-p", str(folder), "-c", str(config)], stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: connects(hosts[-1], secured), "nginx listens")
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=10)


def connects(host: str, port: int) -> bool:
    """Whether somebody listens there; raises OSError otherwise."""
    with socket.create_connection((host, port), timeout=1):
        return True


def whole(response: bytes) -> bool:
    """Whether *response* has come to its end, by its length or its last chunk."""
    head, end, body = response.partition(b"\r\n\r\n")
    if not end:
        return False
    length = LENGTH.search(head)
    return len(body) >= int(length[1]) if length else body.endswith(b"\r\n0\r\n\r\n")


def free_port() -> int:
    """A port of this machine that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until(condition: Callable[[], object], what: str) -> None:
    """Wait until *condition* is true; a refused connection is not yet.

    Raises:
        RuntimeError: it was not within `START_SECONDS`.
    """
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            if condition():
                return
        except OSError as error:
            what = f"{what.partition(' (')[0]} ({error})"
        time.sleep(0.05)
    raise RuntimeError(f"not within {START_SECONDS:g} s: {what}")


if __name__ == "__main__":
    sys.exit(main())
