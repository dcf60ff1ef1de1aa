"""Does hostile input crash, hang or bloat the exporter? Every parser, loader and endpoint on random damage.

    python bench/fuzz.py                                        # a million cases and the big ones: some minutes
    python bench/fuzz.py --only dns_message --cases 50000       # one target; --only may be repeated
    python bench/fuzz.py --only dns_message --first 4711 --cases 1 --show   # one case again, with its input

A case is made from seed, target and number alone. The status is 1 if a function raised what its documentation does
not name, if a case took over a second, or if a target took more memory than it may.
"""

import argparse
import fnmatch
import logging
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

# The project's root must be on the path first.
from tests.fuzzing import bombs
from tests.fuzzing.machine import Result, Target, fuzz, memory, watchdog
from tests.fuzzing.targets import TARGETS

#: What a target may take beyond what there was before it: mostly what its input grows to when it is large.
MEMORY_BYTES = 96 * 1024 * 1024
HEADINGS = ("target", "cases", "failed", "cases/s", "slowest", "peak", "grown")
FORM = "{:34} {:>9} {:>6} {:>9} {:>11} {:>9} {:>9}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is asked for; 0 when nothing failed."""
    options = _parser().parse_args(arguments)
    logging.disable(logging.CRITICAL)
    chosen = [it for name, it in sorted(TARGETS.items()) if _wanted(name, options.only)]
    if not chosen:
        print(f"no such target; there are: {', '.join(sorted(TARGETS))}")
        return 2
    if options.show:
        for it in chosen:
            print(it.name, options.first, it.case(options.seed, options.first))
    began = time.monotonic()
    results = []
    with tempfile.TemporaryDirectory(prefix="nightshift-fuzz-", dir=options.folder) as name, watchdog():
        for it, cases in zip(chosen, shares(chosen, options.cases), strict=True):
            folder = Path(name) / it.name
            folder.mkdir()
            before = memory("VmRSS")
            result = fuzz(it, folder, options.seed, range(options.first, options.first + cases))
            print(_line(result), flush=True)
            _report(result)
            result.peak -= before
            results.append(result)
    bad = _summary(results, time.monotonic() - began)
    if not options.only:
        bad |= _set_off_all(options.folder)
    return 1 if bad else 0


def _set_off_all(folder: Path | None) -> bool:
    """Set off every bomb at its full size, at most 1.1 GB of disk at once; whether one did harm."""
    bad = False
    for bomb in bombs.BOMBS:
        with tempfile.TemporaryDirectory(prefix="nightshift-bomb-", dir=folder) as name:
            try:
                seconds, grown = bombs.set_off(bomb, Path(name) / "bomb", 1.0)
            except AssertionError as error:
                print(f"{bomb.__name__:34} failed: {error}")
                bad = True
                continue
        bad |= grown > bombs.MEMORY_BYTES
        print(f"{bomb.__name__:34} survived in {seconds:6.2f} s and {grown / 2**20:5.1f} MB", flush=True)
    return bad


def shares(chosen: Sequence[Target], cases: int) -> list[int]:
    """How many of all *cases* each of the targets gets; at least one."""
    whole = sum(it.share for it in chosen)
    return [max(1, -int(-cases * it.share // whole)) for it in chosen]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1, help="another one makes other cases (default: %(default)s)")
    parser.add_argument("--cases", type=int, default=1_000_000, help="of all targets together (default: %(default)s)")
    parser.add_argument("--first", type=int, default=0, help="number of a target's first case (default: %(default)s)")
    parser.add_argument("--only", action="append", default=[], help="a target; wildcards allowed (default: all)")
    parser.add_argument("--show", action="store_true", help="print the first case's input")
    parser.add_argument("--folder", type=Path, help="where files are written (default: the temporary directory)")
    return parser


def _wanted(name: str, only: Sequence[str]) -> bool:
    return not only or any(fnmatch.fnmatch(name, pattern) for pattern in only)


def _line(result: Result) -> str:
    rate = result.cases / result.seconds if result.seconds else 0.0
    failed = sum(map(len, result.failures.values()))
    slowest = f"{result.slowest * 1000:.1f} ms"
    sizes = (f"{size / 2**20:.1f} MB" for size in (result.peak, result.grown))
    return FORM.format(result.name, result.cases, failed, f"{rate:.0f}", slowest, *sizes)


def _report(result: Result) -> None:
    """Print every kind of failure with a case that shows it."""
    for what, failures in result.failures.items():
        first = min(failures, key=lambda failure: len(failure.data))
        shown = repr(first.data) if len(first.data) <= 600 else f"{first.data[:600]!r}... ({len(first.data)} bytes)"
        print(f"  {what}\n    case {first.number}: {shown}\n    {first.trace.strip()[-1500:]}", flush=True)


def _summary(results: Sequence[Result], seconds: float) -> bool:
    """Print all of it once more; whether anything was wrong."""
    print(f"\n{FORM.format(*HEADINGS)}")
    for result in results:
        print(_line(result))
    cases = sum(result.cases for result in results)
    failed = sorted(result.name for result in results if result.failures)
    large = sorted(result.name for result in results if result.peak > MEMORY_BYTES)
    print(
        f"{cases} cases of {len(results)} targets in {seconds:.0f} s; slowest {max(r.slowest for r in results):.3f} s"
    )
    print(f"failed: {', '.join(failed) or 'none'}; over {MEMORY_BYTES / 2**20:.0f} MB: {', '.join(large) or 'none'}")
    return bool(failed or large)


if __name__ == "__main__":
    sys.exit(main())
