"""The machine's resources: processors, memory, file systems, disks, network, load, pressure, file handles.

Everything is read at the scrape, through kept descriptors; only the mount table is kept for ten seconds. A host
that runs node_exporter as well switches this collector off (`resources: {enabled: false}`).
"""

import os
import re
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import ClassVar

from exporter.collector import CollectorConfig, collector
from exporter.errors import SourceUnavailable
from exporter.families import Family, Metric
from exporter.sheets import Layout, Part, Rows, Sheet, Sheets
from exporter.sources import mounts, procfs
from exporter.sources.mounts import Mount

MOUNT_TABLE_SECONDS = 10.0

#: Matches no name at all: what an empty exclusion means.
_NOTHING = r"(?!)"

CPU_SECONDS = Metric(
    "nightshift_cpu_seconds_total", "counter", "Seconds each processor spent in each mode.", ["cpu", "mode"]
)
CPU_COUNT = Metric("nightshift_cpus", "gauge", "Number of processors online.")
LOAD = (
    Metric("nightshift_load1", "gauge", "Load average over 1 minute."),
    Metric("nightshift_load5", "gauge", "Load average over 5 minutes."),
    Metric("nightshift_load15", "gauge", "Load average over 15 minutes."),
)
MEMORY_TOTAL = Metric("nightshift_memory_total_bytes", "gauge", "Memory of the machine in bytes.")
MEMORY_AVAILABLE = Metric("nightshift_memory_available_bytes", "gauge", "Memory that new work could have, in bytes.")
MEMORY_USED = Metric("nightshift_memory_used_ratio", "gauge", "(total - available) / total memory, 0 to 1.")
MEMINFO = Metric("nightshift_meminfo_bytes", "gauge", "Fields of /proc/meminfo in bytes.", ["field"])

_MOUNT = ("device", "fstype", "mountpoint")
FS_SIZE = Metric("nightshift_filesystem_size_bytes", "gauge", "Size of the file system in bytes.", _MOUNT)
FS_FREE = Metric("nightshift_filesystem_free_bytes", "gauge", "Free space in bytes, root's reserve included.", _MOUNT)
FS_AVAIL = Metric("nightshift_filesystem_avail_bytes", "gauge", "Space for users other than root in bytes.", _MOUNT)
FS_USED = Metric("nightshift_filesystem_used_ratio", "gauge", "1 - available / size, 0 to 1.", _MOUNT)
FS_INODES = Metric("nightshift_filesystem_inodes", "gauge", "Inodes of the file system.", _MOUNT)
FS_INODES_FREE = Metric("nightshift_filesystem_inodes_free", "gauge", "Free inodes.", _MOUNT)
FS_INODES_USED = Metric("nightshift_filesystem_inodes_used_ratio", "gauge", "1 - free / all inodes, 0 to 1.", _MOUNT)
FS_READONLY = Metric("nightshift_filesystem_readonly", "gauge", "1 if mounted read-only, else 0.", _MOUNT)
FILESYSTEM = (FS_SIZE, FS_FREE, FS_AVAIL, FS_USED, FS_INODES, FS_INODES_FREE, FS_INODES_USED, FS_READONLY)

HANDLES_ALLOCATED = Metric("nightshift_file_handles_allocated", "gauge", "File handles in use.")
HANDLES_MAX = Metric("nightshift_file_handles_max", "gauge", "Limit of file handles.")
HANDLES_USED = Metric("nightshift_file_handles_used_ratio", "gauge", "File handles in use / limit, 0 to 1.")

