"""What kind of trouble an error is, by an ordered list of rules: the first that matches decides."""

from collections.abc import Sequence
from typing import Literal, get_args

from exporter.analysis.bounded_regex import searchable
from exporter.analysis.text_rules import Matcher, Rule

Category = Literal["code", "performance", "security", "integration", "configuration", "infrastructure"]
CATEGORIES: tuple[Category, ...] = get_args(Category)


class CategoryRule(Rule, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Errors that match are of *category*."""

    category: Category


class Categories:
    """Tells the category of errors by *rules*, in order; *otherwise* where none matches."""

    def __init__(self, rules: Sequence[CategoryRule] = (), otherwise: Category = "code") -> None:
        self._categories = [rule.category for rule in rules]
        self._matcher = Matcher(rules)
        self._otherwise = otherwise

    def of(self, message: str, stack: str = "") -> Category:
        """The category of an error: its message decides, its stack only where the message says nothing."""
        return self._first(message) or (self._first(stack) if stack else None) or self._otherwise

    def _first(self, text: str) -> Category | None:
        """The category of the first rule that matches *text*."""
        number = next(iter(self._matcher.matching(searchable(text).lower())), None)
        return None if number is None else self._categories[number]
