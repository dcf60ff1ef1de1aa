"""The body of `POST /errors`: an error that an application reports itself, checked field by field.

    {"timestamp": 1795220940, "error": "Call to undefined function f()", "stack_trace": "#0 ...",
     "context": {"order": 17}, "user_id": 42, "request_uri": "/checkout?step=2", "git_commit": "4f2a9c1",
     "service": "shop"}

Only `error` is required; unknown fields are tolerated. The user is never kept: `pseudonym` makes a name of the id
that only this exporter can make, so that users can be counted.
"""

import hashlib
import hmac
import math
import re
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

import msgspec

from chassis.redaction import well_formed
from exporter.analysis.pattern_book import shown, without_secrets
from exporter.errors import ExporterError

MAX_BODY_BYTES = 256 * 1024
#: Objects and lists inside each other in a body.
MAX_DEPTH = 20
MAX_ERROR = 2048
MAX_STACK = 8192
MAX_CONTEXT = 1024
MAX_URI = 512

_SERVICE = re.compile(r"[\w.-]{1,64}", re.ASCII)
_COMMIT = re.compile(r"[\w./+-]{1,64}", re.ASCII)


class ReportInvalid(ExporterError):
    """A body that is no report; the message names the field and what stands there."""


class Report(NamedTuple):
    """A checked report; texts are cut, secrets are removed, the user is named by `user` and not known.

    Attributes:
        error, stack: what went wrong, and where.
        service: whose error it is; empty where the report does not say.
        user_id: as given; to be made a pseudonym at once and not kept.
        details: context, request_uri (its path), git_commit and timestamp, as far as given.
        uri: the whole request URI, for finding attacks; not kept.
    """

    error: str
    stack: str
    service: str
    user_id: str
    details: dict[str, str]
    uri: str


def read_report(body: bytes) -> Report:
    """The report in *body*.

    Raises:
        ReportInvalid: it is no JSON object, too deep, or a field is not what it must be.
    """
    fields = _object(body)
    uri = _text(fields, "request_uri")
    details = {
        "context": _context(fields),
        "request_uri": shown(without_secrets(uri.partition("?")[0]), MAX_URI),
        "git_commit": _word(fields, "git_commit", _COMMIT),
        "timestamp": _timestamp(fields),
    }
    return Report(
        error=without_secrets(_required(fields, "error")[:MAX_ERROR]),
        stack=without_secrets(_stack(fields)[:MAX_STACK]),
        service=_word(fields, "service", _SERVICE),
        user_id=_user(fields),
        details={key: value for key, value in details.items() if value},
        uri=uri[:MAX_ERROR],
    )


def pseudonym(key: bytes, user_id: str) -> str:
    """A name of 16 hex digits for *user_id* that nobody can make, or trace back, without *key*."""
    return hmac.new(key, user_id.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()[:16]


def _object(body: bytes) -> Mapping[str, object]:
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise ReportInvalid(f"the body is no JSON: {error}") from error
    if not isinstance(found, dict):
        raise ReportInvalid(f"the body is {_seen(found)}: send a JSON object with the field `error`")
    if _deeper_than(found, MAX_DEPTH):
        raise ReportInvalid(f"the body is nested deeper than {MAX_DEPTH}")
    return found


def _deeper_than(value: object, levels: int) -> bool:
    """Whether lists and objects are inside each other more than *levels* deep."""
    if not isinstance(value, dict | list):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return levels == 0 or any(_deeper_than(item, levels - 1) for item in inner)


def _text(fields: Mapping[str, object], key: str) -> str:
    """The text under *key*; empty where there is none."""
    value = fields.get(key)
    if value is None:
        return ""
    if not isinstance(value, str):
        raise ReportInvalid(f"{key} is {_seen(value)}: write a text")
    return well_formed(value)


def _required(fields: Mapping[str, object], key: str) -> str:
    text = _text(fields, key).strip()
    if not text:
        raise ReportInvalid(f"{key} is {_seen(fields.get(key))}: write the error's message")
    return text


def _word(fields: Mapping[str, object], key: str, form: re.Pattern[str]) -> str:
    text = _text(fields, key)
    if text and not form.fullmatch(text):
        raise ReportInvalid(f"{key} is {_seen(text)}: write at most 64 letters, digits, dots and dashes")
    return text


def _stack(fields: Mapping[str, object]) -> str:
    """The stack: a text, or a list of lines."""
    value = fields.get("stack_trace")
    if isinstance(value, list):
        wrong = next((line for line in value if not isinstance(line, str)), "")
        if wrong != "":
            raise ReportInvalid(f"stack_trace holds {_seen(wrong)}: write a text, or a list of texts")
        return well_formed("\n".join(value[:500]))
    return _text(fields, "stack_trace")


def _context(fields: Mapping[str, object]) -> str:
    """The context as JSON, redacted and cut."""
    value = fields.get("context")
    if value in (None, {}, []):
        return ""
    if not isinstance(value, dict | list | str):
        raise ReportInvalid(f"context is {_seen(value)}: write an object")
    text = well_formed(value) if isinstance(value, str) else msgspec.json.encode(value).decode()
    return shown(without_secrets(text[: 4 * MAX_CONTEXT]), MAX_CONTEXT)


def _user(fields: Mapping[str, object]) -> str:
    """The user's id as text; empty for none. 0 is Drupal's visitor without an account."""
    value = fields.get("user_id")
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, str | int) or len(str(value)) > 256:
        raise ReportInvalid("user_id is no text or number of at most 256 characters")
    return str(value)


def _timestamp(fields: Mapping[str, object]) -> str:
    """The time that the report tells, as it was written; checked, and shown only."""
    value = fields.get("timestamp")
    if value is None:
        return ""
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value).isoformat()
        except ValueError:
            raise ReportInvalid(f"timestamp is {_seen(value)}: write seconds since 1970, or ISO 8601") from None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e11 or math.isnan(value):
        raise ReportInvalid(f"timestamp is {_seen(value)}: write seconds since 1970, or ISO 8601")
    return str(value)


def _seen(value: object) -> str:
    """What stands in a field, short and without secrets, for a message."""
    if isinstance(value, dict | list):
        return "an object" if isinstance(value, dict) else "a list"
    return shown(without_secrets(repr(value)[:200]), 80)
