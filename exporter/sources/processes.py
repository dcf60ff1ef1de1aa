"""The processes of the machine, by name or command line, from one scan of /proc that several checks share."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from exporter.errors import SourceUnavailable

#: A scan this young (seconds) serves the next check as well.
SHARED_SECONDS = 1.0
#: Zombies and the dead are in the table, and do nothing any more.
_GONE = (b"Z", b"X", b"x")


@dataclass(frozen=True, slots=True)
class Process:
    """A living process: its number, the kernel's name for it (15 characters), its arguments joined by blanks."""

    pid: int
    name: str
    cmdline: str

    @property
    def program(self) -> str:
        """The last part of the path of its first argument, else the kernel's name."""
        return self.cmdline.partition(" ")[0].rpartition("/")[2] or self.name


class ProcessTable:
    """Scans /proc below *proc_root*; *monotonic* is the clock of the scan's age, in seconds."""

    def __init__(self, proc_root: str = "/proc", monotonic: Callable[[], float] = time.monotonic) -> None:
        self._root = Path(proc_root)
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._scanned = float("-inf")
        self._processes: list[Process] = []

    def processes(self) -> list[Process]:
        """Every living process but this one, at most `SHARED_SECONDS` old.

        Raises:
            SourceUnavailable: /proc cannot be listed.
        """
        with self._lock:
            if self._monotonic() - self._scanned >= SHARED_SECONDS:
                self._processes = list(self._scan())
                self._scanned = self._monotonic()
            return self._processes

    def alive(self, pid: int) -> bool:
        """Whether the process *pid* lives."""
        return self._read(pid) is not None

    def _scan(self) -> Iterator[Process]:
        try:
            names = [path.name for path in self._root.iterdir()]
        except OSError as error:
            raise SourceUnavailable(f"{self._root}: cannot be listed: {error.strerror}") from error
        own = os.getpid()
        for name in names:
            if name.isdecimal() and int(name) != own and (process := self._read(int(name))) is not None:
                yield process

    def _read(self, pid: int) -> Process | None:
        """The process *pid*; None if it has ended."""
        folder = self._root / str(pid)
        try:
            stat = (folder / "stat").read_bytes()
            cmdline = (folder / "cmdline").read_bytes()
        except OSError:
            return None  # it ended between the listing and the look
        name, _, rest = stat.partition(b"(")[2].rpartition(b")")
        if rest.split()[:1] and rest.split()[0] in _GONE:
            return None
        return Process(pid, os.fsdecode(name), os.fsdecode(cmdline.rstrip(b"\0").replace(b"\0", b" ")))
