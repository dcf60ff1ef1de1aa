"""Signs in log lines beside errors: failed logins, attacks, and how business goes.

Text is looked at in lower case and with `%xx` decoded twice, as attackers encode it.
"""

import re
from collections.abc import Sequence
from typing import Literal, NamedTuple, get_args
from urllib.parse import unquote

from exporter.analysis.bounded_regex import TEXT_LENGTH, searchable
from exporter.analysis.text_rules import Matcher, Rule, tells_numbers_apart

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
        self._rules = rules
        self._matcher = Matcher(rules)
        #: Whether lines that differ in nothing but numbers always show the same.
        self.blind_to_numbers = not tells_numbers_apart(rules)
        #: Every kind and outcome that the rules can find.
        self.business_events = tuple(sorted({(rule.kind, rule.outcome) for rule in business}))

    def read(self, line: str) -> Signs:
        """What *line* shows; only its first 2,048 characters are looked at."""
        text = searchable(decoded(line[: 2 * TEXT_LENGTH]).lower())
        found = [self._rules[number] for number in self._matcher.matching(text)]
        return _signs(found) if found else NO_SIGNS


def _signs(rules: Sequence[Rule]) -> Signs:
    """What it means that *rules* match."""
    suspicious = dict.fromkeys(rule.kind for rule in rules if isinstance(rule, SuspiciousRule))
    business = dict.fromkeys((rule.kind, rule.outcome) for rule in rules if isinstance(rule, BusinessRule))
    failed_login = any(not isinstance(rule, SuspiciousRule | BusinessRule) for rule in rules)
    return Signs(failed_login, tuple(suspicious), tuple(business))


def decoded(text: str) -> str:
    """*text* with `%xx` decoded, also where it was encoded twice."""
    return unquote(unquote(text)) if "%" in text else text
