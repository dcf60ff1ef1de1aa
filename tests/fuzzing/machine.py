"""Runs a function on many inputs, and finds out when it raises what it may not, takes long, or keeps memory.

A target is a function that makes another one: the first prepares (files, objects), the second takes an input. What
it checks itself it says by `assert`. A case is made from seed, target and number alone, so each can be run again.
"""

import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from types import FrameType

from tests.fuzzing import inputs

#: Seconds that a case may take; beyond it is run once more, for the machine may have been busy. Then seconds of the
#: processor count, and ten times as many by the clock.
CASE_SECONDS = 1.0
#: Of a kind of failure, so many are kept.
KEPT_FAILURES = 3

Run = Callable[[bytes], object]
Prepare = Callable[[Path], Run | Iterator[Run]]


class TooLong(BaseException):
    """A case is over its time; no `except Exception` of what is tested keeps it."""


@dataclass(frozen=True)
class Target:
    """What is fuzzed.

    Attributes:
        name: what it is called.
        prepare: gives the function that takes an input, or yields it and cleans up afterwards; its argument is a folder
            of its own.
        seeds: good examples.
        allowed: the errors that the function's documentation names.
        tokens: words of its format.
        tree: whether the examples are documents whose values are to be replaced.
        share: its part of all cases; 1 is a function that takes 50 microseconds or less.
    """

    name: str
    prepare: Prepare
    seeds: Sequence[bytes]
    allowed: tuple[type[Exception], ...] = ()
    tokens: Sequence[bytes] = ()
    tree: bool = False
    share: float = 1.0

    def case(self, seed: int, number: int) -> bytes:
        """The input of a case; the first ones are the examples as they are."""
        if number < len(self.seeds):
            return self.seeds[number]
        rng = Random(f"{seed} {self.name} {number}")  # noqa: S311 -- the same cases each time
        return inputs.made(rng, self.seeds, self.tokens, tree=self.tree)


TARGETS: dict[str, Target] = {}


def target(
    seeds: Sequence[bytes],
    *allowed: type[Exception],
    tokens: Sequence[bytes] = (),
    tree: bool = False,
    share: float = 1.0,
) -> Callable[[Prepare], Prepare]:
    """Make a target of a function that prepares one; its name is the function's."""

    def add(prepare: Prepare) -> Prepare:
        name = prepare.__name__
        assert name not in TARGETS, name
        TARGETS[name] = Target(name, prepare, tuple(seeds), allowed, tokens, tree, share)
        return prepare

    return add


@dataclass(frozen=True)
class Failure:
    """A case that did what it may not: its number and input, what it raised and where, and all of the trace."""

    number: int
    data: bytes
    what: str
    trace: str = ""


@dataclass
class Result:
    """What the cases of a target came to; *peak* and *grown* are bytes of the process."""

    name: str
    cases: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    slowest_number: int = 0
    peak: int = 0
    grown: int = 0
    failures: dict[str, list[Failure]] = field(default_factory=dict)

    def add(self, failure: Failure) -> None:
        """Note a failure; of each kind, a few are kept."""
        same = self.failures.setdefault(failure.what, [])
        if len(same) < KEPT_FAILURES:
            same.append(failure)


def fuzz(it: Target, folder: Path, seed: int, numbers: Sequence[int]) -> Result:
    """Run the cases *numbers* of a target."""
    result = Result(it.name)
    with _prepared(it, folder) as run:
        _forget_peak()
        _run_all(it, run, seed, numbers, result)
    return result


@contextmanager
def _prepared(it: Target, folder: Path) -> Iterator[Run]:
    prepared = it.prepare(folder)
    if not isinstance(prepared, Iterator):
        yield prepared
        return
    yield next(prepared)
    assert next(prepared, None) is None


def _run_all(it: Target, run: Run, seed: int, numbers: Sequence[int], result: Result) -> None:
    warm = 0
    for count, number in enumerate(numbers):
        data = it.case(seed, number)
        began = time.perf_counter()
        failure = attempt(it, run, number, data)
        seconds = time.perf_counter() - began
        if failure is not None and failure.what.startswith("over "):
            failure = attempt(it, run, number, data, _again)
        if failure is not None:
            result.add(failure)
        if seconds > result.slowest:
            result.slowest, result.slowest_number = seconds, number
        result.seconds += seconds
        if count == len(numbers) // 5:
            warm = memory("VmRSS")
    result.cases = len(numbers)
    result.peak, result.grown = memory("VmHWM"), memory("VmRSS") - warm


def attempt(
    it: Target, run: Run, number: int, data: bytes, limit: Callable[[], AbstractContextManager[None]] | None = None
) -> Failure | None:
    """Run one case within the *limit*; what it did wrong."""
    try:
        with limit() if limit else _limited():
            run(data)
    except it.allowed:
        return None
    except TooLong:
        return Failure(number, data, f"over {CASE_SECONDS:g} s in {_place()}", traceback.format_exc())
    except Exception as error:  # noqa: BLE001 -- any other error is what is looked for
        return Failure(number, data, f"{type(error).__name__} in {_place()}", traceback.format_exc())
    return None


@contextmanager
def watchdog() -> Iterator[None]:
    """Within, a case that takes too long is ended."""

    def ring(_number: int, _frame: FrameType | None) -> None:
        raise TooLong

    before = {number: signal.signal(number, ring) for number in (signal.SIGALRM, signal.SIGPROF)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextmanager
def _again() -> Iterator[None]:
    """The limit of the second time."""
    signal.setitimer(signal.ITIMER_PROF, CASE_SECONDS)
    signal.setitimer(signal.ITIMER_REAL, 10 * CASE_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.setitimer(signal.ITIMER_REAL, 0)


class _limited:  # noqa: N801 -- a context manager; as a generator it would cost as much as many a case
    def __enter__(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, CASE_SECONDS)

    def __exit__(self, *_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)


def _place() -> str:
    """File and line where the error in hand was raised."""
    frames = traceback.extract_tb(sys.exc_info()[2])
    own = [frame for frame in frames if "/exporter/" in frame.filename or "/chassis/" in frame.filename]
    last = (own or frames)[-1]
    return f"{Path(last.filename).parent.name}/{Path(last.filename).name}:{last.lineno}"


def memory(name: str) -> int:
    """Bytes of this process: `VmRSS` now, `VmHWM` at the most."""
    for line in Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    return 0


def _forget_peak() -> None:
    """Let `VmHWM` begin anew, where the kernel allows it."""
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return
