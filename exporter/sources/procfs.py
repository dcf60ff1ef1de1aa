"""Files below /proc: read through kept descriptors, parsed by pure functions.

Opening a file of /proc costs more than reading it, so a file is opened once and read with pread from its start.
A file that this kernel does not have is no data, not a failure.
"""

import errno
import math
import os
import re
from pathlib import Path
from typing import NamedTuple

from exporter.errors import SourceMalformed, SourceUnavailable

#: Bytes asked for at once: enough for /proc/stat of a few hundred processors in one call.
READ_BYTES = 64 * 1024
#: Ticks a second of the times in /proc/stat.
TICKS = os.sysconf("SC_CLK_TCK")
#: /proc/diskstats counts in sectors of 512 bytes whatever the disk's own size is.
SECTOR_BYTES = 512

CPU_MODES = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")

_PRESSURE_TOTAL = re.compile(rb"^(some|full) .*total=(\d{1,20})$", re.MULTILINE)


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
            first = os.pread(self._descriptor, READ_BYTES, 0)
            return first if len(first) < READ_BYTES else self._read_on(first)
        except (FileNotFoundError, NotADirectoryError):
            return b""
        except OSError as error:
            self.close()
            if error.errno == errno.EOPNOTSUPP:  # /proc/pressure where the kernel has it switched off
                return b""
            raise SourceUnavailable(f"{self.path}: cannot be read: {error.strerror}") from error

    def _read_on(self, first: bytes) -> bytes:
        pieces = [first]
        while piece := os.pread(self._descriptor, READ_BYTES, sum(map(len, pieces))):
            pieces.append(piece)
        return b"".join(pieces)

    def close(self) -> None:
        """Give the descriptor back; the next read opens the file again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


class Stat(NamedTuple):
    """/proc/stat: seconds per processor in the order of `CPU_MODES`, and the counters below them by their names."""

    cpus: dict[str, list[float]]
    counters: dict[str, int]


def parse_stat(raw: bytes) -> Stat:
    """The content of /proc/stat.

    Raises:
        SourceMalformed: a line is not what the kernel documents.
    """
    cpus = {}
    counters = {}
    try:
        for line in raw.decode().splitlines():
            key, _, rest = line.partition(" ")
            if not key.startswith("cpu"):
                counters[key] = int(rest.partition(" ")[0])
            elif key != "cpu":
                user, nice, system, idle, iowait, irq, softirq, steal, *_ = map(int, rest.split())
                ticks = (user, nice, system, idle, iowait, irq, softirq, steal)
                cpus[key[3:]] = [tick / TICKS for tick in ticks]
    except (ValueError, OverflowError) as error:
        raise SourceMalformed(f"stat: {error}") from error
    return Stat(cpus, counters)


def parse_meminfo(raw: bytes) -> dict[str, int]:
    """The fields of /proc/meminfo that are amounts of memory, in bytes (the counts of huge pages are not).

    Raises:
        SourceMalformed: an amount is no number.
    """
    # A line is `name: number kB`, or `name: number` for a count; so what is left are pairs.
    words = raw.decode("utf-8", "replace").replace(" kB\n", "k\n").split()
    pairs = zip(words[::2], words[1::2], strict=False)
    try:
        return {name[:-1]: int(amount[:-1]) * 1024 for name, amount in pairs if amount[-1] == "k"}
    except ValueError as error:
        raise SourceMalformed(f"meminfo: {error}") from error


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
        numbers = [float(field) for field in raw.split()[:3]]
    except ValueError as error:
        raise SourceMalformed(f"{name}: {error}") from error
    if not all(map(math.isfinite, numbers)):
        raise SourceMalformed(f"{name}: {numbers} are no counts")
    return numbers


def parse_diskstats(raw: bytes, excluded: re.Pattern[str]) -> dict[str, tuple[float, ...]]:
    """The disks of /proc/diskstats whose whole name does not match *excluded*.

    By name: reads, bytes read, seconds of reading, writes, bytes written, seconds of writing, seconds in flight.

    Raises:
        SourceMalformed: a line has too few fields or other than numbers.
    """
    disks: dict[str, tuple[float, ...]] = {}
    try:
        for line in raw.decode().splitlines():
            _, _, name, *fields = line.split(None, 13)
            if not excluded.fullmatch(name):
                reads, _, read, read_ms, writes, _, written, write_ms, _, io_ms = map(int, fields[:10])
                reading = (reads, read * SECTOR_BYTES, read_ms / 1000)
                disks[name] = (*reading, writes, written * SECTOR_BYTES, write_ms / 1000, io_ms / 1000)
    except (ValueError, OverflowError) as error:
        raise SourceMalformed(f"diskstats: {error}") from error
    return disks


def parse_net_dev(raw: bytes, excluded: re.Pattern[str]) -> dict[str, list[int]]:
    """The network devices of /proc/net/dev whose whole name does not match *excluded*.

    By name: bytes, packets, errors and dropped as received, then as transmitted.

    Raises:
        SourceMalformed: a line has too few fields or other than numbers.
    """
    devices = {}
    try:
        for line in raw.decode().splitlines()[2:]:
            field, _, counters = line.rpartition(":")
            name = field.strip()
            if not excluded.fullmatch(name):
                numbers = list(map(int, counters.split()))
                if len(numbers) < 12:
                    raise SourceMalformed(f"net/dev: {len(numbers)} counters for {name}; 16 are expected")
                devices[name] = numbers[:4] + numbers[8:12]
    except ValueError as error:
        raise SourceMalformed(f"net/dev: {error}") from error
    return devices


def parse_pressure(raw: bytes) -> dict[str, float]:
    """Seconds since boot in which "some" and "full" tasks waited, from a file of /proc/pressure."""
    return {kind.decode(): int(microseconds) / 1e6 for kind, microseconds in _PRESSURE_TOTAL.findall(raw)}
