"""Events of logs that are written as one JSON object a line, whatever the logger calls its fields."""

from collections.abc import Iterator, Mapping

import msgspec

from exporter.sources.error_events import Event, event
from exporter.sources.log_levels import Level, level_guessed, level_named, level_numbered

_LEVELS = ("level", "severity", "level_name", "levelname", "log.level", "@level", "lvl", "loglevel", "priority")
_MESSAGES = ("message", "msg", "@message", "event", "text", "log", "short_message")
_ERRORS = ("error", "err", "exception", "exc_info", "error.message", "throwable")
_STACKS = ("stack_trace", "stack", "stacktrace", "trace", "error.stack_trace", "exc_info", "backtrace", "full_message")
_NAMES = ("name", "type", "class", "kind")
_URIS = ("request_uri", "uri", "url", "path", "request", "user_agent", "referer")
_NESTED = ("context", "extra", "log", "error", "err", "exception", "fields", "attributes", "http")

Fields = Mapping[str, object]


def json_event(line: str) -> Event | None:
    """The event of a line of JSON; None where the line is no JSON object."""
    try:
        fields = msgspec.json.decode(line)
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        return None
    return _event(fields) if isinstance(fields, dict) else None


def _event(fields: Fields) -> Event:
    scopes = list(_scopes(fields))
    error = _error(scopes)
    first, _, more = (_first_text(scopes, _MESSAGES) or error).partition("\n")
    message = f"{first}: {error}" if error and error not in first else first
    stack = "\n".join(text for text in (more, _first_text(scopes, _STACKS)) if text)
    level = _level(scopes)
    if level is Level.UNKNOWN:
        level = Level.ERROR if error or stack else level_guessed(message)
    return event(level, message, stack, " ".join([message, *_texts(scopes, _URIS)]))


def _scopes(fields: Fields) -> Iterator[Fields]:
    """The object, then the objects in it that loggers nest their fields in."""
    yield fields
    for key in _NESTED:
        inner = fields.get(key)
        if isinstance(inner, dict):
            yield inner
            deeper = inner.get("exception") or inner.get("error")
            if isinstance(deeper, dict):
                yield deeper


def _texts(scopes: list[Fields], keys: tuple[str, ...]) -> Iterator[str]:
    """Every text under one of *keys*; lines of a list are joined."""
    for scope in scopes:
        for key in keys:
            value = scope.get(key)
            if isinstance(value, str) and value:
                yield value
            elif isinstance(value, list) and value and isinstance(value[0], str):
                yield "\n".join(str(item) for item in value[:200])


def _first_text(scopes: list[Fields], keys: tuple[str, ...]) -> str:
    return next(_texts(scopes, keys), "")


def _error(scopes: list[Fields]) -> str:
    """What the error fields say in one line: a text, or name and message of an object."""
    for key in _ERRORS:
        value = scopes[0].get(key) or (scopes[1].get(key) if len(scopes) > 1 else None)
        if isinstance(value, str) and value.strip():
            lines = value.strip().splitlines()
            return lines[-1] if lines[0].startswith("Traceback") else lines[0]
        if isinstance(value, dict):
            parts = (_first_text([value], _NAMES), _first_text([value], _MESSAGES))
            return ": ".join(part for part in parts if part)
    return ""


def _level(scopes: list[Fields]) -> Level:
    """The level that the fields tell, in words or numbers."""
    for key in _LEVELS:
        for scope in scopes:
            value = scope.get(key)
            if isinstance(value, str) and (level := level_named(value)):
                return level
            if isinstance(value, int | float) and not isinstance(value, bool):
                return level_numbered(value)
    return Level.UNKNOWN
