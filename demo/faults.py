"""Measures how fast the stack reacts: faults in a row, and the times from one step to the next.

    python -m demo.faults              # ten faults at the shipped intervals, about three minutes
    python -m demo.faults --json       # the same figures for a machine

Real processes, real times: when the threshold was crossed tells the demo service, the rest the handler's store. Three
kinds of fault run side by side and each begins at a random time, so that no phase of Prometheus is favoured.
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median

from demo.configs import with_playbooks
from demo.progress import Progress, table
from demo.repair import Fault, Repair
from demo.scenario import DEAD_WORKER, DISK, MEMORY, REPAIR_SECONDS, break_one
from demo.stack import Options, Stack
from demo.waiting import DeadlineError

# From one milestone to the next: name -> (from, to); "broken" is the moment in which the threshold was crossed.
STEPS: Mapping[str, tuple[str, str]] = {
    "threshold crossed -> webhook received": ("broken", "received"),
    "webhook received -> action started": ("received", "acted"),
    "action started -> notified": ("acted", "notified"),
    "threshold crossed -> notified": ("broken", "notified"),
    "threshold crossed -> verified": ("broken", "verified"),
}
PAUSE_SECONDS = 10.0


@dataclass
class Lane:
    """One kind of fault, made again and again; `due_at` on the monotonic clock."""

    fault: Fault
    due_at: float
    repair: Repair | None = None


@dataclass
class Series:
    """The measurement under way: faults to make, faults made."""

    stack: Stack
    wanted: int
    progress: Progress
    clock: Callable[[], float] = time.monotonic
    done: list[Repair] = field(default_factory=list)
    begun: int = 0

    def run(self, lanes: Sequence[Lane]) -> list[Repair]:
        """Makes the wanted number of faults and follows each to its end.

        Raises:
            DeadlineError: a repair does not come to its end in time.
            StackFailedError: a process ended.
        """

        def turn() -> bool:
            for lane in lanes:
                self._turn(lane)
            return len(self.done) >= self.wanted

        self.stack.wait(turn, f"{self.wanted} repairs", self.wanted * REPAIR_SECONDS)
        return self.done

    def _turn(self, lane: Lane) -> None:
        """Breaks a lane that is due, or looks at its repair.

        Raises:
            DeadlineError: its repair does not come to its end in time.
        """
        if lane.repair is None:
            if self.begun < self.wanted and self.clock() >= lane.due_at:
                self.begun += 1
                lane.repair, _ = break_one(self.stack, lane.fault)
            return
        if lane.repair.look(self.stack.prometheus, self.stack.handler):
            self.done.append(lane.repair)
            verdict = lane.repair.verdict
            self.progress.step(f"{len(self.done)}/{self.wanted} {lane.fault.title}: {verdict}")
            lane.repair = None
            lane.due_at = self.clock() + random.uniform(0, PAUSE_SECONDS)  # noqa: S311 -- a random phase
        elif time.time() - lane.repair.broken_at > REPAIR_SECONDS:
            raise DeadlineError(f"waited {REPAIR_SECONDS:.0f} s in vain for {lane.repair.missing()}")


def patient(part: str, document: dict[str, object]) -> dict[str, object]:
    """Lifts the handler's limits on how often it acts: ten faults in three minutes are more than it would answer."""
    if part != "handler":
        return document
    limits = {"per_remediation_and_hour": 1000, "total_per_hour": 1000}
    return {**with_playbooks(document, lambda entry: {**entry, "cooldown_seconds": 0}), "policy": limits}


def figures(repairs: Sequence[Repair]) -> dict[str, dict[str, float]]:
    """Gives p50 and max in seconds of every step, over the repairs that reached both its ends."""
    found = {}
    for name, ends in STEPS.items():
        seconds = [took for repair in repairs if (took := _between(repair, *ends)) is not None]
        if seconds:
            found[name] = {"p50": median(seconds), "max": max(seconds), "count": len(seconds)}
    return found


def _between(repair: Repair, begin: str, end: str) -> float | None:
    """Gives the seconds from one milestone to another, None when one was not reached."""
    times = {**repair.times, "broken": repair.broken_at}
    return times[end] - times[begin] if begin in times and end in times else None


def measure(wanted: int, options: Options, progress: Progress) -> list[Repair]:
    """Starts a stack, makes the faults, gives the repairs.

    Raises:
        BinaryMissingError: Prometheus or Alertmanager is not to be had.
        StackFailedError: a process does not come up or ends.
        DeadlineError: a repair does not come to its end in time.
    """
    with Stack(options, progress) as stack:
        stack.wait_ready()
        progress.step("all processes up")
        now = time.monotonic()
        lanes = [Lane(fault, now + random.uniform(0, PAUSE_SECONDS)) for fault in (DISK, MEMORY, DEAD_WORKER)]  # noqa: S311
        return Series(stack, wanted, progress).run(lanes)


def main(argv: list[str] | None = None) -> int:
    """Measures and prints; 0 when every verdict is fixed."""
    parser = argparse.ArgumentParser(prog="python -m demo.faults", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=10, help="how many faults (default: %(default)s)")
    parser.add_argument("--interval", type=float, default=5.0, help="scrape and evaluation interval in s (default: 5)")
    parser.add_argument("--json", action="store_true", help="print JSON")
    args = parser.parse_args(argv)
    options = Options(interval_seconds=args.interval, adapt=patient)
    repairs = measure(args.count, options, Progress(sys.stderr))
    found = figures(repairs)
    if args.json:
        print(json.dumps({"interval_seconds": args.interval, "faults": len(repairs), "seconds": found}, indent=2))
    else:
        rows = [[name, f"{each['p50']:.3f}", f"{each['max']:.3f}"] for name, each in found.items()]
        print(table([f"{len(repairs)} faults, interval {args.interval:g} s", "p50 (s)", "max (s)"], rows))
    return 0 if all(repair.good for repair in repairs) else 1


if __name__ == "__main__":
    sys.exit(main())
