"""The exporter's configuration: one YAML file, one section per collector, nothing at all by default.

The schema is made from the collectors folder: `collectors:` has one key per collector, whose type is the `Config`
in the collector's own file. So a new collector needs no line here, and a misspelt one is named with the nearest.
A collector without a section is not even imported: its modules would cost memory that nobody uses. Collectors of the
user's own folder (`collector_folder`) are configured beside ours.
"""

from collections.abc import Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import msgspec

from chassis import config_file, plugins
from exporter import collectors, registry, self_metrics
from exporter.collector import KIND, Collector, CollectorConfig
from exporter.collector_folder import OwnCollectors, Unusable, without_conflicts
from exporter.errors import ConfigError

DEFAULT_PATH = "exporter.yml"
#: The collectors that measure something without a word in the file.
UNCONFIGURED = frozenset({"resources"})

#: Collectors by name, and why some of the user's cannot be used, one line each.
Classes = tuple[dict[str, type[Collector]], tuple[str, ...]]


class TopLevel(msgspec.Struct, frozen=True):
    """The keys beside `collectors`.

    Attributes:
        collector_folder: the folder of your own collectors; a relative path begins at the configuration file's folder.
    """

    collector_folder: str = ""


@dataclass(frozen=True, slots=True)
class Config:
    """A checked configuration.

    Attributes:
        collectors: the collectors that run, by name, each with its own struct.
        classes: what they are made of.
        own: the names of those that the user wrote.
        complaints: why collectors of the user's cannot be used, one line each.
    """

    collectors: Mapping[str, CollectorConfig]
    classes: Mapping[str, type[Collector]]
    own: frozenset[str] = frozenset()
    complaints: tuple[str, ...] = ()


class CollectorFolder(Mapping[str, type[Collector]]):
    """The collectors of the collectors folder by name; one is imported when it is asked for."""

    def __init__(self) -> None:
        self._names = plugins.stems(collectors)

    def __getitem__(self, name: str) -> type[Collector]:
        if name not in self._names:
            raise KeyError(name)
        return cast("type[Collector]", plugins.load(collectors, KIND, [name])[name])

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def known_collectors() -> Mapping[str, type[Collector]]:
    """Every collector of the collectors folder, by name, which is also its file's."""
    return CollectorFolder()


def every_class(path: Path | None, known: Mapping[str, type[Collector]]) -> Classes:
    """The collectors of *known* and of the folder that the configuration at *path* names, running or not.

    Raises:
        ConfigError: the configuration or the folder cannot be read.
    """
    try:
        own = _own(path, {} if path is None else config_file.read(path))
    except config_file.ConfigInvalid as error:
        raise ConfigError(f"config: {error}") from error
    return _classes(known, own, {*known, *own})


def load(path: Path | None, known: Mapping[str, type[Collector]]) -> Config:
    """Read *path*, or take the defaults where it is None.

    Raises:
        ConfigError: the file cannot be read or does not fit; the message names the place and the nearest known key.
    """
    try:
        document = {} if path is None else config_file.read(path)
        own = _own(path, document)
        classes, complaints = _classes(known, own, {*UNCONFIGURED, *_written(document)})
        schema = _schema({*known, *own}, classes)
        sections = config_file.decode(document, schema, path.name if path else "")
    except config_file.ConfigInvalid as error:
        raise ConfigError(f"config: {error}") from error
    given = msgspec.structs.asdict(sections)["collectors"]
    chosen = {name: _section(name, cls, getattr(given, name, None)) for name, cls in classes.items()}
    running = {name: section for name, section in chosen.items() if section is not None and section.enabled}
    return Config(running, classes, frozenset(own) - frozenset(known), complaints)


def _own(path: Path | None, document: object) -> Mapping[str, type[Collector]]:
    """The collectors of the folder that a file, which is not checked yet, names."""
    folder = document.get("collector_folder") if isinstance(document, dict) else None
    if path is None or not isinstance(folder, str) or not folder:
        return {}
    return OwnCollectors(path.parent / folder)


def _classes(
    known: Mapping[str, type[Collector]], own: Mapping[str, type[Collector]], wanted: AbstractSet[str]
) -> Classes:
    """The classes of the *wanted* collectors, ours first, and what is wrong with the user's."""
    ours = {name: known[name] for name in sorted(known) if name in wanted}
    theirs = {name: own[name] for name in own if name in wanted and name not in known}
    theirs = without_conflicts(theirs, ours, (*registry.METRICS, *self_metrics.METRICS))
    complaints = [cls.reason for cls in theirs.values() if issubclass(cls, Unusable)]
    complaints += [f"{name}.py: the exporter has a collector {name!r}: rename yours" for name in own if name in known]
    return ours | theirs, tuple(complaints)


def _written(document: object) -> Mapping[str, object]:
    """The sections of a file that is not checked yet."""
    sections = document.get("collectors") if isinstance(document, dict) else None
    return sections if isinstance(sections, dict) else {}


def _section(name: str, cls: type[Collector], given: object) -> CollectorConfig | None:
    """The configuration a collector runs with; None where it has nothing to measure."""
    if isinstance(given, dict):  # of a collector that cannot be used
        return cls.config(enabled=given.get("enabled") is not False)
    return cls.config() if given is None and name in UNCONFIGURED else cast("CollectorConfig | None", given)


def _schema(names: Iterable[str], classes: Mapping[str, type[Collector]]) -> type[msgspec.Struct]:
    """The type of the whole file; a section that is there and empty is as good as none."""
    fields = [(name, _type_of(classes.get(name)), None) for name in sorted(names)]
    sections = msgspec.defstruct("Collectors", fields, frozen=True)
    return msgspec.defstruct("ConfigFile", [("collectors", sections | None, None)], bases=(TopLevel,), frozen=True)


def _type_of(cls: type[Collector] | None) -> object:
    """The type of a collector's section; one that cannot be used takes any, for its keys are not known."""
    if cls is None:
        return None
    return dict[str, object] | None if issubclass(cls, Unusable) else cls.config | None
