"""The user's own collectors: a folder of Python files that the configuration names as `collector_folder`.

A file there is written like one of ours and called like its collector. Whatever is wrong with one costs itself only:
an `Unusable` takes its place, which fails at every scrape, so that `nightshift_collector_success` is 0 and the log
has the reason. What is imported runs with the exporter's rights, so nobody else may be able to write it.
"""

import os
import stat
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import ClassVar, NoReturn, cast

from chassis import plugins
from exporter.catalogue import sample_names
from exporter.collector import KIND, Collector, CollectorConfig
from exporter.errors import CollectorError, ConfigError, SourceUnavailable
from exporter.families import Metric
from exporter.sources import regular_files
from exporter.sources.regular_files import Stamp

#: A collector is written by people.
MAX_BYTES = 1024 * 1024
#: What the names of the imported modules begin with.
_PACKAGE = "nightshift_collector_folder"


class NotUsable(ConfigError):
    """A file that is no collector; the message names it and says why."""


class Unusable:
    """Stands for a collector that cannot be used: every scrape fails with the *reason*."""

    config: ClassVar[type[CollectorConfig]] = CollectorConfig
    metrics: ClassVar[tuple[Metric, ...]] = ()
    reason: ClassVar[str] = ""

    def __init__(self, config: CollectorConfig) -> None:
        self._config = config

    def collect(self) -> NoReturn:
        """Fail.

        Raises:
            CollectorError: always.
        """
        raise CollectorError(self.reason)

    def close(self) -> None:
        """Nothing is kept open."""


def unusable(reason: str) -> type[Collector]:
    """A class that stands for a collector that cannot be used for this reason."""
    return cast("type[Collector]", type("Unusable", (Unusable,), {"reason": reason}))


class OwnCollectors(Mapping[str, type[Collector]]):
    """The collectors of *folder* by name; one is imported when it is asked for, again when its file has changed.

    Raises:
        ConfigError: the folder cannot be listed.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        try:
            found = [path.stem for path in folder.iterdir() if path.suffix == ".py" and path.name[0] not in "._"]
        except OSError as error:
            raise ConfigError(f"config: collector_folder: {folder}: cannot be listed: {error.strerror}") from error
        self._names = sorted(found)

    def __getitem__(self, name: str) -> type[Collector]:
        if name not in self._names:
            raise KeyError(name)
        try:
            return _class_in(_module(self.path(name)), name)
        except NotUsable as error:
            return unusable(str(error))

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def path(self, name: str) -> Path:
        """The file of the collector *name*."""
        return self._folder / f"{name}.py"


def without_conflicts(
    own: Mapping[str, type[Collector]], others: Mapping[str, type[Collector]], metrics: Iterable[Metric]
) -> dict[str, type[Collector]]:
    """*own*, an `Unusable` in the place of each that declares a metric of *others*, an earlier one, or *metrics*."""
    owners = {name: "the exporter itself" for metric in metrics for name in sample_names(metric)}
    owners |= {
        name: f"the collector {other!r}"
        for other, cls in others.items()
        for metric in cls.metrics
        for name in sample_names(metric)
    }
    usable: dict[str, type[Collector]] = {}
    for name, cls in own.items():
        names = {word for metric in cls.metrics for word in sample_names(metric)}
        taken = min(names & owners.keys(), default="")
        if taken:
            usable[name] = unusable(f"{name}.py: declares {taken}, which {owners[taken]} shows: choose another name")
        else:
            usable[name] = cls
            owners |= dict.fromkeys(names, f"the collector {name!r}")
    return usable


def _module(path: Path) -> ModuleType:
    """The module at *path*, imported when it is new or has changed; no compiled file is read or written.

    Raises:
        NotUsable: others may write it, it cannot be read, or it raises.
    """
    try:
        _check_rights(path.resolve(strict=True))
        source, stamp = regular_files.read(path, MAX_BYTES)
    except OSError as error:
        raise NotUsable(f"{path}: cannot be read: {error.strerror}") from error
    except SourceUnavailable as error:
        raise NotUsable(str(error)) from error
    name = f"{_PACKAGE}.{path.stem}"
    module = sys.modules.get(name)
    if module is None or (module.__file__, vars(module).get("__stamp__")) != (str(path), stamp):
        module = _imported(name, path, source, stamp)
    return module


def _imported(name: str, path: Path, source: bytes, stamp: Stamp) -> ModuleType:
    module = ModuleType(name)
    module.__file__ = str(path)
    vars(module)["__stamp__"] = stamp
    before = sys.modules.get(name)
    sys.modules[name] = module  # where msgspec and dataclasses look up a class's annotations
    try:
        exec(compile(source, path, "exec"), vars(module))  # noqa: S102 -- the user's own file, which nobody else writes
    except (Exception, SystemExit) as error:
        del sys.modules[name]
        if before is not None:
            sys.modules[name] = before
        line = getattr(error, "lineno", None) or _line_in(path, error)
        raise NotUsable(f"{path}:{line}: {type(error).__name__}: {error}") from error
    return module


def _line_in(path: Path, error: BaseException) -> int:
    """The last line of *path* that the error came through."""
    line, trace = 0, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            line = trace.tb_lineno
        trace = trace.tb_next
    return line


def _class_in(module: ModuleType, name: str) -> type[Collector]:
    """The collector *name* that *module* defines.

    Raises:
        NotUsable: there is none, or it lacks a part of the contract.
    """
    marked = {plugins.name_of(cls): cls for cls in plugins.marked(module, KIND)}
    if list(marked) != [name]:
        found = f"it has {', '.join(map(repr, marked))}" if marked else "it has none"
        raise NotUsable(f'{module.__file__}: must define one collector, @collector("{name}"), as it is called: {found}')
    cls = marked[name]
    lacking = [part for part in ("config", "metrics", "collect", "close") if not hasattr(cls, part)]
    if lacking:
        raise NotUsable(f"{module.__file__}: {cls.__name__} lacks {', '.join(lacking)}")
    found_config, metrics = getattr(cls, "config", None), getattr(cls, "metrics", None)
    if not (isinstance(found_config, type) and issubclass(found_config, CollectorConfig)):
        raise NotUsable(f"{module.__file__}: config of {cls.__name__} is no subclass of CollectorConfig")
    if not (isinstance(metrics, tuple) and all(isinstance(metric, Metric) for metric in metrics)):
        raise NotUsable(f"{module.__file__}: metrics of {cls.__name__} is no tuple of Metric")
    return cast("type[Collector]", cls)


def _check_rights(path: Path) -> None:
    """Check that nobody but root and this process's user can put something else at *path*, which has no links.

    Raises:
        NotUsable: somebody can; the message says what to do.
        OSError: it cannot be looked at.
    """
    for place in (path, *path.parents):
        status = place.stat()
        # Above its folder a sticky bit is enough, as on /tmp: nobody can replace what belongs to another there.
        sticky = place not in (path, path.parent) and status.st_mode & stat.S_ISVTX
        if status.st_mode & stat.S_IWOTH and not sticky:
            raise NotUsable(f"{path}: everybody may write {place}: chmod o-w {place}")
        if status.st_uid not in (0, os.geteuid()):
            raise NotUsable(f"{path}: {place} belongs to user {status.st_uid}: chown it to root or to the exporter's")
