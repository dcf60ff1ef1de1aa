"""What survives a restart of the error logs' collector: positions, patterns, and the key of users' pseudonyms."""

import secrets
from collections.abc import Mapping

import msgspec

from exporter.sources.log_position import Position, resumed
from exporter.state import KeepsState, StateFile, state_file

#: Seconds between two savings of the patterns where none is new.
SAVE_SECONDS = 60.0
_KEY_BYTES = 32


class Place(msgspec.Struct, frozen=True):
    """How far a service's logs are counted.

    Attributes:
        position: as `Position.encode` writes it.
        open_lines: by log, the lines read after what is counted: of an event that may go on.
    """

    position: bytes
    open_lines: dict[str, list[str]] = {}


class ErrorState:
    """The state files of one collector, below the state directory of *config*."""

    def __init__(self, config: KeepsState) -> None:
        self._places_file = state_file(config, "error_log.positions")
        self._patterns_file = state_file(config, "error_log.patterns")
        self._key_file = state_file(config, "error_log.user_key")
        self.places = _decoded(self._places_file, dict[str, Place])
        self.patterns = _decoded(self._patterns_file, dict[str, bytes])
        self._saved_places = self.places
        self._saved_new = -1
        self._saved_at = 0.0

    def position(self, service: str) -> Position | None:
        """Where the reading of a service's logs goes on."""
        place = self.places.get(service)
        return resumed(place.position if place else None, service=service)

    def open_lines(self, service: str) -> dict[str, list[str]]:
        """What was read beyond the position and not counted."""
        place = self.places.get(service)
        return place.open_lines if place else {}

    def save_places(self, places: Mapping[str, Place]) -> None:
        """Keep how far everything is counted, if that has changed."""
        if places != self._saved_places:
            self._places_file.save(msgspec.msgpack.encode(places))
            self._saved_places = dict(places)

    def patterns_are_due(self, new: int, now: float) -> bool:
        """Whether the patterns should be kept: there are *new* ones, or it is a while ago."""
        return new != self._saved_new or not 0 <= now - self._saved_at < SAVE_SECONDS

    def save_patterns(self, dumps: Mapping[str, bytes], new: int, now: float) -> None:
        """Keep the patterns of all services."""
        self._patterns_file.save(msgspec.msgpack.encode({**self.patterns, **dumps}))
        self._saved_new, self._saved_at = new, now

    def user_key(self) -> bytes:
        """The key of users' pseudonyms, made at the first use."""
        key = self._key_file.load()
        if key is None or len(key) != _KEY_BYTES:
            key = secrets.token_bytes(_KEY_BYTES)
            self._key_file.save(key)
        return key


def _decoded(file: StateFile, into: type) -> dict:  # type: ignore[type-arg]
    """What was kept; nothing where it is damaged, which is logged."""
    kept = file.load()
    try:
        found: dict = {} if kept is None else msgspec.msgpack.decode(kept, type=into)  # type: ignore[type-arg]
    except (msgspec.MsgspecError, ValueError) as error:
        file.damaged(error)
        return {}
    return found
