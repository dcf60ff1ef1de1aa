"""The exporter's configuration: one YAML file, one section per collector, nothing at all by default.

The schema is made from the collectors folder: `collectors:` has one key per collector, whose type is the `Config`
in the collector's own file. So a new collector needs no line here, and a misspelt one is named with the nearest.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import msgspec

from chassis import config_file, plugins
from exporter import collectors
from exporter.collector import KIND, Collector, CollectorConfig, runs_unconfigured
from exporter.errors import ConfigError

DEFAULT_PATH = "exporter.yml"


@dataclass(frozen=True, slots=True)
class Config:
    """A checked configuration: the collectors that run, by name, each with its own struct."""

    collectors: Mapping[str, CollectorConfig]


def known_collectors() -> dict[str, type[Collector]]:
    """Every collector of the collectors folder, by name."""
    return cast("dict[str, type[Collector]]", plugins.load(collectors, KIND))


def load(path: Path | None, known: Mapping[str, type[Collector]]) -> Config:
    """Read *path*, or take the defaults where it is None.

    Raises:
        ConfigError: the file cannot be read or does not fit; the message names the place and the nearest known key.
    """
    schema = _schema(known)
    try:
        document = schema() if path is None else config_file.load(path, schema)
    except config_file.ConfigInvalid as error:
        raise ConfigError(f"config: {error}") from error
    sections = msgspec.structs.asdict(document)["collectors"]
    chosen = {name: _section(cls, getattr(sections, name, None)) for name, cls in known.items()}
    return Config({name: section for name, section in chosen.items() if section is not None and section.enabled})


def _section(cls: type[Collector], given: CollectorConfig | None) -> CollectorConfig | None:
    """The configuration a collector runs with; None where it has nothing to measure."""
    if given is None and runs_unconfigured(cls):
        return cls.config()
    return given


def _schema(known: Mapping[str, type[Collector]]) -> type[msgspec.Struct]:
    """The type of the whole file; a section that is there and empty is as good as none."""
    fields = [(name, cls.config | None, None) for name, cls in known.items()]
    sections = msgspec.defstruct("Collectors", fields, frozen=True)
    return msgspec.defstruct("ConfigFile", [("collectors", sections | None, None)], frozen=True)
