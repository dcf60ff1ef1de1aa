"""What the demo service says of itself: how full its log quota and its memory are, whether its worker lives."""

import os
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

MIB = 1024 * 1024
# From this ratio on the service calls itself warning, degraded, critical.
LEVELS: tuple[tuple[float, str], ...] = ((0.9, "critical"), (0.8, "degraded"), (0.75, "warning"))


@dataclass(frozen=True)
class Place:
    """The folders and the pid file of one demo service, and the room that it was given.

    Args:
        logs: the log folder; its bytes count against `log_quota_bytes`.
        cache: the cache folder; its bytes count as the service's memory (on a tmpfs they are memory).
        pid_file: where the worker writes its process id.
        log_quota_bytes: room for logs.
        memory_bytes: provisioned memory, for the process and its cache together.
    """

    logs: Path
    cache: Path
    pid_file: Path
    log_quota_bytes: int = 32 * MIB
    memory_bytes: int = 64 * MIB

    @property
    def access_log(self) -> Path:
        """The access log: combined format with the request time in seconds at the end."""
        return self.logs / "access.log"


@dataclass
class Vitals:
    """Readings of one service. Ratios are 0..1 and may pass 1 when a quota is overdrawn."""

    place: Place
    _cpu: tuple[float, float] = field(default_factory=lambda: (time.monotonic(), time.process_time()))

    def disk_ratio(self) -> float:
        """Bytes in the log folder / quota."""
        return folder_bytes(self.place.logs) / self.place.log_quota_bytes

    def memory_ratio(self) -> float:
        """(Resident bytes of the process + bytes in the cache) / provisioned memory."""
        return (resident_bytes() + folder_bytes(self.place.cache)) / self.place.memory_bytes

    def cpu_ratio(self) -> float:
        """Share of one core used since the last call."""
        wall, cpu = time.monotonic(), time.process_time()
        before_wall, before_cpu = self._cpu
        self._cpu = (wall, cpu)
        return (cpu - before_cpu) / max(wall - before_wall, 1e-3)

    def worker_pid(self) -> int | None:
        """Process id of the living worker, or None."""
        return living_pid(self.place.pid_file)

    def resources(self) -> Mapping[str, object]:
        """The document of /health/resources; percents are 0..100."""
        return {
            "timestamp": time.time(),
            "memory_percent": _percent(self.memory_ratio()),
            "disk_percent": _percent(self.disk_ratio()),
            "cpu_percent": _percent(self.cpu_ratio()),
            "memory_total_bytes": self.place.memory_bytes,
            "disk_total_bytes": self.place.log_quota_bytes,
        }

    def system(self) -> Mapping[str, object]:
        """The document of /health/system: one status and the checks behind it."""
        worst = max(self.memory_ratio(), self.disk_ratio())
        worker = self.worker_pid()
        status = status_of(worst, worker_up=worker is not None)
        return {"timestamp": time.time(), "status": status, "checks": {"worker": "up" if worker else "down"}}


def status_of(worst_ratio: float, *, worker_up: bool) -> str:
    """Gives healthy, warning, degraded or critical for the fullest resource and the worker's state."""
    for level, status in LEVELS:
        if worst_ratio >= level:
            return status
    return "healthy" if worker_up else "degraded"


def folder_bytes(folder: Path) -> int:
    """Sums the sizes of the regular files below a folder; files that vanish meanwhile count as gone."""
    total = 0
    for parent, _folders, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(parent, name)).st_size  # noqa: PTH118 -- hot: every health request
            except FileNotFoundError:
                continue
    return total


def resident_bytes(pid: int | None = None) -> int:
    """Gives the resident memory of a process (None: this one); 0 when it is gone."""
    try:
        text = Path(f"/proc/{pid or 'self'}/statm").read_text(encoding="ascii")
    except OSError:
        return 0
    return int(text.split()[1]) * os.sysconf("SC_PAGE_SIZE")


def living_pid(pid_file: Path) -> int | None:
    """Gives the process id in a pid file when that process runs and is no zombie, else None."""
    try:
        pid = int(pid_file.read_text(encoding="ascii"))
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return None
    state = stat.rpartition(")")[2].split()[0]
    return None if state in "ZX" else pid


def _percent(ratio: float) -> float:
    """Gives 0..100; an overdrawn quota is full, not fuller."""
    return round(min(ratio, 1.0) * 100, 2)
