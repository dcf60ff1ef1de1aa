"""The exporter's configuration: one YAML file, one section per collector, nothing at all by default.

The schema is made from the collectors folder: `collectors:` has one key per collector, whose type is the `Config`
in the collector's own file. So a new collector needs no line here, and a misspelt one is named with the nearest.
A collector without a section is not even imported: its modules would cost memory that nobody uses.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import msgspec

from chassis import config_file, plugins
from exporter import collectors
from exporter.collector import KIND, Collector, CollectorConfig
from exporter.errors import ConfigError

DEFAULT_PATH = "exporter.yml"
#: The collectors that measure something without a word in the file.
UNCONFIGURED = frozenset({"resources"})


@dataclass(frozen=True, slots=True)
class Config:
    """A checked configuration: the collectors that run, by name, each with its own struct."""

    collectors: Mapping[str, CollectorConfig]


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


def load(path: Path | None, known: Mapping[str, type[Collector]]) -> Config:
    """Read *path*, or take the defaults where it is None.

    Raises:
        ConfigError: the file cannot be read or does not fit; the message names the place and the nearest known key.
    """
    try:
        document = {} if path is None else config_file.read(path)
        classes = {name: known[name] for name in sorted(known) if name in UNCONFIGURED or name in _written(document)}
        schema = _schema(known, classes)
        sections = config_file.decode(document, schema, path.name if path else "")
    except config_file.ConfigInvalid as error:
        raise ConfigError(f"config: {error}") from error
    given = msgspec.structs.asdict(sections)["collectors"]
    chosen = {name: _section(name, cls, getattr(given, name, None)) for name, cls in classes.items()}
    return Config({name: section for name, section in chosen.items() if section is not None and section.enabled})


def _written(document: object) -> Mapping[str, object]:
    """The sections of a file that is not checked yet."""
    sections = document.get("collectors") if isinstance(document, dict) else None
    return sections if isinstance(sections, dict) else {}


def _section(name: str, cls: type[Collector], given: CollectorConfig | None) -> CollectorConfig | None:
    """The configuration a collector runs with; None where it has nothing to measure."""
    return cls.config() if given is None and name in UNCONFIGURED else given


def _schema(known: Mapping[str, type[Collector]], classes: Mapping[str, type[Collector]]) -> type[msgspec.Struct]:
    """The type of the whole file; a section that is there and empty is as good as none."""
    fields = [(name, classes[name].config | None if name in classes else None, None) for name in known]
    sections = msgspec.defstruct("Collectors", fields, frozen=True)
    return msgspec.defstruct("ConfigFile", [("collectors", sections | None, None)], frozen=True)
