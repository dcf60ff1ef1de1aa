"""Signs in log lines beside errors: failed logins, attacks, and how business goes.

Every line is looked at, so the cheap question comes first: one expression of all the words that rules require. Text
is looked at in lower case and with `%xx` decoded twice, as attackers encode it.
"""

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args
from urllib.parse import unquote

from exporter.analysis.bounded_regex import TEXT_LENGTH, searchable
from exporter.analysis.text_rules import Matcher, Rule, any_word, tells_numbers_apart

SuspiciousKind = Literal[
    "sql_injection", "path_traversal", "xss", "command_injection", "scanner", "login_probe", "secret_probe"
]
SUSPICIOUS_KINDS: tuple[SuspiciousKind, ...] = get_args(SuspiciousKind)

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")


class SuspiciousRule(Rule, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Lines that match are an attack of *kind*."""

    kind: SuspiciousKind


class BusinessRule(Rule, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Lines that match are something the business counts: *kind* such as payment, *outcome* such as failure.

    Raises:
        ValueError: a name is not made of small letters, digits and underscores.
    """

    kind: str
    outcome: str

    def __post_init__(self) -> None:
        Rule.__post_init__(self)
        for key, name in (("kind", self.kind), ("outcome", self.outcome)):
            if not _NAME.fullmatch(name):
                raise ValueError(f"{key} is {name!r}; write small letters, digits and underscores, at most 40")


class Signs(NamedTuple):
    """What a line shows."""

    failed_login: bool = False
    suspicious: tuple[str, ...] = ()
    business: tuple[tuple[str, str], ...] = ()


NO_SIGNS = Signs()


class SignReader:
    """Looks for signs in lines by rules."""

    def __init__(
        self,
        failed_logins: Sequence[Rule] = (),
        suspicious: Sequence[SuspiciousRule] = (),
        business: Sequence[BusinessRule] = (),
    ) -> None:
        rules = [*failed_logins, *suspicious, *business]
        self._failed_logins = [Matcher(rule) for rule in failed_logins]
        self._suspicious = [(rule.kind, Matcher(rule)) for rule in suspicious]
        self._business = [((rule.kind, rule.outcome), Matcher(rule)) for rule in business]
        self._words = any_word(rules)
        self._none = not rules
        #: Whether lines that differ in nothing but numbers always show the same.
        self.blind_to_numbers = not tells_numbers_apart(rules)
        #: Every kind and outcome that the rules can find.
        self.business_events = tuple(sorted({key for key, _ in self._business}))

    def read(self, line: str) -> Signs:
        """What *line* shows; only its first 2,048 characters are looked at."""
        if self._none:
            return NO_SIGNS
        text = decoded(line[: 2 * TEXT_LENGTH]).lower()
        if self._words is not None and not self._words.search(text):
            return NO_SIGNS
        text = searchable(text)
        return Signs(
            any(matcher.matches(text) for matcher in self._failed_logins),
            tuple(dict.fromkeys(kind for kind, matcher in self._suspicious if matcher.matches(text))),
            tuple(dict.fromkeys(key for key, matcher in self._business if matcher.matches(text))),
        )


def decoded(text: str) -> str:
    """*text* with `%xx` decoded, also where it was encoded twice."""
    return unquote(unquote(text)) if "%" in text else text
