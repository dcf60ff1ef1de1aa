"""Files of metrics that scripts put down, and what they offer: each is read again only when it has changed."""

import logging
import os
from dataclasses import dataclass
from pathlib import Path

from chassis.logs import event
from exporter.catalogue import sample_names
from exporter.errors import SourceUnavailable
from exporter.families import Family, Metric
from exporter.sources import regular_files
from exporter.sources.regular_files import Stamp
from exporter.sources.text_format import Block, TextMalformed, TextReader

log = logging.getLogger(__name__)

#: What the name of such a file ends in.
SUFFIX = ".prom"


@dataclass(frozen=True, slots=True)
class Offer:
    """A family that a file has, and every name under which it would appear; no family where its name is unusable."""

    name: str
    family: Family | None
    names: frozenset[str]


class DropFile:
    """The file at *path*; *max_bytes* and *max_series* bound what is read.

    Attributes:
        offers: its families, in the file's order; none while there is a problem.
        series: how many series they have.
        repeated: samples that repeated a series of the same file; the first counts.
        stamp: of the last reading that succeeded; None while there is a problem.
        problem: why it cannot be read, with the line; empty if it can.
    """

    def __init__(self, path: Path, max_bytes: int, max_series: int) -> None:
        self.path = path
        self.offers: list[Offer] = []
        self.series = 0
        self.repeated = 0
        self.stamp: Stamp | None = None
        self.problem = ""
        self._max_bytes = max_bytes
        self._reader = TextReader(max_series)
        self._metrics: dict[str, Metric] = {}
        self._seen: Stamp | None = None

    def look(self, now: float) -> None:
        """Read the file if it has changed since the last look; *now* in wall-clock seconds."""
        try:
            stamp = regular_files.stamp_of(self.path)
            if stamp != self._seen:
                self._read(now)
        except TextMalformed as error:
            self._fail(f"{self.path}:{error.line}: {error.problem}")
        except SourceUnavailable as error:
            self._seen = None
            self._fail(str(error))

    def _read(self, now: float) -> None:
        content, stamp = regular_files.read(self.path, self._max_bytes)
        self._seen = stamp if stamp.settled(now) else None
        text = self._reader.read(content)
        self.offers = [self._offer(block) for block in text.blocks.values()]
        self._metrics = {offer.name: offer.family.metric for offer in self.offers if offer.family}
        self.series, self.repeated, self.stamp = text.series, text.repeated, stamp
        if self.problem:
            self.problem = ""
            event(log, logging.INFO, "drop-in file is readable again", file=str(self.path))

    def _offer(self, block: Block) -> Offer:
        """The family of *block*; its declaration is kept as long as the file says the same of it."""
        text = block.help or f"Metric read from {self.path}"
        metric = self._metrics.get(block.name)
        if metric is None or (metric.kind, metric.help) != (block.kind, text):
            try:
                metric = Metric(block.name, block.kind, text)
            except ValueError:
                return Offer(block.name, None, frozenset())
            if metric.kind == "counter" and metric.base_name == metric.name:
                # OpenMetrics has no counter without _total; the series keeps its name in both formats.
                metric.openmetrics_header = metric.openmetrics_header.replace(" counter\n", " unknown\n")
        family = Family(metric)
        family.samples = block.samples
        return Offer(block.name, family, frozenset(sample_names(metric)))

    def _fail(self, problem: str) -> None:
        if problem != self.problem:
            event(log, logging.WARNING, f"drop-in file is left out: {problem}", file=str(self.path))
        self.problem = problem
        self.stamp = None
        self.offers, self.series, self.repeated = [], 0, 0


def listed(folder: Path) -> list[Path]:
    """The files of metrics in *folder*, sorted by name.

    Raises:
        SourceUnavailable: it cannot be listed.
    """
    try:
        with os.scandir(folder) as entries:
            return [folder / name for name in sorted(entry.name for entry in entries if entry.name.endswith(SUFFIX))]
    except OSError as error:
        raise SourceUnavailable(f"{folder}: cannot be listed: {error.strerror}") from error


class Admission:
    """Which of the families on offer in one scrape are shown: the first that comes has the name.

    Attributes:
        families: what is shown, by name.
        repeated: samples left out because their series was there already.
    """

    def __init__(self, reserved: frozenset[str], prefix: str) -> None:
        self.families: dict[str, Family] = {}
        self.repeated = 0
        self._reserved = reserved
        self._prefix = prefix
        self._owners: dict[str, str] = {}
        #: Names of the families that were made here, from several files.
        self._joined: set[str] = set()

    def take(self, offer: Offer) -> str:
        """Show the family, or its samples beside those of the same family of another file; else the reason why not."""
        family = offer.family
        if family is None:
            return "invalid_name"
        if offer.name.startswith(self._prefix) or not self._reserved.isdisjoint(offer.names):
            return "reserved"
        shown = self.families.get(offer.name)
        if shown is not None:
            return self._join(shown, family)
        if any(name in self._owners for name in offer.names):
            return "clash"
        self._owners.update(dict.fromkeys(offer.names, offer.name))
        self.families[offer.name] = family
        return ""

    def _join(self, shown: Family, family: Family) -> str:
        if shown.metric.kind != family.metric.kind:
            return "type"
        name = shown.metric.name
        if name not in self._joined:
            self._joined.add(name)
            self.families[name] = Family(shown.metric)
            self.families[name].samples = shown.samples.copy()
        joined = self.families[name].samples
        before = len(joined)
        for prefix, value in family.samples.items():
            joined.setdefault(prefix, value)
        self.repeated += before + len(family.samples) - len(joined)
        return ""
