"""Small files in which a collector keeps what must survive a restart, such as how far it has read a log."""

import logging
import os
from pathlib import Path

from chassis.logs import event
from exporter.collector import CollectorConfig
from exporter.errors import SourceUnavailable
from exporter.sources import regular_files

log = logging.getLogger(__name__)

#: Below the working directory, where neither the configuration nor systemd names a directory.
DEFAULT_DIRECTORY = "nightshift-exporter.state"
#: A state file is small; a larger one is not ours.
MAX_BYTES = 16 * 1024 * 1024


class KeepsState(CollectorConfig, frozen=True):
    """The configuration of a collector that keeps state.

    Attributes:
        state_directory: where; empty for `$STATE_DIRECTORY` (which systemd sets) or, where that is not set either,
            `nightshift-exporter.state` in the working directory.
    """

    state_directory: str = ""


class StateFile:
    """One file of state, replaced as a whole: a reader sees the old content or the new, never a part.

    It survives the end of the process at any instruction, not a loss of power: it is not synced, because it is
    saved at each scrape. A directory that cannot be written is told once, and the collector works on without.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._failed = False

    def load(self) -> bytes | None:
        """What was saved last; None where nothing was, or where it cannot be read (which is logged)."""
        try:
            content, _ = regular_files.read(self._path, MAX_BYTES)
        except SourceUnavailable as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                self._tell(f"kept state cannot be read, starting afresh: {error}")
            return None
        return content

    def save(self, content: bytes) -> bool:
        """Keep *content*; whether that worked."""
        fresh = self._path.with_name(f"{self._path.name}.new")
        try:
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            with open(fresh, "wb", opener=_private) as file:
                file.write(content)
            fresh.replace(self._path)
        except OSError as error:
            self._tell(f"state cannot be kept, a restart will begin afresh: {error.strerror}")
            return False
        self._failed = False
        return True

    def damaged(self, error: Exception) -> None:
        """Tell that what `load` gave cannot be understood, and that its reader works as if nothing was kept."""
        event(log, logging.WARNING, f"kept state is damaged, starting afresh: {error}", file=str(self._path))

    def _tell(self, text: str) -> None:
        if not self._failed:
            event(log, logging.WARNING, text, file=str(self._path))
        self._failed = True


def state_file(config: KeepsState, name: str) -> StateFile:
    """The file *name* (without a folder) in the state directory of *config*."""
    directory = config.state_directory or os.environ.get("STATE_DIRECTORY", "").partition(":")[0] or DEFAULT_DIRECTORY
    return StateFile(Path(directory) / name)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
