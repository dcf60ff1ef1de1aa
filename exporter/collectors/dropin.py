"""Metrics that scripts write into `*.prom` files, in Prometheus' text format, as node_exporter's textfile collector.

A file that cannot be read costs itself only: it is left out whole, counted, and logged once with the line.
"""

import logging
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, ClassVar, TypeVar

import msgspec

from chassis.logs import event
from exporter import self_metrics
from exporter.catalogue import sample_names
from exporter.collector import CollectorConfig, collector
from exporter.errors import SourceUnavailable
from exporter.families import Family, Metric
from exporter.sources import regular_files
from exporter.sources.drop_files import Admission, DropFile, listed

log = logging.getLogger(__name__)

ERROR = Metric("nightshift_textfile_error", "gauge", "1 if the file or folder could not be read, else 0.", ["file"])
MTIME = Metric(
    "nightshift_textfile_mtime_timestamp_seconds",
    "gauge",
    "Unix time in seconds at which the file was last written, of files that could be read.",
    ["file"],
)
SERIES = Metric("nightshift_textfile_series", "gauge", "Series in the file, if it could be read.", ["file"])
FILES = Metric("nightshift_textfile_files", "gauge", "Files by what became of them at this scrape.", ["state"])
FAMILIES_DROPPED = Metric(
    "nightshift_textfile_families_dropped_total",
    "counter",
    "Families left out, by reason, counted anew at each scrape.",
    ["reason"],
)
REPEATED = Metric(
    "nightshift_textfile_series_dropped_total",
    "counter",
    "Samples left out because their series was there already, counted anew at each scrape.",
)

#: Names that begin so are the exporter's own, as are those of its process.
PREFIX = "nightshift_"
RESERVED = frozenset(name for metric in self_metrics.METRICS for name in sample_names(metric))

#: Why a family is left out.
_REASONS = {
    "reserved": "its name is one of the exporter's own",
    "type": "an earlier file has the name with another TYPE",
    "clash": "an earlier family shows samples of the same name",
    "invalid_name": "its name has a colon, which belongs to recording rules",
}
_STATES = ("read", "failed", "stale", "left_out")
#: Families whose loss has been told; past it all are forgotten and told again.
_TOLD_LIMIT = 1000

Place = TypeVar("Place", str, Path)
_Positive = Annotated[int, msgspec.Meta(ge=1)]


class Config(CollectorConfig, frozen=True):
    """The folders whose `*.prom` files are shown.

    Attributes:
        folders: paths, which may have wildcards; where two files have a series, the earlier folder's is shown.
        max_age_seconds: an older file is left out; 0 leaves none out.
        max_file_bytes: a larger file is an error.
        max_series: of all files together; the file with which there are more is an error.
        max_files: further ones, in the order of folders and names, are left out.
    """

    folders: list[str] = msgspec.field(default_factory=list)
    max_age_seconds: Annotated[float, msgspec.Meta(ge=0)] = 0.0
    max_file_bytes: _Positive = 4 * 1024 * 1024
    max_series: _Positive = 20_000
    max_files: _Positive = 500


