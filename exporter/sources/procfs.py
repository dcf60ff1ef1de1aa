"""Files below /proc: read through kept descriptors, parsed by pure functions.

Opening a file of /proc costs more than reading it, so a file is opened once and read with pread from its start.
A file that this kernel does not have is no data, not a failure.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from exporter.errors import SourceMalformed, SourceUnavailable

#: Bytes asked for at once: enough for /proc/stat of a few hundred processors in one call.
READ_BYTES = 64 * 1024
#: Ticks a second of the times in /proc/stat.
TICKS = os.sysconf("SC_CLK_TCK")
#: /proc/diskstats counts in sectors of 512 bytes whatever the disk's own size is.
SECTOR_BYTES = 512

CPU_MODES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")

_MEMINFO_LINE = re.compile(r"([^:\n]++): *+(\d++) kB\n")
_PRESSURE_TOTAL = re.compile(rb"^(some|full) .*total=(\d+)$", re.MULTILINE)


class KeptFile:
    """A kernel file that is opened at the first read and then kept open."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = -1

    def read(self) -> bytes:
        """The whole file as it is now; empty where this kernel does not have it.

        Raises:
            SourceUnavailable: it is there and cannot be read.
        """
        try:
            if self._descriptor < 0:
                self._descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
            return self._read_all()
        except (FileNotFoundError, NotADirectoryError):
            return b""
        except OSError as error:
            self.close()
            raise SourceUnavailable(f"{self.path}: cannot be read: {error.strerror}") from error

    def _read_all(self) -> bytes:
        first = os.pread(self._descriptor, READ_BYTES, 0)
        if len(first) < READ_BYTES:
            return first
        pieces = [first]
        while piece := os.pread(self._descriptor, READ_BYTES, sum(map(len, pieces))):
            pieces.append(piece)
        return b"".join(pieces)

    def close(self) -> None:
        """Give the descriptor back; the next read opens the file again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


@dataclass(frozen=True, slots=True)
class Stat:
    """/proc/stat: seconds per processor in the order of `CPU_MODES`, and the counters below them by their names."""

    cpus: dict[str, list[float]]
    counters: dict[bytes, int]


def parse_stat(raw: bytes) -> Stat:
    """The content of /proc/stat.

    Raises:
        SourceMalformed: a line is not what the kernel documents.
    """
    cpus = {}
    counters = {}
    try:
        for line in raw.splitlines():
            key, *fields = line.split(maxsplit=11) if line.startswith(b"cpu") else line.split(maxsplit=2)
            if not key.startswith(b"cpu"):
                counters[key] = int(fields[0])
            elif key != b"cpu":
                cpus[key[3:].decode()] = [int(field) / TICKS for field in fields[: len(CPU_MODES)]]
    except (ValueError, IndexError) as error:
        raise SourceMalformed(f"stat: {error}") from error
    return Stat(cpus, counters)


def parse_meminfo(raw: bytes) -> dict[str, int]:
    """The fields of /proc/meminfo that are amounts of memory, in bytes (the counts of huge pages are not)."""
    return {name: int(kib) * 1024 for name, kib in _MEMINFO_LINE.findall(raw.decode("ascii", "replace"))}


def available_bytes(meminfo: dict[str, int]) -> int | None:
    """Memory that new work could have; estimated for kernels before 3.14; None where nothing tells."""
    if "MemAvailable" in meminfo:
        return meminfo["MemAvailable"]
    if "MemFree" not in meminfo:
        return None
    return sum(meminfo.get(name, 0) for name in ("MemFree", "Buffers", "Cached"))


def used_memory_ratio(meminfo: dict[str, int]) -> float | None:
    """(total - available) / total, 0..1; None where the fields are missing."""
    total, available = meminfo.get("MemTotal", 0), available_bytes(meminfo)
    if not total or available is None:
        return None
    return min(1.0, max(0.0, (total - available) / total))


def parse_numbers(raw: bytes, name: str) -> list[float]:
    """The numbers that a one-line file begins with (/proc/loadavg, /proc/sys/fs/file-nr).

    Raises:
        SourceMalformed: it begins with something else; *name* opens the message.
    """
    try:
        return [float(field) for field in raw.split()[:3]]
    except ValueError as error:
        raise SourceMalformed(f"{name}: {error}") from error


@dataclass(frozen=True, slots=True)
class Disk:
    """One line of /proc/diskstats: counts since boot, bytes, seconds."""

    device: str
    reads: int
    read_bytes: int
    read_seconds: float
    writes: int
    written_bytes: int
    write_seconds: float
    io_seconds: float


def parse_diskstats(raw: bytes, excluded: re.Pattern[str]) -> Iterator[Disk]:
    """The disks and partitions of /proc/diskstats whose whole name does not match *excluded*.

    Raises:
        SourceMalformed: a line has too few fields or other than numbers.
    """
    try:
        for line in raw.splitlines():
            fields = line.split()
            device = os.fsdecode(fields[2])
            if excluded.fullmatch(device):
                continue
            reads, _, read, read_ms, writes, _, written, write_ms, _, io_ms = map(int, fields[3:13])
            yield Disk(
                device,
                reads,
                read * SECTOR_BYTES,
                read_ms / 1000,
                writes,
                written * SECTOR_BYTES,
                write_ms / 1000,
                io_ms / 1000,
            )
    except (ValueError, IndexError) as error:
        raise SourceMalformed(f"diskstats: {error}") from error


@dataclass(frozen=True, slots=True)
class Device:
    """One line of /proc/net/dev: (bytes, packets, errors, dropped) in each direction."""

    name: str
    received: list[int]
    transmitted: list[int]


def parse_net_dev(raw: bytes, excluded: re.Pattern[str]) -> Iterator[Device]:
    """The network devices of /proc/net/dev whose whole name does not match *excluded*.

    Raises:
        SourceMalformed: a line has too few fields or other than numbers.
    """
    try:
        for line in raw.splitlines()[2:]:
            field, _, counters = line.rpartition(b":")
            name = os.fsdecode(field.strip())
            if excluded.fullmatch(name):
                continue
            numbers = [int(field) for field in counters.split()]
            if len(numbers) < 12:
                raise SourceMalformed(f"net/dev: {len(numbers)} counters for {name}; 16 are expected")
            yield Device(name, numbers[:4], numbers[8:12])
    except ValueError as error:
        raise SourceMalformed(f"net/dev: {error}") from error


def parse_pressure(raw: bytes) -> dict[str, float]:
    """Seconds since boot in which "some" and "full" tasks waited, from a file of /proc/pressure."""
    return {kind.decode(): int(microseconds) / 1e6 for kind, microseconds in _PRESSURE_TOTAL.findall(raw)}