_DEVICE = ("device",)
DISK = (
    Metric("nightshift_disk_reads_completed_total", "counter", "Reads completed.", _DEVICE),
    Metric("nightshift_disk_read_bytes_total", "counter", "Bytes read.", _DEVICE),
    Metric("nightshift_disk_read_time_seconds_total", "counter", "Seconds spent by all reads.", _DEVICE),
    Metric("nightshift_disk_writes_completed_total", "counter", "Writes completed.", _DEVICE),
    Metric("nightshift_disk_written_bytes_total", "counter", "Bytes written.", _DEVICE),
    Metric("nightshift_disk_write_time_seconds_total", "counter", "Seconds spent by all writes.", _DEVICE),
    Metric("nightshift_disk_io_time_seconds_total", "counter", "Seconds with an operation in flight.", _DEVICE),
)
RECEIVED = (
    Metric("nightshift_network_receive_bytes_total", "counter", "Bytes received.", _DEVICE),
    Metric("nightshift_network_receive_packets_total", "counter", "Packets received.", _DEVICE),
    Metric("nightshift_network_receive_errors_total", "counter", "Receive errors.", _DEVICE),
    Metric("nightshift_network_receive_dropped_total", "counter", "Received packets dropped.", _DEVICE),
)
TRANSMITTED = (
    Metric("nightshift_network_transmit_bytes_total", "counter", "Bytes sent.", _DEVICE),
    Metric("nightshift_network_transmit_packets_total", "counter", "Packets sent.", _DEVICE),
    Metric("nightshift_network_transmit_errors_total", "counter", "Send errors.", _DEVICE),
    Metric("nightshift_network_transmit_dropped_total", "counter", "Packets dropped before sending.", _DEVICE),
)
WAITING = Metric(
    "nightshift_pressure_waiting_seconds_total",
    "counter",
    "Seconds in which at least one task waited for the resource (PSI some).",
    ["resource"],
)
STALLED = Metric(
    "nightshift_pressure_stalled_seconds_total",
    "counter",
    "Seconds in which all tasks waited for the resource (PSI full).",
    ["resource"],
)
#: By the words that the kernel has for them.
PRESSURE = {"some": WAITING, "full": STALLED}
#: The counters of /proc/stat below the processors.
KERNEL = {
    "ctxt": Metric("nightshift_context_switches_total", "counter", "Context switches."),
    "processes": Metric("nightshift_forks_total", "counter", "Processes and threads created."),
    "intr": Metric("nightshift_interrupts_total", "counter", "Interrupts serviced."),
    "procs_running": Metric("nightshift_processes_running", "gauge", "Tasks that run or could run."),
    "procs_blocked": Metric("nightshift_processes_blocked", "gauge", "Tasks that wait for I/O."),
    "btime": Metric("nightshift_boot_time_seconds", "gauge", "Unix time in seconds at which the machine booted."),
}


class Config(CollectorConfig, frozen=True):
    """Where to look and what to leave out.

    Attributes:
        proc_root: the machine's /proc ("/host/proc" in a container).
        filesystem_root: the folder below which the machine's mounts are seen.
        exclude_filesystem_types: types whose space is not asked for; networks and pseudo file systems by default.
        exclude_mountpoints: mountpoints that match this regex (at their start) are left out.
        exclude_disks: devices of /proc/diskstats that match this regex (whole) are left out: partitions by default.
        exclude_network_devices: devices that match this regex (whole) are left out.
    """

    proc_root: str = "/proc"
    filesystem_root: str = "/"
    exclude_filesystem_types: tuple[str, ...] = mounts.NETWORK_TYPES + mounts.PSEUDO_TYPES
    exclude_mountpoints: str = (
        r"/(dev|proc|run|sys|snap|var/lib/(docker|containers|kubelet)/.+|etc/(hosts|hostname|resolv\.conf))($|/)"
    )
    exclude_disks: str = r"(z?ram|loop|fd)\d+|([hsv]|xv)d[a-z]+\d+|(nvme\d+n\d+|mmcblk\d+)p\d+"
    exclude_network_devices: str = r"veth.*|ifb\d+"

    def __post_init__(self) -> None:
        for name in ("exclude_mountpoints", "exclude_disks", "exclude_network_devices"):
            _compile(name, getattr(self, name))


