"""Reads the same access logs with our exporter and with mtail in turn, and prints what each cost.

    python bench/logs.py --rounds 5 --output logs.json
    python bench/logs.py --real-log access.log --facts facts.json      a real log besides, repeated

Ours is the whole process as it is shipped: `python -m exporter serve` with its default collectors, every feature of
the traffic collector on, from its start until all lines are in its metrics. mtail is the whole process too, with
`-one_shot`, and a program that gives the same metrics; both are checked against the sums of what was written, by one
digest (requests by route, method and class of status, bytes by route, buckets of request times by route, lines and
unparsed lines). CPU is user and system time of the process (rusage), memory the peak of its resident set. Variants
are taken in turn, so the ratios hold on a machine that is busy with other things.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from bench.log_lines import BUCKETS, FORMATS, TRACED, Sums, limit_of, segment, write  # noqa: E402 -- the root first
from demo import binaries  # noqa: E402
from demo.processes import free_ports  # noqa: E402

Figures = dict[str, dict[str, float]]

#: What the design promises, as a multiple of mtail's lines per CPU second.
TARGET = 5.0
#: A reader that uses no CPU for so long has read everything, or is asked again.
IDLE_SECONDS = 0.3
PATIENCE_SECONDS = 900.0
TICKS = os.sysconf("SC_CLK_TCK")

CONFIG = """\
collectors:
  traffic:
    state_directory: {state}
    services:
      shop: {{path: {log}, start: beginning, format: '{form}'}}
"""
#: The quickest of several programs that were tried: anchored and without two ways to match, so that Go's regexp takes
#: its one-pass matcher, and no counter of lines, which are the requests and the unparsed.
PROGRAM = r"""
counter unparsed
counter requests by route, method, class
counter bytes by route
%(histogram)s
/^[^"]*"(?P<method>[A-Z]+) \/?(?P<route>[^\/ ?"]*)(?:[\/ ?][^"]*)?" (?P<class>[1-5])\d\d (?P<size>\d+)%(time)s/ {
  requests[$route][$method][$class]++
  bytes[$route] += $size
  %(observe)s
} else {
%(without_size)s
}
"""
TIME = r' "[^"]*" "[^"]*" (?P<time>\d+\.\d+) '
OBSERVE = "seconds[$route] = $time"
UNPARSED = "  unparsed++"
#: A real log has answers without a body: their size is a dash.
WITHOUT_SIZE = r"""
  /^[^"]*"(?P<method>[A-Z]+) \/?(?P<route>[^\/ ?"]*)(?:[\/ ?][^"]*)?" (?P<class>[1-5])\d\d - / {
    requests[$route][$method][$class]++
  } else {
    unparsed++
  }
"""
SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)", re.MULTILINE)
LABEL = re.compile(r'(\w+)="([^"]*)"')


@dataclass
class Cost:
    """What reading a log once cost one process, and what it says is in it."""

    cpu_seconds: float
    peak_mib: float
    sums: Sums


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the comparison; 0 when ours reads at least five times as many lines per CPU second as mtail."""
    options = _parser().parse_args(arguments)
    figures: dict[str, Figures] = {}
    with tempfile.TemporaryDirectory(prefix="nightshift-logs-", dir=options.scratch) as name:
        scratch = Path(name)
        figures["combined"] = generated(scratch, "combined", options.lines, options.rounds)
        figures["with trace ids"] = generated(scratch, TRACED, options.lines, options.rounds)
        if options.real_log:
            figures["real log"] = real(scratch, options)
        if options.format_lines:
            figures["formats"] = formats(scratch, options.format_lines)
    for title, section in figures.items():
        print(f"\n{title}\n{table(section)}")
    if options.output:
        options.output.write_text(json.dumps(figures, indent=2) + "\n")
    ratios = [section["ratio"]["lines_per_cpu_second"] for section in figures.values() if "ratio" in section]
    return int(min(ratios) < TARGET)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lines", type=int, default=2_500_000, help="of the generated logs (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="of each reader (default: %(default)s)")
    parser.add_argument("--real-log", type=Path, metavar="FILE", help="a log in combined format, to be read as well")
    parser.add_argument("--real-lines", type=int, default=2_000_000, help="it is repeated to (default: %(default)s)")
    parser.add_argument("--facts", type=Path, metavar="FILE", help="JSON: its lines, bytes and by_status")
    parser.add_argument("--format-lines", type=int, default=300_000, help="for each format; 0: none (%(default)s)")
    parser.add_argument("--scratch", type=Path, help="where the logs are written (default: the system's)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the figures there as JSON")
    return parser


