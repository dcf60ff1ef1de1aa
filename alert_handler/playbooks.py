"""Playbooks: which remediation answers which alert, and how its success is verified.

Matchers are written as Alertmanager writes them (`alertname=~"Disk.*"`), so an entry reads like a route. A
`{label}` in a parameter or query is filled with the alert's label, which must then be harmless text: a label chooses
among what was declared, and can never become code, path or query.
"""

import operator
import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Annotated, Any

import msgspec

from alert_handler.errors import ConfigInvalid, RemediationRefused
from alert_handler.model import Labels, Mode
from alert_handler.patterns import MAX_TEXT, compiled, fully_matches

_MATCHER = re.compile(r'\s*([a-zA-Z_:][a-zA-Z0-9_:]*)\s*(=~|!~|!=|=)\s*(?:"((?:[^"\\]|\\.)*)"|([^"\s]*))\s*')
_PLACEHOLDER = re.compile(r"\{([a-zA-Z_][a-zA-Z0-9_]*)\}")
_HARMLESS = re.compile(r"[A-Za-z0-9_/][A-Za-z0-9_.:@/-]{0,255}")
_CONDITION = re.compile(r"\s*(<=|>=|==|!=|<|>)\s*(-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)\s*")
_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "==": operator.eq,
    "!=": operator.ne,
}


class Verify(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """When is it fixed: every sample of `query` must be `healthy` for `hold_seconds`, seen `within_seconds`."""

    query: str
    healthy: str
    hold_seconds: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 10.0
    within_seconds: Annotated[float, msgspec.Meta(ge=1, le=86400)] = 120.0

    def is_healthy(self, value: float) -> bool:
        """Whether one sample's *value* meets the condition; NaN meets none but `!=`, and never counts as healthy."""
        symbol, number = condition(self.healthy)
        return value == value and _COMPARE[symbol](value, number)  # noqa: PLR0124 -- NaN


class Playbook(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One entry: alerts that match all of `match` are answered with `remediation`."""

    name: str
    match: tuple[str, ...]
    remediation: str
    verify: Verify
    params: dict[str, Any] = {}
    #: Never further than this, whatever the global mode allows.
    mode: Mode = Mode.ACT
    cooldown_seconds: Annotated[float, msgspec.Meta(ge=0, le=86400)] = 300.0
    deadline_seconds: Annotated[float, msgspec.Meta(ge=1, le=3600)] = 300.0

    def matches(self, labels: Labels) -> bool:
        """Whether an alert with *labels* is this entry's."""
        return all(_matches(matcher, labels) for matcher in self.match)


def first_match(playbooks: Iterable[Playbook], labels: Labels) -> Playbook | None:
    """The first entry that matches *labels*."""
    return next((playbook for playbook in playbooks if playbook.matches(labels)), None)


@lru_cache(maxsize=1024)
def parse_matcher(text: str) -> tuple[str, str, str]:
    """Label name, operator and value of one matcher.

    Raises:
        ConfigInvalid: *text* is no matcher.
    """
    match = _MATCHER.fullmatch(text)
    if match is None:
        raise ConfigInvalid(f'no matcher: {text!r} (write name="value", name!="value", name=~"regex" or name!~"regex")')
    name, symbol, quoted, bare = match.groups()
    value = bare if quoted is None else re.sub(r"\\(.)", _unescape, quoted)
    if symbol in ("=~", "!~"):
        compiled(value)
    return name, symbol, value


def _unescape(match: re.Match[str]) -> str:
    """A backslash escapes a quote, itself and n (new line); any other one stays: it is the regular expression's."""
    character = match.group(1)
    return {"n": "\n", '"': '"', "\\": "\\"}.get(character, match.group(0))


def _matches(matcher: str, labels: Labels) -> bool:
    name, symbol, wanted = parse_matcher(matcher)
    value = labels.get(name, "")
    if symbol in ("=", "!="):
        return (value == wanted) == (symbol == "=")
    return len(value) <= MAX_TEXT and fully_matches(wanted, value) == (symbol == "=~")


@lru_cache(maxsize=1024)
def condition(text: str) -> tuple[str, float]:
    """Operator and number of a condition such as `< 0.80`.

    Raises:
        ConfigInvalid: *text* is no condition.
    """
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise ConfigInvalid(f"no condition: {text!r} (write an operator and a number, e.g. '< 0.80')")
    return match.group(1), float(match.group(2))


def fill(text: str, labels: Labels) -> str:
    """*text* with every `{label}` replaced.

    Raises:
        RemediationRefused: a label is missing, or its value is not harmless text.
    """

    def value(match: re.Match[str]) -> str:
        name = match.group(1)
        found = labels.get(name, "")
        if not found:
            raise RemediationRefused(f"the alert has no label {name!r}")
        if _HARMLESS.fullmatch(found) is None or ".." in found.split("/"):
            raise RemediationRefused(f"the value of label {name!r} is not plain text of letters, digits and _.:@/-")
        return found

    return _PLACEHOLDER.sub(value, text)


def fill_all(value: Any, labels: Labels) -> Any:  # noqa: ANN401 -- plain YAML objects
    """*value* with the placeholders in all its strings replaced.

    Raises:
        RemediationRefused: as `fill`.
    """
    if isinstance(value, str):
        return fill(value, labels)
    if isinstance(value, dict):
        return {key: fill_all(item, labels) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [fill_all(item, labels) for item in value]
    return value


def check(playbook: Playbook) -> None:
    """Prove that the matchers and the condition of *playbook* can be read, and that it does not answer every alert.

    Raises:
        ConfigInvalid: one cannot, or it does.
    """
    if not playbook.name:
        raise ConfigInvalid("name: is empty")
    for index, matcher in enumerate(playbook.match):
        _at(f"match[{index}]", parse_matcher, matcher)
    if playbook.matches({}):
        raise ConfigInvalid("match: also answers an alert without labels: an entry that answers every alert is refused")
    if not playbook.verify.query.strip():
        raise ConfigInvalid("verify.query: is empty: without it nothing can be verified")
    _at("verify.healthy", condition, playbook.verify.healthy)


def _at(place: str, read: Callable[[str], object], text: str) -> None:
    """Let *read* prove *text*; its complaint names *place*."""
    try:
        read(text)
    except ConfigInvalid as error:
        raise ConfigInvalid(f"{place}: {error}") from error


def check_unique(playbooks: Sequence[Playbook]) -> None:
    """Prove that no two entries share a name.

    Raises:
        ConfigInvalid: two do.
    """
    names = [playbook.name for playbook in playbooks]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ConfigInvalid(f"playbooks: the name {twice[0]!r} is given twice")
