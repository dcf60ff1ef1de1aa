"""Regular expressions of matchers: those of Alertmanager (RE2), checked to be quick in Python's backtracking engine.

RE2 needs time in proportion to the text, Python's `re` can need an exponential one: `(a+)+$` takes half a minute on
28 letters. So a group is never repeated, what RE2 does not know is refused, and only a few repeats may follow each
other on a text of bounded length.
"""

import re
import warnings
from functools import lru_cache

from alert_handler.errors import ConfigInvalid

#: A longer text matches no pattern, and no negated one either.
MAX_TEXT = 256
MAX_PATTERN = 4096
#: Repeats that may follow each other: the time grows with the text's length to this power.
MAX_REPEATS = 3

_ATOM = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]", re.DOTALL)
_REPEATED_GROUP = re.compile(r"\)(?:[*+]|\{)")
_NOT_RE2 = re.compile(r"\(\?(?!:|P<|[ims-]+[:)])")
_REFERENCES = frozenset(f"\\{digit}" for digit in range(1, 10))
_REPEAT = re.compile(r"[*+]|\{\d*,?\d*\}")


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> re.Pattern[str]:
    """*pattern* ready for `fullmatch`.

    Raises:
        ConfigInvalid: it is no regular expression, or could need unbounded time.
    """
    problem = _problem(pattern)
    if problem:
        raise ConfigInvalid(f"regular expression {pattern[:200]!r}: {problem}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", FutureWarning)  # a set in a set ([[:alpha:]]) means another thing in RE2
            return re.compile(pattern, re.DOTALL)
    except (re.error, OverflowError, RecursionError, FutureWarning) as error:
        raise ConfigInvalid(f"no regular expression: {pattern[:200]!r}: {error}") from error


def fully_matches(pattern: str, text: str) -> bool:
    """Whether *pattern* matches the whole of *text*, which must not be longer than `MAX_TEXT`.

    Raises:
        ConfigInvalid: as `compiled`.
    """
    return compiled(pattern).fullmatch(text) is not None


def _problem(pattern: str) -> str:
    """Why *pattern* could need unbounded time, or ""."""
    if len(pattern) > MAX_PATTERN:
        return f"is longer than {MAX_PATTERN} characters"
    if _REFERENCES.intersection(_ATOM.findall(pattern)):
        return "refers back to a group, which RE2 does not know"
    plain = _ATOM.sub("_", pattern)
    if _NOT_RE2.search(plain):
        return "looks around, which RE2 does not know"
    if _REPEATED_GROUP.search(plain):
        return "repeats a group, which can take for ever; repeat single characters or sets only"
    branches = plain.split("|") if "(" not in plain else [plain]
    if max(len(_REPEAT.findall(branch)) for branch in branches) > MAX_REPEATS:
        return f"more than {MAX_REPEATS} repeats follow each other, which can take for ever; write several matchers"
    return ""
