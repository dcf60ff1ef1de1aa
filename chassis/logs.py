"""One line per event, as logfmt or JSON, on standard error.

A value can hold anything that an alert's author typed: control, bidirectional and line-separating characters are
escaped, so that no value can forge a line, hide text or colour a terminal.
"""

import json
import logging
import math
import re
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
_KEY = re.compile(r"[^A-Za-z0-9_.-]")

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
    return _visible(_cut(text))


def _cut(text: str) -> str:
    return text if len(text) <= MAX_VALUE else f"{text[:MAX_VALUE]}... ({len(text)} characters)"


def _visible(text: str) -> str:
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escape(character) for character in text)


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
    for key, value in getattr(record, _FIELDS, {}).items():
        name = _KEY.sub("_", key)
        pairs[f"{name}_" if name in pairs else name] = value
    if record.exc_info:
        # Its end tells what was raised.
        pairs["traceback"] = formatter.formatException(record.exc_info)[-MAX_VALUE:]
    return pairs


def _plain(value: object) -> bool:
    """Whether JSON can say it as it is; NaN and the infinities it cannot."""
    return value is None or isinstance(value, bool | int) or (isinstance(value, float) and math.isfinite(value))


def _logfmt(value: object) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    text = _cut(str(value))
    # Backslashes are escaped before control characters are, so that a reader gets the very value back.
    shown = _visible(text.replace("\\", "\\\\").replace('"', '\\"'))
    return shown if shown and not _QUOTED & set(shown) else f'"{shown}"'