@collector("dropin")
class DropIn:
    """Shows what the files say at the scrape; *wall* is the clock that they grow old by, in seconds."""

    config: ClassVar[type[CollectorConfig]] = Config
    metrics: ClassVar[tuple[Metric, ...]] = (ERROR, MTIME, SERIES, FILES, FAMILIES_DROPPED, REPEATED)

    def __init__(self, config: Config, wall: Callable[[], float] = time.time) -> None:
        self._config = config
        self._wall = wall
        self._files: dict[Path, DropFile] = {}
        self._folder_problems: dict[str, str] = {}
        self._dropped = dict.fromkeys(_REASONS, 0)
        self._repeated = 0
        self._told: set[tuple[Path, str, str]] = set()

    def collect(self) -> Iterator[Family]:
        """The families of all files, then how each file did."""
        self._list()
        admission = Admission(RESERVED, PREFIX)
        own = {metric: Family(metric) for metric in self.metrics}
        states = dict.fromkeys(_STATES, 0)
        budget = self._config.max_series
        for number, file in enumerate(self._files.values()):
            state = "left_out" if number >= self._config.max_files else self._look(file, budget)
            states[state] += 1
            if state == "read":
                budget -= file.series
                self._admit(file, admission)
            _show(file, state, own)
        self._repeated += admission.repeated
        self._count(own, states)
        yield from admission.families.values()
        yield from own.values()

    def close(self) -> None:
        """Nothing is kept open."""

    def _list(self) -> None:
        """Note which files there are; what was known of those that are still there is kept."""
        paths: dict[Path, None] = {}
        problems: dict[str, str] = {}
        for pattern in self._config.folders:
            for folder in _tried(_folders, pattern, problems):
                paths.update(dict.fromkeys(_tried(listed, folder, problems)))
        for place, problem in problems.items():
            if self._folder_problems.get(place) != problem:
                event(log, logging.WARNING, f"drop-in folder is left out: {problem}")
        self._folder_problems = problems
        self._files = {path: self._files.get(path) or self._new(path) for path in paths}

    def _new(self, path: Path) -> DropFile:
        return DropFile(path, self._config.max_file_bytes, self._config.max_series)

    def _look(self, file: DropFile, budget: int) -> str:
        """Read *file* if it has changed; what becomes of it, where *budget* series may still be shown."""
        now = self._wall()
        file.look(now)
        if file.stamp is None:
            return "failed"
        limit = self._config.max_age_seconds
        if limit and now - file.stamp.modified_seconds > limit:
            return "stale"
        if file.series > budget:
            self._tell(file, "", f"with it there are more than {self._config.max_series} series: raise max_series")
            return "failed"
        return "read"

    def _admit(self, file: DropFile, admission: Admission) -> None:
        self._repeated += file.repeated
        for offer in file.offers:
            reason = admission.take(offer)
            if reason:
                self._dropped[reason] += 1
                self._tell(file, offer.name, _REASONS[reason])

    def _tell(self, file: DropFile, name: str, why: str) -> None:
        """Log once that a family, or without a *name* a whole file, is left out."""
        if (file.path, name, why) in self._told:
            return
        if len(self._told) >= _TOLD_LIMIT:
            self._told.clear()
        self._told.add((file.path, name, why))
        event(log, logging.WARNING, f"drop-in {name or 'file'} is left out: {why}", file=str(file.path))

    def _count(self, own: dict[Metric, Family], states: dict[str, int]) -> None:
        for folder in self._folder_problems:
            own[ERROR].add(1, folder)
        for state, count in states.items():
            own[FILES].add(count, state)
        for reason, count in self._dropped.items():
            own[FAMILIES_DROPPED].add(count, reason)
        own[REPEATED].add(self._repeated)


def _tried(find: Callable[[Place], list[Path]], place: Place, problems: dict[str, str]) -> list[Path]:
    """What *find* finds at *place*; nothing, and a note among *problems*, where it cannot."""
    try:
        return find(place)
    except SourceUnavailable as error:
        problems[str(place)] = str(error)
        return []


def _folders(pattern: str) -> list[Path]:
    """The folders that *pattern* names; the one path without wildcards also when it is none, so that this is told."""
    found = regular_files.matching(pattern)
    return found if found == [Path(pattern)] else [path for path in found if path.is_dir()]


def _show(file: DropFile, state: str, own: dict[Metric, Family]) -> None:
    """How *file* did; nothing of one that was not even looked at."""
    if state == "left_out":
        return
    name = str(file.path)
    own[ERROR].add(state == "failed", name)
    if file.stamp is not None:
        own[MTIME].add(file.stamp.modified_seconds, name)
        own[SERIES].add(file.series, name)
