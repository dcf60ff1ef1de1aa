"""One line per event, as logfmt or JSON, on standard error.

A value can hold anything that an alert's author typed: control, bidirectional and line-separating characters are
escaped, so that no value can forge a line, hide text or colour a terminal.
"""

import json
import logging
import sys
import unicodedata
from datetime import UTC, datetime
from typing import TextIO

FORMATS = ("logfmt", "json")
LEVELS = ("debug", "info", "warning", "error")

#: Longer values are cut: a log line is for reading.
MAX_VALUE = 2_000

_FIELDS = "nightshift_fields"
_UNSAFE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_QUOTED = frozenset(' ="\\')

#: Emoji sequences of the required texts use these two; they move nothing and hide nothing.
_HARMLESS = frozenset({"\u200d", "\ufe0f"})


def configure(level: str = "info", form: str = "logfmt", stream: TextIO | None = None) -> None:
    """Send every log record of the process to *stream* (default: standard error) in one of `FORMATS`."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter() if form == "json" else LogfmtFormatter())
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    for noisy in ("urllib3", "waitress.queue", "websockets"):
        logging.getLogger(noisy).setLevel(logging.ERROR)


def event(logger: logging.Logger, level: int, text: str, **fields: object) -> None:
    """Log *text* with *fields*, e.g. `event(log, logging.INFO, "stored", incident=7)`."""
    logger.log(level, "%s", text, extra={_FIELDS: fields})


class LogfmtFormatter(logging.Formatter):
    """`ts=2026-01-02T03:04:05.678Z level=info logger=alert_handler.act msg="..." incident=7`."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one logfmt line."""
        return " ".join(f"{key}={_logfmt(value)}" for key, value in _pairs(record, self).items())


class JsonFormatter(logging.Formatter):
    """The same pairs as one JSON object a line."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as one line of JSON."""
        pairs = {key: value if _plain(value) else clean(str(value)) for key, value in _pairs(record, self).items()}
        return json.dumps(pairs, ensure_ascii=False)


def clean(text: str) -> str:
    """*text* with every character escaped that could move a cursor, reorder or split a line; cut at `MAX_VALUE`."""
    cut = text if len(text) <= MAX_VALUE else f"{text[:MAX_VALUE]}... ({len(text)} characters)"
    if cut.isascii() and cut.isprintable():
        return cut
    return "".join(_escape(character) for character in cut)


def _escape(character: str) -> str:
    if character in _HARMLESS or unicodedata.category(character) not in _UNSAFE_CATEGORIES:
        return character
    return character.encode("unicode_escape").decode("ascii")


def _pairs(record: logging.LogRecord, formatter: logging.Formatter) -> dict[str, object]:
    at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
    pairs: dict[str, object] = {
        "ts": at.replace("+00:00", "Z"),
        "level": record.levelname.lower(),
        "logger": record.name,
        "msg": record.getMessage(),
    }
    pairs |= getattr(record, _FIELDS, {})
    if record.exc_info:
        pairs["traceback"] = formatter.formatException(record.exc_info)
    return pairs


def _plain(value: object) -> bool:
    return value is None or isinstance(value, bool | int | float)


def _logfmt(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    text = clean(str(value))
    if text and not _QUOTED & set(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"') if '"' in text else text
    return f'"{escaped}"'
