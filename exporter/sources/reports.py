"""Reports that other tools write into files: found by pattern, read in the background, again only when changed."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from chassis.logs import event
from exporter.errors import SourceMalformed, SourceUnavailable
from exporter.sources import regular_files
from exporter.sources.regular_files import Stamp

log = logging.getLogger(__name__)

Value = TypeVar("Value")

#: A report of more files is none.
MAX_FILES = 5000


@dataclass(frozen=True, slots=True)
class Reading(Generic[Value]):
    """What a report said: one value per file; none where there is no file or a *problem* with one of them.

    Attributes:
        modified_seconds: Unix time of the newest file.
    """

    values: tuple[Value, ...] = ()
    modified_seconds: float = 0.0
    problem: str = ""


class Report(Generic[Value]):
    """The report *name*: the files that *pattern* matches, each read by *read*; *wall* is a clock in seconds."""

    def __init__(
        self,
        name: str,
        pattern: str,
        read: Callable[[Path], tuple[Value, Stamp]],
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.name = name
        self._pattern = pattern
        self._read = read
        self._wall = wall
        self._kept: dict[Path, tuple[Stamp, Value]] = {}
        self._problem = ""

    def look(self) -> Reading[Value]:
        """The report as it is now. One broken file spoils the whole: a part of the truth would look better than it."""
        try:
            reading = self._look()
        except (SourceUnavailable, SourceMalformed) as error:
            reading = Reading(problem=str(error))
        if reading.problem != self._problem:
            self._problem = reading.problem
            level = logging.WARNING if reading.problem else logging.INFO
            event(log, level, f"report: {reading.problem or 'is readable again'}", report=self.name)
        return reading

    def _look(self) -> Reading[Value]:
        paths = regular_files.matching(self._pattern)
        if not paths or not any(path.exists() for path in paths):
            self._kept = {}
            return Reading(problem=f"there is no {self._pattern} yet")
        if len(paths) > MAX_FILES:
            return Reading(problem=f"{self._pattern} matches {len(paths)} files: more than {MAX_FILES} are no report")
        now = self._wall()
        found = {path: self._value(path) for path in paths}
        self._kept = {path: kept for path, kept in found.items() if kept[0].settled(now)}
        newest = max(stamp.modified_seconds for stamp, _ in found.values())
        return Reading(tuple(value for _, value in found.values()), newest)

    def _value(self, path: Path) -> tuple[Stamp, Value]:
        """The stamp and value of one file, which is read if it has changed."""
        kept = self._kept.get(path)
        if kept is not None and kept[0] == regular_files.stamp_of(path):
            return kept
        value, stamp = self._read(path)
        return stamp, value


def begins_with(path: Path) -> str:
    """The first character of the file at *path* that is no white space; empty where there is none near its start.

    Raises:
        SourceUnavailable: it cannot be read.
    """
    with regular_files.opened(path) as (file, _):
        start = file.read(256) or b""
    return start.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace").lstrip()[:1]
