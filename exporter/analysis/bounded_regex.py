"""Regular expressions that people write into rule files, refused where a hostile text could make them slow.

Python's matcher goes back: every repetition that can match in several ways multiplies the ways to try. The cost of a
pattern is the product of those ways over what stands in a row, and the sum over alternatives; possessive repetitions
(`a++`) and atomic groups cost what is inside them costs once, as nothing goes back into them. Texts are cut and their
white space is single, so the cost bounds the time of a search, whatever the text is.
"""

import re
from collections.abc import Iterable
from itertools import pairwise, takewhile
from typing import Any

# The only parser that agrees with `re` is its own. It is private, and the same in Python 3.11 to 3.13: elements that a
# later one adds are refused, and where it hides the parser (`sre_parse` is the same one), patterns are not judged.
try:
    from re import _parser  # type: ignore[attr-defined]
except ImportError:
    _parser = None

#: Characters of a text that are searched.
TEXT_LENGTH = 2048
#: Longer patterns are a mistake.
MAX_PATTERN_LENGTH = 2000
#: Ways to try from one place of the text: one `.*` and a few `?`, or two `.{0,80}`.
MAX_COST = 8192

_WHITE_SPACE = re.compile(r"\s+")
_NO_BLANK = re.compile(r"[\t-\r\x1c-\x1f\x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]")
_REPEATS = ("MAX_REPEAT", "MIN_REPEAT")
_SIMPLE = ("LITERAL", "NOT_LITERAL", "ANY", "IN", "AT", "GROUPREF", "FAILURE")
_GROUPS = ("SUBPATTERN", "ASSERT", "ASSERT_NOT", "POSSESSIVE_REPEAT")
_SPACE_ONLY = "[(IN, [(CATEGORY, CATEGORY_SPACE)])]"


def searchable(text: str) -> str:
    """*text* as patterns see it: white space single, at most `TEXT_LENGTH` characters."""
    text = text[: TEXT_LENGTH * 2]
    if "  " in text or _NO_BLANK.search(text):
        text = _WHITE_SPACE.sub(" ", text)
    return text[:TEXT_LENGTH]


def compile_bounded(pattern: str) -> re.Pattern[str]:
    """*pattern* without regard to case.

    Raises:
        ValueError: it is no regular expression, or one that could take long; the message says which part to change.
    """
    if len(pattern) > MAX_PATTERN_LENGTH:
        raise ValueError(f"the pattern is longer than {MAX_PATTERN_LENGTH} characters; write several rules")
    try:
        cost = _cost(_parser.parse(pattern, re.IGNORECASE)) if _parser else 1
        compiled = re.compile(pattern, re.IGNORECASE)
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"{pattern!r} is no regular expression: {error}") from error
    if cost > MAX_COST:
        raise ValueError(
            f"{pattern!r} could take long: its repetitions can match in too many ways; write .{{0,80}} for .*, "
            f"possessive repetitions (\\d++ for \\d+, (?:a|b)++ for (?:a|b)+), or two rules"
        )
    return compiled


def _cost(items: Iterable[tuple[Any, Any]]) -> int:
    """Ways to try of what stands in a row; more than `MAX_COST` is not counted on."""
    product = 1
    for operation, argument in items:
        product = min(product * _item_cost(str(operation), argument), MAX_COST + 1)
    return product


def _item_cost(operation: str, argument: Any) -> int:  # noqa: ANN401 -- the parser is untyped
    """Ways to try of one element."""
    if operation == "ATOMIC_GROUP":
        return _cost(argument)  # nothing goes back into it, but it is gone back in
    if operation in _REPEATS:
        return _repeat_cost(*argument)
    if operation == "BRANCH":
        return _choice_cost(argument[1])
    if operation == "GROUPREF_EXISTS":
        return sum(_cost(branch) for branch in argument[1:] if branch)
    if operation in _GROUPS:
        return _cost(argument[-1])
    return 1 if operation in _SIMPLE else MAX_COST + 1


def _choice_cost(branches: list[Any]) -> int:
    """Ways to try of alternatives: the sum, but where no two can match at one place, the highest."""
    costs = [_cost(branch) for branch in branches]
    starts = sorted(_literal_start(branch) for branch in branches)
    exclusive = not any(after.startswith(start) for start, after in pairwise(starts))
    return max(costs) if exclusive else sum(costs)


def _literal_start(items: Iterable[tuple[Any, Any]]) -> str:
    """The text that whatever *items* match begins with, as far as it is known; in lower case."""
    known = takewhile(lambda item: str(item[0]) == "LITERAL", items)
    return "".join(chr(code) for _, code in known).lower()


def _repeat_cost(low: int, high: int, items: Any) -> int:  # noqa: ANN401 -- the parser is untyped
    """Ways to try of a repetition: how often it may match, times the ways of each time."""
    inner = _cost(items)
    often = 1 if str(list(items)) == _SPACE_ONLY else TEXT_LENGTH
    times = min(int(high), max(often, int(low)))
    ways = max(1, times - int(low) + 1)
    if inner == 1:
        return ways
    return min(int(inner ** min(times, 20)), MAX_COST + 1) * ways
