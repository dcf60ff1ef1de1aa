"""Breaks the demo service for real: fills its log folder or its cache, kills its worker, makes it fail or slow."""

import itertools
import os
import random
import select
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from demo.vitals import MIB, Vitals

# How far a filled resource goes: past the critical thresholds (85 % of the disk, 80 % of memory), below its end.
FULL_RATIO = 0.93
# Rotated logs are as old as this and a day more each: cleaning up spares what was written just now.
OLDEST_LOG_SECONDS = 24 * 3600
FILE_BYTES = 2 * MIB
ERROR_SHARE = 0.3
SLOW_SECONDS = 1.5
# Errors and slowness end by themselves: nobody repairs them in the demo.
SPELL_SECONDS = 60.0
KILL_SECONDS = 5.0


class UnknownBreakageError(ValueError):
    """There is no such way to break the service; the text names those there are."""


@dataclass
class Breakage:
    """The ways to break one service, and what is broken now."""

    vitals: Vitals
    clock: Callable[[], float] = time.monotonic
    _errors_until: float = 0.0
    _slow_until: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def ways(self) -> Mapping[str, Callable[[], str]]:
        """Gives every way by its name; each breaks at once and says what it did."""
        return {
            "disk": self.fill_logs,
            "memory": self.fill_cache,
            "worker": self.kill_worker,
            "errors": self.raise_errors,
            "latency": self.slow_down,
        }

    def do(self, name: str) -> str:
        """Breaks in one way and says what was done.

        Raises:
            UnknownBreakageError: `name` is none of `ways`.
        """
        ways = self.ways()
        if name not in ways:
            raise UnknownBreakageError(f'no way to break "{name}"; known are {", ".join(ways)}')
        with self._lock:
            return ways[name]()

    def fill_logs(self) -> str:
        """Writes old rotated logs until the quota is nearly used up."""
        place = self.vitals.place
        wanted = int(FULL_RATIO * place.log_quota_bytes)
        missing = wanted - int(self.vitals.disk_ratio() * place.log_quota_bytes)
        count = _fill(place.logs, missing, "app.log.{:d}", _log_block())
        return f"wrote {count} rotated logs; the log folder is {self.vitals.disk_ratio():.0%} full"

    def fill_cache(self) -> str:
        """Writes cache entries until the provisioned memory is nearly used up."""
        place = self.vitals.place
        missing = int((FULL_RATIO - self.vitals.memory_ratio()) * place.memory_bytes)
        count = _fill(place.cache, missing, "entry-{:03d}.cache", random.Random(0).randbytes(64 * 1024))  # noqa: S311 -- filler
        return f"wrote {count} cache entries; memory is {self.vitals.memory_ratio():.0%} used"

    def kill_worker(self) -> str:
        """Kills the worker with SIGKILL; its pid file stays behind, as after a crash."""
        pid = self.vitals.worker_pid()
        if pid is None or b"worker.py" not in Path(f"/proc/{pid}/cmdline").read_bytes():
            return "the worker does not run"
        descriptor = os.pidfd_open(pid)
        try:
            os.kill(pid, signal.SIGKILL)
            # Readable when the process has ended: it must not be seen alive after this.
            select.select([descriptor], [], [], KILL_SECONDS)
        finally:
            os.close(descriptor)
        return f"killed worker {pid}"

    def raise_errors(self) -> str:
        """Makes a share of all requests fail for a while."""
        self._errors_until = self.clock() + SPELL_SECONDS
        return f"{ERROR_SHARE:.0%} of requests fail for {SPELL_SECONDS:.0f} s"

    def slow_down(self) -> str:
        """Makes every request slow for a while."""
        self._slow_until = self.clock() + SPELL_SECONDS
        return f"requests take {SLOW_SECONDS} s for {SPELL_SECONDS:.0f} s"

    def fails(self, draw: float) -> bool:
        """Says whether a request fails now; `draw` is its random number in 0..1."""
        return self.clock() < self._errors_until and draw < ERROR_SHARE

    def delay_seconds(self) -> float:
        """Gives how long a request waits now."""
        return SLOW_SECONDS if self.clock() < self._slow_until else 0.0


def _log_block() -> bytes:
    """Gives about 64 KiB of log lines, as compressible as real ones."""
    draw = random.Random(0)  # noqa: S311 -- filler
    line = "2026-01-01T00:00:00Z INFO checkout order={} took={}ms\n"
    return "".join(line.format(draw.randrange(10**6), draw.randrange(900)) for _ in range(1200)).encode()


def _fill(folder: Path, missing_bytes: int, name: str, block: bytes) -> int:
    """Writes files of FILE_BYTES until `missing_bytes` are written, each a day older; gives their count."""
    count = 0
    numbers = (number for number in itertools.count(1) if not (folder / name.format(number)).exists())
    while missing_bytes > 0:
        size = min(FILE_BYTES, missing_bytes)
        path = folder / name.format(next(numbers))
        repeats, rest = divmod(size, len(block))
        path.write_bytes(block * repeats + block[:rest])
        count += 1
        written = time.time() - OLDEST_LOG_SECONDS * count
        os.utime(path, (written, written))
        missing_bytes -= size
    return count