def generated(scratch: Path, form: str, lines: int, rounds: int) -> Figures:
    """Both readers over a log whose sums are known."""
    log = scratch / "access.log"
    expected = write(log, lines, form).digest()
    return in_turn(log, form, rounds, lambda sums: sums.digest() == expected)


def real(scratch: Path, options: argparse.Namespace) -> Figures:
    """Both readers over a log that was not made for this; they must agree, and with the facts, where there are any."""
    text = options.real_log.read_bytes()
    times = max(1, options.real_lines // text.count(b"\n"))
    log = scratch / "access.log"
    with log.open("wb") as file:
        file.writelines([text] * times)
    known = Facts.of(options.facts, times) if options.facts else None
    return in_turn(
        log, "combined", options.rounds, lambda sums: known is None or known == Facts.from_sums(sums), timed=False
    )


@dataclass
class Facts:
    """What is known of a log without reading it by route: lines, bytes, requests by class of status."""

    lines: int
    size: int
    classes: dict[str, int]

    @classmethod
    def of(cls, path: Path, times: int) -> "Facts":
        """The facts in a JSON file, of a log that is repeated so many times."""
        facts = json.loads(path.read_text())
        classes: Counter[str] = Counter()
        for status, count in facts["by_status"].items():
            classes[status[0]] += count * times
        return cls(facts["lines"] * times, facts["bytes"] * times, dict(classes))

    @classmethod
    def from_sums(cls, sums: Sums) -> "Facts":
        """The same of what a reader counted."""
        classes: Counter[str] = Counter()
        for (_, _, status), count in sums.requests.items():
            classes[status] += count
        return cls(sums.lines, sums.size.total(), dict(+classes))


def in_turn(log: Path, form: str, rounds: int, right: Callable[[Sums], bool], *, timed: bool = True) -> Figures:
    """What each reader needs for *log*, medians over the rounds, and ours divided by mtail's; the log is removed.

    Raises:
        RuntimeError: a reader's sums are not *right*.
    """
    readers = {"nightshift": lambda: ours(log, form), "mtail": lambda: mtails(log, timed=timed)}
    costs: dict[str, list[Cost]] = {name: [] for name in readers}
    for name, read in list(readers.items()) * rounds:
        cost = read()
        if not right(cost.sums):
            raise RuntimeError(f"{name} gives other sums than the log has: {cost.sums.digest()}")
        costs[name].append(cost)
    log.unlink()
    figures = {name: figures_of(found) for name, found in costs.items()}
    figures["ratio"] = {key: value / figures["mtail"][key] for key, value in figures["nightshift"].items()}
    return figures


def figures_of(costs: Sequence[Cost]) -> dict[str, float]:
    """Medians over some rounds."""
    seconds = statistics.median(cost.cpu_seconds for cost in costs)
    return {
        "lines": costs[0].sums.lines,
        "cpu_seconds": seconds,
        "cpu_seconds_min": min(cost.cpu_seconds for cost in costs),
        "lines_per_cpu_second": costs[0].sums.lines / seconds,
        "peak_mib": statistics.median(cost.peak_mib for cost in costs),
    }


def formats(scratch: Path, lines: int) -> Figures:
    """What our exporter needs for each format that it reads."""
    figures = {}
    log = scratch / "access.log"
    for form in FORMATS:
        expected = write(log, lines, form).digest()
        cost = ours(log, form)
        if cost.sums.digest() != expected:
            raise RuntimeError(f"{form}: the sums are wrong")
        figures["nginx's log_format" if "$" in form else form] = figures_of([cost])
    log.unlink()
    return figures


def ours(log: Path, form: str) -> Cost:
    """One run of the exporter: started, left alone until it has read everything, scraped, ended."""
    (port,) = free_ports(1)
    config = log.with_name("exporter.yml")
    state = Path(tempfile.mkdtemp(dir=log.parent))
    config.write_text(CONFIG.format(state=state, log=log, form=form))
    command = [sys.executable, "-m", "exporter", "serve", "--config.file", str(config)]
    command += [f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"]
    lines = count_lines(log)
    process = subprocess.Popen(command, cwd=ROOT)
    deadline = time.monotonic() + PATIENCE_SECONDS
    sums = Sums()
    while sums.lines < lines:
        wait_until_idle(process.pid, deadline)
        sums = our_sums(scrape(port))
    peak = peak_mib(process.pid)
    process.terminate()
    return Cost(ended(process), peak, sums)


def count_lines(log: Path) -> int:
    """Line feeds in a file, read piece by piece so that this process stays small."""
    with log.open("rb") as file:
        return sum(piece.count(b"\n") for piece in iter(lambda: file.read(2**20), b""))


def wait_until_idle(pid: int, deadline: float) -> None:
    """Wait until a process has used CPU, and then none for `IDLE_SECONDS`.

    Raises:
        RuntimeError: it is still busy at the deadline.
    """
    used, since = cpu_ticks(pid), time.monotonic()
    while time.monotonic() - since < IDLE_SECONDS or used < 10:
        if time.monotonic() > deadline:
            raise RuntimeError("the exporter does not come to rest")
        time.sleep(0.05)
        now = cpu_ticks(pid)
        if now != used:
            used, since = now, time.monotonic()


def cpu_ticks(pid: int) -> int:
    """User and system time of a process so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def peak_mib(pid: int) -> float:
    """The most memory that a process had resident so far; 0 for one that has ended."""
    found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


def ended(process: "subprocess.Popen[bytes]") -> float:
    """Wait for the end of a process; its user and system time."""
    _, _, usage = os.wait4(process.pid, 0)
    process.returncode = 0
    return usage.ru_utime + usage.ru_stime


def scrape(port: int) -> str:
    """The exposition."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        return str(answer.read().decode())


def mtails(log: Path, *, timed: bool) -> Cost:
    """One run of mtail over the log; on one processor, which costs it least."""
    folder = log.with_name("progs")
    folder.mkdir(exist_ok=True)
    histogram = f"histogram seconds by route buckets {', '.join(map(str, BUCKETS))}"
    parts = {"histogram": histogram, "time": TIME, "observe": OBSERVE, "without_size": UNPARSED}
    if not timed:
        parts = {"histogram": "", "time": " ", "observe": "", "without_size": WITHOUT_SIZE}
    (folder / "access.mtail").write_text(PROGRAM % parts)
    (port,) = free_ports(1)
    command = [str(binaries.find("mtail")), "-one_shot", "-one_shot_format", "prometheus", "-progs", str(folder)]
    command += ["-logs", str(log), "-address", "127.0.0.1", "-port", str(port), "-logtostderr"]
    output = log.with_name("mtail.txt")
    with output.open("wb") as file:
        process = subprocess.Popen(
            command, stdout=file, stderr=subprocess.DEVNULL, env={**os.environ, "GOMAXPROCS": "1"}
        )
    peak = 0.0
    while not os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT):
        peak = max(peak, peak_mib(process.pid))
        time.sleep(0.02)
    return Cost(ended(process), peak, mtail_sums(output.read_text()))


def samples(exposition: str) -> Iterator[tuple[str, dict[str, str], float]]:
    """Name, labels and value of every sample."""
    for name, labels, value in SAMPLE.findall(exposition):
        yield name, dict(LABEL.findall(labels)), float(value)


def our_sums(exposition: str) -> Sums:
    """What the exporter says is in the log."""
    sums = Sums()
    for name, labels, value in samples(exposition):
        route = segment(labels.get("route", "/"))
        match name:
            case "nightshift_traffic_lines_total":
                sums.lines = int(value)
            case "nightshift_traffic_unparsed_lines_total":
                sums.unparsed = int(value)
            case "nightshift_http_requests_total":
                sums.requests[route, labels["method"], labels["status"][0]] += int(value)
            case "nightshift_http_response_bytes_total":
                sums.size[route] += int(value)
            case "nightshift_http_request_duration_seconds_bucket":
                sums.buckets[route, limit_of(labels["le"])] += int(value)
    return sums


def mtail_sums(exposition: str) -> Sums:
    """What mtail says is in the log."""
    sums = Sums()
    for name, labels, value in samples(exposition):
        match name:
            case "unparsed":
                sums.unparsed = int(value)
            case "requests":
                sums.requests[labels["route"], labels["method"], labels["class"]] += int(value)
            case "bytes":
                sums.size[labels["route"]] += int(value)
            case "seconds_bucket":
                sums.buckets[labels["route"], limit_of(labels["le"])] += int(value)
    sums.lines = sums.requests.total() + sums.unparsed
    return sums


def table(figures: Figures) -> str:
    """The figures as aligned text, one line for each reader or format."""
    keys = list(next(iter(figures.values())))
    lines = [f"{'':24}" + "".join(f"{key:>22}" for key in keys)]
    lines += [f"{name:24}" + "".join(f"{row[key]:>22,.3f}" for key in keys) for name, row in figures.items()]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
