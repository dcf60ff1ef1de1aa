"""This process as prometheus_client's ProcessCollector shows one, from kept descriptors.

The same six metrics, a tenth of the time, and without importing the library (8 MB of the 35 that we may use).
"""

import resource
from pathlib import Path

from exporter.errors import SourceMalformed, SourceUnavailable
from exporter.families import Metric
from exporter.sheets import Layout, Sheet
from exporter.sources.procfs import TICKS, KeptFile, parse_stat

PAGE_BYTES = resource.getpagesize()

VIRTUAL = Metric("process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.")
RESIDENT = Metric("process_resident_memory_bytes", "gauge", "Resident memory size in bytes.")
START = Metric("process_start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds.")
CPU = Metric("process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.")
OPEN_FDS = Metric("process_open_fds", "gauge", "Number of open file descriptors.")
MAX_FDS = Metric("process_max_fds", "gauge", "Maximum number of open file descriptors.")
METRICS = (VIRTUAL, RESIDENT, START, CPU, OPEN_FDS, MAX_FDS)

_LAYOUT = Layout((metric, [()]) for metric in METRICS)


class OwnProcess:
    """Reads the process that it runs in, from *proc_root*."""

    def __init__(self, proc_root: str = "/proc") -> None:
        self._stat = KeptFile(Path(proc_root) / "self/stat")
        self._descriptors = Path(proc_root) / "self/fd"
        machine = KeptFile(Path(proc_root) / "stat")
        self._booted = parse_stat(machine.read()).counters.get("btime", 0)
        machine.close()

    def collect(self) -> list[Sheet]:
        """The values of this moment; none on a machine without /proc.

        Raises:
            SourceMalformed: the kernel's line is not what it documents.
            SourceUnavailable: a file is there and cannot be read.
        """
        raw = self._stat.read()
        if not raw:
            return []
        fields = raw.rpartition(b")")[2].split()
        try:
            user, system, started, virtual, resident = [int(fields[index]) for index in (11, 12, 19, 20, 21)]
        except (ValueError, IndexError) as error:
            raise SourceMalformed(f"{self._stat.path}: {error}") from error
        times = (self._booted + started / TICKS, (user + system) / TICKS)
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        return [Sheet(_LAYOUT, [virtual, resident * PAGE_BYTES, *times, self._open_descriptors(), limit])]

    def _open_descriptors(self) -> int:
        """How many descriptors are open: since Linux 6.2 the size of the folder, before that its entries."""
        try:
            return self._descriptors.stat().st_size or len(list(self._descriptors.iterdir()))
        except OSError as error:
            raise SourceUnavailable(f"{self._descriptors}: {error.strerror}") from error
