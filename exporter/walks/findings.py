"""Values in a reply: where they are, what they become (captures) and what they must be (rules)."""

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import islice

import jsonpath
import msgspec
from jsonpath.exceptions import JSONPathError

from exporter.walks.message import Reply, StepFailed
from exporter.walks.template import as_text

#: More values than this are not looked at.
MAX_FOUND = 10_000
#: A captured text goes into URLs, headers and bodies: longer ones are refused.
MAX_CAPTURE_CHARACTERS = 8_192
_SHOWN_CHARACTERS = 80

Scalar = str | int | float | bool | None
_STRICT = jsonpath.JSONPathEnvironment(strict=True)


@lru_cache(maxsize=4096)
def json_path(path: str) -> jsonpath.CompoundJSONPath | jsonpath.JSONPath:
    """*path* as RFC 9535 has it, compiled.

    Raises:
        ValueError: it is no such path.
    """
    try:
        return _STRICT.compile(path)
    except (JSONPathError, RecursionError, ValueError, OverflowError) as error:
        raise ValueError(f"json: {path!r} is no JSONPath: {str(error).partition(chr(10))[0]}") from error


@lru_cache(maxsize=4096)
def pattern(regex: str) -> re.Pattern[str]:
    """*regex*, compiled.

    Raises:
        ValueError: it is no regular expression.
    """
    try:
        return re.compile(regex)
    except (re.error, RecursionError, OverflowError) as error:
        raise ValueError(f"{regex!r} is no regular expression: {error}") from error


class Place(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where values are in a reply: exactly one of json, regex, header.

    Attributes:
        json: a JSONPath (RFC 9535) into the body, e.g. `$.items[0].id`.
        regex: a regular expression searched in the body as text; the value is its first group, else the whole match.
        header: the name of a header.
        count: true takes the number of values found instead of the first.
    """

    json: str = ""
    regex: str = ""
    header: str = ""
    count: bool = False

    def __post_init__(self) -> None:
        if [bool(self.json), bool(self.regex), bool(self.header)].count(True) != 1:
            raise ValueError("give exactly one of json, regex, header")
        if self.json:
            json_path(self.json)
        if self.regex:
            pattern(self.regex)

    def __str__(self) -> str:
        name = self.json or (f"header {self.header}" if self.header else f"regex {self.regex!r}")
        return f"the count of {name}" if self.count else name

    def values(self, reply: Reply) -> Sequence[object]:
        """What is there, in its order, at most `MAX_FOUND`.

        Raises:
            StepFailed: a JSONPath on a body that is no JSON.
        """
        limit = MAX_FOUND if self.count else 1
        found: Sequence[object]
        if self.header:
            found = [value for name, value in reply.headers if name.lower() == self.header.lower()]
        elif self.regex:
            hits = islice(pattern(self.regex).finditer(reply.text), limit)
            found = [hit[1] if hit.re.groups else hit[0] for hit in hits]
        else:
            found = _nodes(self.json, reply.document, limit)
        return [len(found)] if self.count else found


class Capture(Place, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A value of a reply that later steps use as `${name}`; that it is there is checked.

    Attributes:
        number: true demands a number and shows it as nightshift_journey_captured_value.
        secret: true hides it in failures and logs.
    """

    number: bool = False
    secret: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.number and self.secret:
            raise ValueError("a value is either shown (number) or hidden (secret)")

    @property
    def shown(self) -> bool:
        """Whether the value is a number for /metrics."""
        return self.number or self.count

    def take(self, reply: Reply) -> object:
        """The value.

        Raises:
            StepFailed: there is none, it is too long, or no number where one is wanted (reason `capture`).
        """
        try:
            found = self.values(reply)
        except StepFailed as error:
            raise StepFailed("capture", error.detail) from error
        if not found or found[0] is None:
            raise StepFailed("capture", f"{self} is not in the answer")
        if self.shown and as_number(found[0]) is None:
            raise StepFailed("capture", f"{self} is {_shown(found[0])}, no number")
        if len(as_text(found[0])) > MAX_CAPTURE_CHARACTERS:
            raise StepFailed("capture", f"{self} is longer than {MAX_CAPTURE_CHARACTERS} characters")
        return found[0]


class Rule(Place, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a value of a reply must be; without any condition it must be there.

    Attributes:
        equals: it is this; texts and numbers are different things in JSON, not in headers and regexes.
        min: it is a number and at least this.
        max: it is a number and at most this.
        exists: false demands that it is not there.
        not_empty: it is no empty text, list or mapping, and not null.
        matches: a regular expression that is found in it.
    """

    equals: Scalar | msgspec.UnsetType = msgspec.UNSET
    min: float | None = None
    max: float | None = None
    exists: bool = True
    not_empty: bool = False
    matches: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        pattern(self.matches)
        conditions = (self.equals is not msgspec.UNSET, self.min is not None, self.max is not None)
        if not self.exists and (any(conditions) or self.not_empty or self.matches):
            raise ValueError("exists: false leaves no value for another condition")

    def check(self, reply: Reply) -> None:
        """Let a reply pass in which the value is as it must be.

        Raises:
            StepFailed: it is not (reason `assertion`).
        """
        found = self.values(reply)
        if not self.exists:
            if found:
                raise StepFailed("assertion", f"{self} is there: {_shown(found[0])}")
            return
        if not found:
            raise StepFailed("assertion", f"{self} is not in the answer")
        problem = self._problem(found[0])
        if problem:
            raise StepFailed("assertion", f"{self} is {_shown(found[0])}, {problem}")

    def _problem(self, value: object) -> str:
        """What is wrong with *value*; empty where nothing is."""
        if self.equals is not msgspec.UNSET and not self._equal(value):
            return f"not {_shown(self.equals)}"
        if self.not_empty and value in (None, "", [], {}):
            return "which is empty"
        if self.matches and not pattern(self.matches).search(as_text(value)):
            return f"which does not match {self.matches!r}"
        return self._out_of_range(value)

    def _equal(self, value: object) -> bool:
        if self.json or self.count:
            return value == self.equals and isinstance(value, bool) == isinstance(self.equals, bool)
        return value == (self.equals if isinstance(self.equals, str) else as_text(self.equals))

    def _out_of_range(self, value: object) -> str:
        if self.min is None and self.max is None:
            return ""
        number = as_number(value)
        if number is None:
            return "no number"
        if self.min is not None and number < self.min:
            return f"below the minimum {self.min:g}"
        return f"above the maximum {self.max:g}" if self.max is not None and number > self.max else ""


def as_number(value: object) -> float | None:
    """A JSON number, or a text that is one, as a finite float; None for everything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if abs(number) < float("inf") else None


def _nodes(path: str, document: object, limit: int) -> list[object]:
    # The library takes a text for JSON that is to be read.
    readable = json.dumps(document) if isinstance(document, str) else document
    try:
        return [node.obj for node in islice(json_path(path).finditer(readable), limit)]  # type: ignore[arg-type]
    except (JSONPathError, RecursionError) as error:
        text = str(error).partition("\n")[0]
        raise StepFailed("assertion", f"{path} cannot be looked for in this document: {text}") from error


def _shown(value: object) -> str:
    text = as_text(value)
    quoted = repr(text) if isinstance(value, str) else text
    return quoted if len(quoted) <= _SHOWN_CHARACTERS else f"{quoted[:_SHOWN_CHARACTERS]}..."