def _compile(name: str, pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{name} is no regular expression: {error}") from error


@collector("resources")
class Resources:
    """Reads the machine; *statvfs* and *monotonic* (seconds) are the system's unless a test says otherwise."""

    config: ClassVar[type[CollectorConfig]] = Config
    metrics: ClassVar[tuple[Metric, ...]] = (
        CPU_SECONDS,
        CPU_COUNT,
        *LOAD,
        MEMORY_TOTAL,
        MEMORY_AVAILABLE,
        MEMORY_USED,
        MEMINFO,
        *FILESYSTEM,
        HANDLES_ALLOCATED,
        HANDLES_MAX,
        HANDLES_USED,
        *DISK,
        *RECEIVED,
        *TRANSMITTED,
        *PRESSURE.values(),
        *KERNEL.values(),
    )

    def __init__(
        self,
        config: Config,
        *,
        statvfs: Callable[[str], os.statvfs_result] = os.statvfs,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        proc = Path(config.proc_root)
        self._files = {name: procfs.KeptFile(proc / name) for name in _FILES}
        self._types = frozenset(config.exclude_filesystem_types)
        self._mountpoints = re.compile(config.exclude_mountpoints or _NOTHING)
        self._disks = re.compile(config.exclude_disks or _NOTHING)
        self._devices = re.compile(config.exclude_network_devices or _NOTHING)
        self._space = mounts.Space(config.filesystem_root, statvfs)
        self._monotonic = monotonic
        self._stat = Sheets(stat_rows)
        self._meminfo = Sheets(lambda fields: [(MEMINFO, zip(fields))])
        self._diskstats = Sheets(lambda disks: [(metric, zip(disks)) for metric in DISK])
        self._net_dev = Sheets(lambda devices: [(metric, zip(devices)) for metric in (*RECEIVED, *TRANSMITTED)])
        self._pressure = Sheets(pressure_rows)
        self._mounts: list[Mount] = []
        self._may_wait = True
        self._mounts_read = float("-inf")

    def collect(self) -> list[Part]:
        """The machine as it is now; a file that this kernel does not have leaves its families out.

        Raises:
            CollectorError: a file cannot be read or understood.
        """
        mounted = self._mounted()
        meminfo = procfs.parse_meminfo(self._read("meminfo"))
        return [
            self._stat.sheet(*stat_values(self._read("stat"))),
            *memory_parts(meminfo),
            self._meminfo.sheet(list(meminfo), list(meminfo.values())),
            *load_parts(self._read("loadavg")),
            *handle_parts(self._read("sys/fs/file-nr")),
            self._diskstats.sheet(*_columns(procfs.parse_diskstats(self._read("diskstats"), self._disks))),
            self._net_dev.sheet(*_columns(procfs.parse_net_dev(self._read("net/dev"), self._devices))),
            self._pressure.sheet(*pressure_values({name: self._read(f"pressure/{name}") for name in _PRESSURES})),
            *filesystem_families(mounted, self._space.ask(mounted)),
        ]

    def waits(self) -> bool:
        """Whether a mount could block `collect`; all else is read from the kernel's memory."""
        self._mounted()
        return self._may_wait

    def leave_out(self) -> bool:
        """Leave out the mount that blocks `collect`; False when none does."""
        return self._space.leave_out()

    def close(self) -> None:
        """Give back the descriptors."""
        for file in self._files.values():
            file.close()

    def _read(self, name: str) -> bytes:
        return self._files[name].read()

    def _mounted(self) -> list[Mount]:
        """The mounts to ask, from a table that is read again every `MOUNT_TABLE_SECONDS`."""
        now = self._monotonic()
        if now - self._mounts_read >= MOUNT_TABLE_SECONDS:
            mounted = mounts.parse(self._mount_table())
            self._mounts = [mount for mount in mounted if self._wanted(mount)]
            self._may_wait = mounts.may_wait(self._mounts, mounted)
            self._mounts_read = now
        return self._mounts

    def _mount_table(self) -> bytes:
        """That of process 1, the host's own where /proc is another machine's view; ours where it is forbidden."""
        with suppress(SourceUnavailable):
            if table := self._read("1/mounts"):
                return table
        return self._read("self/mounts")

    def _wanted(self, mount: Mount) -> bool:
        return mount.fstype not in self._types and not self._mountpoints.match(mount.mountpoint)


_PRESSURES = ("cpu", "memory", "io")
_FILES = (
    "stat",
    "meminfo",
    "loadavg",
    "sys/fs/file-nr",
    "diskstats",
    "net/dev",
    "1/mounts",
    "self/mounts",
    *(f"pressure/{name}" for name in _PRESSURES),
)


def stat_rows(names: Sequence[str]) -> Rows:
    """The series of /proc/stat, for the names that `stat_values` gives."""
    cpus = [name for name in names if name not in KERNEL]
    yield CPU_SECONDS, [(cpu, mode) for cpu in cpus for mode in procfs.CPU_MODES]
    yield CPU_COUNT, [()] if cpus else []
    yield from ((KERNEL[name], [()]) for name in names if name in KERNEL)


def stat_values(raw: bytes) -> tuple[list[str], list[float]]:
    """The processors and kernel counters of /proc/stat: their names, then their values."""
    cpus, counters = procfs.parse_stat(raw)
    names = [*cpus, *(name for name in KERNEL if name in counters)]
    seconds = [value for times in cpus.values() for value in times]
    count = [len(cpus)] if cpus else []
    return names, [*seconds, *count, *(counters[name] for name in names if name in KERNEL)]


def memory_parts(fields: dict[str, int]) -> list[Sheet]:
    """What the fields of /proc/meminfo come to."""
    available, used = procfs.available_bytes(fields), procfs.used_memory_ratio(fields)
    if available is None or used is None:
        return []
    return [Sheet(_MEMORY_LAYOUT, [fields["MemTotal"], available, used])]


def load_parts(raw: bytes) -> list[Sheet]:
    """Load averages from /proc/loadavg."""
    numbers = procfs.parse_numbers(raw, "loadavg")
    return [Sheet(_LOAD_LAYOUT, numbers)] if len(numbers) == 3 else []


def handle_parts(raw: bytes) -> list[Sheet]:
    """File handles from /proc/sys/fs/file-nr."""
    numbers = procfs.parse_numbers(raw, "file-nr")
    if len(numbers) < 3:
        return []
    allocated, _, limit = numbers
    return [Sheet(_HANDLES_LAYOUT, [int(allocated), int(limit), allocated / limit if limit else 0.0])]


def _columns(rows: Mapping[str, Sequence[float]]) -> tuple[list[str], list[float]]:
    """The names of *rows*, and their values column by column."""
    return list(rows), [value for column in zip(*rows.values(), strict=True) for value in column]


_MEMORY_LAYOUT = Layout((metric, [()]) for metric in (MEMORY_TOTAL, MEMORY_AVAILABLE, MEMORY_USED))
_LOAD_LAYOUT = Layout((metric, [()]) for metric in LOAD)
_HANDLES_LAYOUT = Layout((metric, [()]) for metric in (HANDLES_ALLOCATED, HANDLES_MAX, HANDLES_USED))


def pressure_values(raw: dict[str, bytes]) -> tuple[list[str], list[float]]:
    """Pressure stall information from the files of /proc/pressure: kind and resource, then seconds."""
    totals = {name: procfs.parse_pressure(text) for name, text in raw.items()}
    found = {f"{kind} {name}": totals[name][kind] for kind in PRESSURE for name in raw if kind in totals[name]}
    return list(found), list(found.values())


def pressure_rows(names: Sequence[str]) -> Rows:
    """The series of /proc/pressure, for the names that `pressure_values` gives."""
    for kind, metric in PRESSURE.items():
        yield metric, [(name.partition(" ")[2],) for name in names if name.startswith(kind)]


def filesystem_families(mounted: Sequence[Mount], found: dict[str, os.statvfs_result]) -> Sequence[Family]:
    """Space, inodes and state of the mounts that answered."""
    families = {metric: Family(metric) for metric in FILESYSTEM}
    for mount in mounted:
        answer = found.get(mount.mountpoint)
        if answer is None or not answer.f_blocks:
            continue
        labels = (mount.device, mount.fstype, mount.mountpoint)
        for metric, value in _space(mount, answer).items():
            families[metric].add(value, *labels)
    return list(families.values())


def _space(mount: Mount, answer: os.statvfs_result) -> dict[Metric, float]:
    values: dict[Metric, float] = {
        FS_SIZE: answer.f_blocks * answer.f_frsize,
        FS_FREE: answer.f_bfree * answer.f_frsize,
        FS_AVAIL: answer.f_bavail * answer.f_frsize,
        FS_USED: 1 - answer.f_bavail / answer.f_blocks,
        FS_READONLY: mount.readonly,
    }
    if answer.f_files:
        values[FS_INODES] = answer.f_files
        values[FS_INODES_FREE] = answer.f_ffree
        values[FS_INODES_USED] = 1 - answer.f_ffree / answer.f_files
    return values
