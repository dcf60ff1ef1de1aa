"""Something made from files that is made again when one of them changes, so a new certificate needs no restart."""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Generic, TypeVar

from chassis.logs import event

log = logging.getLogger(__name__)

Value = TypeVar("Value")
#: The files are looked at no more often than this (seconds).
INTERVAL_SECONDS = 1.0

Signature = tuple[tuple[int, int, int] | None, ...]


class Watched(Generic[Value]):
    """What *make* gives: a value and the files that it was made from. *monotonic* is a clock in seconds.

    Raises:
        Exception: whatever *make* raises the first time; later the old value stays and the reason is logged.
    """

    def __init__(
        self,
        make: Callable[[], tuple[Value, Iterable[Path]]],
        expected: tuple[type[Exception], ...],
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._make = make
        self._expected = expected
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._looked = monotonic()
        value, paths = make()
        self._value = value
        self._paths = tuple(paths)
        self._seen = signature(self._paths)
        self._problem = ""

    def __call__(self) -> Value:
        """The value, fresh as of `INTERVAL_SECONDS` ago."""
        now = self._monotonic()
        if now - self._looked >= INTERVAL_SECONDS:
            with self._lock:
                if now - self._looked >= INTERVAL_SECONDS:
                    self._look(now)
        return self._value

    def _look(self, now: float) -> None:
        self._looked = now
        seen = signature(self._paths)
        # What failed is tried again: the remedy may be another file, or a right that no signature shows.
        if seen == self._seen and not self._problem:
            return
        self._seen = seen
        try:
            self._value, found = self._make()
        except self._expected as error:
            self._complain(str(error))
            return
        self._problem = ""
        paths = tuple(found)
        if paths != self._paths:
            self._paths, self._seen = paths, signature(paths)
        event(log, logging.INFO, "changed file is in use", file=str(self._paths[0]))

    def _complain(self, problem: str) -> None:
        """Tell why a changed file is not used, once for each reason."""
        if problem != self._problem:
            event(log, logging.ERROR, f"changed file cannot be used, the old one stays in use: {problem}")
        self._problem = problem


def signature(paths: Iterable[Path]) -> Signature:
    """What tells whether files have changed: inode, size and time of each; None for one that is not there."""
    return tuple(_stat(path) for path in paths)


def _stat(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns
