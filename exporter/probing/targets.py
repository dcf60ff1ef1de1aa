"""Which targets are probed on the own schedule: from the configuration and from Prometheus' file_sd files.

A file is a list of `{targets: [...], labels: {...}}`, as YAML or JSON. Of the labels, `__param_module` chooses the
module and `__scrape_interval__` the interval; the others belong to Prometheus. As there, a broken file keeps its last
good targets, and those of a file that is gone are forgotten.
"""

import glob
import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from chassis import config_file
from chassis.config_file import ConfigInvalid
from chassis.logs import event
from exporter.probing.modules import Module
from exporter.probing.run import Plan
from exporter.probing.settings import seconds

log = logging.getLogger(__name__)

#: What a module without a timeout is given on the own schedule.
DEFAULT_TIMEOUT_SECONDS = 10.0
SHORTEST_INTERVAL_SECONDS = 0.1
_MAX_FILES = 1000
_INTERVAL = "__scrape_interval__"


class TargetGroup(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Targets of one module.

    Attributes:
        targets: URLs, `HOST:PORT` or hosts, as the module's prober wants them.
        module: how they are probed.
        interval: seconds (or `30s`) between two runs; 0 for that of the module or section.
    """

    targets: tuple[str, ...]
    module: str = "http_2xx"
    interval: float | str = 0

    def __post_init__(self) -> None:
        seconds(self.interval)


class FileSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Files of targets.

    Attributes:
        files: paths, with `*` for any name; ending in .json, .yml or .yaml.
        module: how targets are probed whose labels do not say.
        interval: the same for the interval.
    """

    files: tuple[str, ...]
    module: str = "http_2xx"
    interval: float | str = 0

    def __post_init__(self) -> None:
        seconds(self.interval)
        for path in self.files:
            if not path.endswith((".json", ".yml", ".yaml")):
                raise ValueError(f"{path}: a file of targets ends in .json, .yml or .yaml")


class _Entry(msgspec.Struct, frozen=True):
    """An entry of a file_sd file; YAML reads some values of labels as numbers."""

    targets: tuple[str, ...]
    labels: dict[str, Any] | None = None

    def __post_init__(self) -> None:
        seconds(self.label(_INTERVAL, "0s"))

    def label(self, name: str, default: str) -> str:
        """The value of the label *name*."""
        value = (self.labels or {}).get(name)
        return default if value is None else str(value)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A target that is probed on schedule; times in seconds."""

    target: str
    module_name: str
    module: Module
    plan: Plan
    interval: float
    timeout: float

    @property
    def key(self) -> tuple[str, str]:
        """What its series are called: target and module."""
        return self.target, self.module_name


class TargetFiles:
    """The files of *sources*, read again when they have changed.

    Attributes:
        broken: path -> why the file cannot be used; its last good targets stay unless it is gone.
    """

    def __init__(self, sources: Sequence[FileSource]) -> None:
        self._sources = sources
        self._seen: dict[str, tuple[int, int, int]] = {}
        self._entries: dict[str, tuple[_Entry, ...]] = {}
        self.broken: dict[str, str] = {}

    def refresh(self) -> bool:
        """Read what has changed; whether anything has."""
        paths = {path for source in self._sources for path in _paths(source)}
        gone = (self._entries.keys() | self.broken.keys()) - paths
        changed = [self._forget(path) for path in sorted(gone)]
        for path in gone:
            self.broken.pop(path, None)
        changed += [self._refresh(path) for path in sorted(paths)]
        return any(changed)

    def groups(self) -> Iterator[TargetGroup]:
        """What the files say."""
        for source in self._sources:
            known = [path for pattern in source.files for path in self._entries if _fits(path, pattern)]
            for path in sorted(set(known)):
                for entry in self._entries[path]:
                    module = entry.label("__param_module", source.module)
                    interval = entry.label(_INTERVAL, "") or source.interval
                    yield TargetGroup(entry.targets, module, interval)

    def _refresh(self, path: str) -> bool:
        try:
            found = Path(path).stat()
            seen = (found.st_mtime_ns, found.st_size, found.st_ino)
            if self._seen.get(path) == seen:
                return False
            self._seen[path] = seen
            self._entries[path] = _read(Path(path))
        except (OSError, ConfigInvalid, ValueError, RecursionError) as error:
            self._tell(path, str(error))
            return isinstance(error, FileNotFoundError) and self._forget(path)
        self.broken.pop(path, None)
        return True

    def _forget(self, path: str) -> bool:
        """Forget what a file said; whether that changes the targets."""
        self._seen.pop(path, None)
        return self._entries.pop(path, None) is not None

    def _tell(self, path: str, problem: str) -> None:
        """Keep why a file cannot be read, and log what is new."""
        if self.broken.get(path) != problem:
            event(log, logging.ERROR, f"targets cannot be read: {problem}", file=path)
        self.broken[path] = problem


def _paths(source: FileSource) -> list[str]:
    """The files that there are; one that is named without a wildcard is missed where it is not there."""
    return [path for pattern in source.files for path in _fitting(pattern)]


def _fitting(pattern: str) -> list[str]:
    if not glob.has_magic(pattern):
        return [pattern]
    return sorted(glob.glob(pattern))[:_MAX_FILES]  # noqa: PTH207 -- absolute patterns


def _fits(path: str, pattern: str) -> bool:
    return path == pattern or Path(path).match(pattern)


def _read(path: Path) -> tuple[_Entry, ...]:
    """The entries of one file.

    Raises:
        OSError, ConfigInvalid, ValueError, RecursionError: it cannot be read.
    """
    if path.suffix != ".json":
        found = config_file.read(path) or []
    else:
        with path.open("rb") as file:
            found = msgspec.json.decode(file.read(config_file.MAX_BYTES + 1))
    return msgspec.convert(found, tuple[_Entry, ...])


def wanted(
    groups: Iterable[TargetGroup], modules: Mapping[str, Module], interval: float
) -> tuple[list[Wanted], list[str]]:
    """The targets of *groups*, one for each target and module, and what is wrong with the others."""
    found: dict[tuple[str, str], Wanted] = {}
    problems = []
    for group in groups:
        for target in group.targets:
            try:
                one = _wanted(target, group, modules, interval)
            except ValueError as error:
                problems.append(f"{target}: {error}")
            else:
                found.setdefault(one.key, one)
    return list(found.values()), problems


def _wanted(target: str, group: TargetGroup, modules: Mapping[str, Module], interval: float) -> Wanted:
    module = modules.get(group.module)
    if module is None:
        raise ValueError(f"the module {group.module!r} is not known{config_file.nearest(group.module, modules)}")
    every = max(SHORTEST_INTERVAL_SECONDS, seconds(group.interval) or seconds(module.interval) or interval)
    timeout = min(every, seconds(module.timeout) or DEFAULT_TIMEOUT_SECONDS)
    return Wanted(target, group.module, module, module.plan(target), every, timeout)
