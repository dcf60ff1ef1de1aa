"""Does a log follower count every line once? Plays random lives of logs: rotations, truncations, kills, restarts.

    python bench/follow_schedules.py                     # 10,000 schedules
    python bench/follow_schedules.py --first 4711 --count 1   # one of them again

A schedule is made from its number alone, and played on real files. The first that loses a line or counts one twice
is printed, cut down to the steps that it needs; the exit status is 1 then.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from tests.exporter.log_schedules import Setup, Step, play, schedule  # the project's root must be on the path first


def main(arguments: Sequence[str] | None = None) -> int:
    """Play them all; 0 when every line of every schedule was counted once."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--first", type=int, default=0, help="number of the first schedule (default: %(default)s)")
    parser.add_argument("--count", type=int, default=10_000, help="how many (default: %(default)s)")
    parser.add_argument("--length", type=int, default=30, help="steps of a schedule at most (default: %(default)s)")
    parser.add_argument("--folder", type=Path, help="where the logs are written (default: the temporary directory)")
    options = parser.parse_args(arguments)
    began, steps, lines = time.monotonic(), 0, 0
    actions: Counter[str] = Counter()
    for number in range(options.first, options.first + options.count):
        setup, plan = schedule(number, options.length)
        wrong, written = fault(setup, plan, options.folder)
        if wrong:
            report(number, setup, plan, options.folder)
            return 1
        steps += len(plan)
        lines += written
        actions.update(step.action for step in plan)
        if (number + 1 - options.first) % 1000 == 0:
            print(f"{number + 1 - options.first} schedules, {time.monotonic() - began:.0f} s", flush=True)
    print(" ".join(f"{action}={times}" for action, times in sorted(actions.items())))
    print(f"{options.count} schedules, {steps} steps, {lines} lines: each was counted once")
    return 0


def fault(setup: Setup, plan: Sequence[Step], folder: Path | None) -> tuple[str, int]:
    """What went wrong, empty if nothing did, and how many lines were written."""
    with tempfile.TemporaryDirectory(prefix="nightshift-follow-", dir=folder) as name:
        try:
            missing, extra, written = play(Path(name), setup, plan)
        except Exception as error:  # noqa: BLE001 -- an exception is a fault like any other
            return f"raised {error!r}", 0
    return (f"lost {dict(missing)}, counted too often {dict(extra)}" if missing or extra else ""), written


def report(number: int, setup: Setup, plan: list[Step], folder: Path | None) -> None:
    """Print a schedule that fails, without the steps that it fails without."""
    plan = list(plan)
    shrunk = True
    while shrunk:
        shrunk = False
        for place in range(len(plan) - 1, -1, -1):
            less = plan[:place] + plan[place + 1 :]
            if fault(setup, less, folder)[0]:
                plan, shrunk = less, True
    print(f"schedule {number} fails: {fault(setup, plan, folder)[0]}")
    print(setup)
    for step in plan:
        print(f"    {step}")


if __name__ == "__main__":
    sys.exit(main())
