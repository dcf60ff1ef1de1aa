"""The whole loop on real Prometheus and Alertmanager, without Docker and root.

python -m demo               # break two things, watch them being repaired, print the table, exit 0 if all is well
python -m demo --keep        # the same, but leave everything running (or KEEP=1)
python -m demo stop FOLDER   # end a demo that was kept
"""

import argparse
import logging
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import FrameType

from demo import binaries, kept
from demo.binaries import BinaryMissingError, find
from demo.configs import ShippedFileChangedError
from demo.progress import Progress, table
from demo.repair import MILESTONES, Repair
from demo.scenario import DEAD_WORKER, DISK, break_one, follow
from demo.stack import Options, Stack, StackFailedError
from demo.vitals import MIB
from demo.waiting import DeadlineError

FAULTS = (DISK, DEAD_WORKER)
# What Nightshift promises for the processes that belong to it, Prometheus and Alertmanager included.
GOAL_MIB = 200
GOAL_SECONDS = 60


class StoppedError(Exception):
    """Somebody asked the demo to end (Ctrl-C, SIGTERM, a closed terminal)."""


class Steps(logging.Handler):
    """Shows log records (of a download, the first time) as steps."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self._progress = progress

    def emit(self, record: logging.LogRecord) -> None:
        """One record, one step."""
        self._progress.step(record.getMessage())


def main(argv: list[str] | None = None) -> int:
    """Runs the demo; 0 when every fault was fixed, 1 when not, 130 when it was stopped."""
    args = _arguments().parse_args(argv)
    if args.verb == "stop":
        return _stop(args.folder)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _raise_stopped)
    progress = Progress()
    try:
        return _demo(args, progress)
    except StoppedError:
        progress.text("stopped; every process of the demo is gone")
        return 130
    except (BinaryMissingError, StackFailedError, DeadlineError, ShippedFileChangedError, RuntimeError) as error:
        progress.text(f"the demo failed: {error}")
        return 1


def _arguments() -> argparse.ArgumentParser:
    """Describes the command line."""
    parser = argparse.ArgumentParser(prog="python -m demo", description=(__doc__ or "").splitlines()[0])
    keep = os.environ.get("KEEP", "") not in ("", "0")
    parser.add_argument("--keep", action="store_true", default=keep, help="leave everything running (or KEEP=1)")
    parser.add_argument("--interval", type=float, default=5.0, help="scrape and evaluation interval in s (default: 5)")
    parser.add_argument(
        "--suite", help="Debian suite of Prometheus and Alertmanager (default: PATH, then this release)"
    )
    verbs = parser.add_subparsers(dest="verb")
    stop = verbs.add_parser("stop", help="end a demo that was kept")
    stop.add_argument("folder", type=Path, help="its folder")
    return parser


def _raise_stopped(_number: int, _frame: FrameType | None) -> None:
    """Turns a signal into an exception, so that every process is ended on the way out.

    Raises:
        StoppedError: always.
    """
    # A second Ctrl-C must not interrupt the tidying up.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    raise StoppedError


def _stop(folder: Path) -> int:
    """Ends a kept demo."""
    try:
        names = kept.stop(folder)
    except kept.NotKeptError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"ended {', '.join(names) or 'nothing: all of it was gone'}")
    return 0


def _demo(args: argparse.Namespace, progress: Progress) -> int:
    """Starts the stack, breaks it, follows the repairs and reports; the exit code.

    Raises:
        BinaryMissingError: Prometheus or Alertmanager is not to be had.
        StackFailedError: a part of the stack does not come up or ends.
    """
    progress.text("Nightshift demo: a fault, an alert, a repair, a verified recovery. No Docker, no root.")
    binaries_log = logging.getLogger(binaries.__name__)
    binaries_log.addHandler(Steps(progress))
    binaries_log.setLevel(logging.INFO)
    versions = ", ".join(_version(name, args.suite) for name in ("prometheus", "alertmanager"))
    progress.step(f"programs: {versions}")
    with Stack(Options(interval_seconds=args.interval, suite=args.suite), progress) as stack:
        progress.step(f"started {', '.join(stack.children)} in {stack.layout.folder}")
        stack.wait_ready()
        ready = progress.elapsed
        progress.step("all processes up, first scrape done")
        repairs = _break_all(stack, progress)
        complete = _follow(stack, repairs, progress)
        repaired = progress.elapsed - ready
        good = complete and all(repair.good for repair in repairs)
        progress.text(_report(repairs, stack.resident_bytes(), repaired))
        if args.keep:
            stack.keep = True
            progress.text(_kept_text(stack))
        if not good:
            _print_last_words(stack, progress)
        return 0 if good else 1


def _version(name: str, suite: str | None) -> str:
    """Gives `name version` as the program tells it.

    Raises:
        BinaryMissingError: the program is not to be had.
    """
    done = subprocess.run([find(name, suite), "--version"], capture_output=True, text=True, check=False)
    words = (done.stdout or done.stderr).split()
    return f"{name} {words[2] if len(words) > 2 else '?'}"


def _break_all(stack: Stack, progress: Progress) -> list[Repair]:
    """Breaks one thing after the other, without waiting for the first repair."""
    repairs = []
    for fault in FAULTS:
        repair, text = break_one(stack, fault)
        repairs.append(repair)
        progress.step(f"broken: {text}")
    return repairs


def _follow(stack: Stack, repairs: Sequence[Repair], progress: Progress) -> bool:
    """Waits until every fault has run its course, says each milestone; False when the time ran out."""
    told: set[tuple[str, str]] = set()
    try:
        follow(stack, repairs, lambda: _tell_news(repairs, told, progress))
    except DeadlineError as error:
        progress.text(str(error))
        return False
    return True


def _tell_news(repairs: Sequence[Repair], told: set[tuple[str, str]], progress: Progress) -> None:
    """Writes a line for every milestone that was not told yet."""
    for repair in repairs:
        for milestone in MILESTONES:
            seconds = repair.seconds(milestone)
            if seconds is not None and (repair.fault.title, milestone) not in told:
                told.add((repair.fault.title, milestone))
                verdict = f": {repair.verdict}" if milestone == "verified" else ""
                progress.step(f"{repair.fault.title}: {milestone} after {seconds:.1f} s{verdict}")


def _report(repairs: Sequence[Repair], resident: Mapping[str, int], repaired_seconds: float) -> str:
    """Gives the closing tables: every fault's milestones, and the memory of every process."""
    rows = []
    for repair in repairs:
        times = [repair.seconds(milestone) for milestone in MILESTONES]
        cells = ["-" if seconds is None else f"{seconds:.1f} s" for seconds in times]
        rows.append([repair.fault.title, *cells, repair.verdict or "none"])
    ours = {name: size for name, size in resident.items() if name not in ("service", "receiver")}
    memory = [[name, f"{size / MIB:.0f} MiB"] for name, size in ours.items()]
    memory.append(["whole stack", f"{sum(ours.values()) / MIB:.0f} MiB (goal {GOAL_MIB})"])
    return "\n".join(
        [
            "",
            "Seconds from the fault on:",
            table(["fault", *MILESTONES, "verdict"], rows),
            "",
            table(["process", "resident memory"], memory),
            "",
            f"{repaired_seconds:.1f} s from all processes up to all faults repaired (goal {GOAL_SECONDS} s)",
        ]
    )


def _kept_text(stack: Stack) -> str:
    """Says where everything is and how to end it; notes it in a file as well."""
    note = kept.note(stack)
    lines = [f"  {part:<13} {stack.layout.url(part)}" for part in stack.layout.addresses]
    more = [sys.executable, "-m", "demo.service", "break", "disk", "--url", stack.layout.url("service")]
    how = [
        f"break more:  {shlex.join(more)}",
        f"stop it:     {shlex.join([sys.executable, '-m', 'demo', 'stop', str(stack.layout.folder)])}",
        f"process ids: {note}",
    ]
    return "\n".join(["", "Everything goes on running:", *lines, *how])


def _print_last_words(stack: Stack, progress: Progress) -> None:
    """Shows the ends of the two logs in which the reason of a missing repair stands."""
    for name in ("handler", "exporter"):
        progress.text(f"\nlast lines of {name}:\n{stack.children[name].last_lines()}")


if __name__ == "__main__":
    sys.exit(main())
