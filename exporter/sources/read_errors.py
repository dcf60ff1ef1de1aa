"""Counts and logs files that cannot be read: each once until it can be read again."""

import logging

from chassis.logs import event

log = logging.getLogger(__name__)

#: Files that are remembered; beyond them a fault may be told again.
MAX_TOLD = 1000


class ReadErrors:
    """What one follower could not read.

    Attributes:
        count: the faults so far.
    """

    def __init__(self) -> None:
        self.count = 0
        self._told: dict[str, str] = {}

    def tell(self, path: str, error: OSError) -> None:
        """Count and log *error*, unless it is what *path* was told for last; that a file is gone is no error."""
        if isinstance(error, FileNotFoundError):
            return
        text = error.strerror or str(error)
        if self._told.get(path) == text:
            return
        if len(self._told) >= MAX_TOLD:
            self._told.clear()
        self._told[path] = text
        self.count += 1
        event(log, logging.WARNING, f"a log cannot be read, its lines are missing: {text}", file=path)

    def clear(self, path: str) -> None:
        """*path* can be read: its next fault is a new one."""
        self._told.pop(path, None)
