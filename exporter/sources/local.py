"""Readings of the machine that the exporter itself runs on, for when a service does not tell its own."""

import os
import time
from collections.abc import Callable
from pathlib import Path

from exporter.errors import SourceUnavailable
from exporter.sources.health_report import Readings
from exporter.sources.procfs import CPU_MODES, KeptFile, parse_meminfo, parse_stat, used_memory_ratio

_IDLE = (CPU_MODES.index("idle"), CPU_MODES.index("iowait"))


class LocalReadings:
    """Memory and processors from /proc below *proc_root*, disk from the file system that holds *path*."""

    def __init__(
        self,
        path: str,
        proc_root: str = "/proc",
        statvfs: Callable[[str], os.statvfs_result] = os.statvfs,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._statvfs = statvfs
        self._monotonic = monotonic
        self._meminfo = KeptFile(Path(proc_root) / "meminfo")
        self._stat = KeptFile(Path(proc_root) / "stat")
        self._before = (0.0, 0.0)

    def read(self) -> Readings:
        """The readings of now; cpu is the share of busy time since the call before.

        Raises:
            SourceUnavailable: memory or disk cannot be read.
        """
        memory = used_memory_ratio(parse_meminfo(self._meminfo.read()))
        if memory is None:
            raise SourceUnavailable(f"{self._meminfo.path}: no MemTotal")
        try:
            space = self._statvfs(self._path)
        except OSError as error:
            raise SourceUnavailable(f"{self._path}: {error.strerror}") from error
        disk = 1 - space.f_bavail / space.f_blocks if space.f_blocks else 0.0
        return Readings(memory, disk, self._cpu())

    def _cpu(self) -> float | None:
        """Busy time / all time of all processors since the call before; None without two readings."""
        processors = list(parse_stat(self._stat.read()).cpus.values())
        total = sum(map(sum, processors))
        busy = total - sum(times[index] for times in processors for index in _IDLE if index < len(times))
        busy_before, total_before = self._before
        self._before = (busy, total)
        elapsed = total - total_before
        return min(1.0, max(0.0, (busy - busy_before) / elapsed)) if elapsed > 0 and total_before else None

    def close(self) -> None:
        """Give back the descriptors."""
        self._meminfo.close()
        self._stat.close()
