"""How people call a container: by configuration, by what Docker knows, else by the beginning of its id."""

import re
from collections.abc import Collection, Mapping
from pathlib import Path

import msgspec

from exporter.errors import SourceUnavailable
from exporter.sources import regular_files
from exporter.sources.regular_files import Stamp

MAX_BYTES = 1024 * 1024
MAX_NAME = 64
SHORT = 12
_ID = re.compile(r"[0-9a-f]{64}")


class _DockerConfig(msgspec.Struct, rename="pascal"):
    """The part of Docker's config.v2.json that is wanted here."""

    name: str = ""


class ContainerNames:
    """Names by *given* (the beginning of an id, or a name, -> name), then by the files below *docker_root*."""

    def __init__(self, given: Mapping[str, str], docker_root: str) -> None:
        self._given = given
        self._docker = Path(docker_root) / "containers" if docker_root else None
        self._known: dict[str, tuple[Stamp, str]] = {}

    def names(self, ids: Collection[str]) -> dict[str, str]:
        """Id -> name, each name once: of two containers with one name the later is told apart by its id."""
        self._known = {key: known for key, known in self._known.items() if key in ids}
        taken: dict[str, str] = {}
        for key in ids:
            name = self._name(key)
            candidates = (name, f"{name}-{key[:SHORT]}", f"{name}-{key}")
            taken[next(free for free in candidates if free not in taken)] = key
        return {key: name for name, key in taken.items()}

    def _name(self, key: str) -> str:
        name = next((name for start, name in self._given.items() if key.startswith(start)), "")
        if not name and _ID.fullmatch(key):
            name = self._docker_name(key) or key[:SHORT]
        return (name or key)[:MAX_NAME]

    def _docker_name(self, key: str) -> str:
        """The name that Docker has in its file; empty where it has none or may not be read."""
        if self._docker is None:
            return ""
        path = self._docker / key / "config.v2.json"
        try:
            stamp = regular_files.stamp_of(path)
            if key not in self._known or self._known[key][0] != stamp:
                raw, _ = regular_files.read(path, MAX_BYTES)
                self._known[key] = (stamp, msgspec.json.decode(raw, type=_DockerConfig).name.strip("/"))
        except (SourceUnavailable, msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return ""
        return self._known[key][1]
