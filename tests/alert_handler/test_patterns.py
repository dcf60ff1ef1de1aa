import re
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alert_handler.errors import ConfigInvalid
from alert_handler.patterns import MAX_TEXT, compiled, fully_matches

GOOD = [
    ("Disk.*", "DiskFull", True),
    ("Disk", "DiskFull", False),
    ("Disk|Memory", "Memory", True),
    ("a.*|b.*|c.*|d.*|e.*", "exotic", True),
    ("(Disk|Memory)(Full|High)?", "MemoryHigh", True),
    ("(?i)disk.+", "DISKFULL", True),
    ("(?i:disk)X", "DiSkX", True),
    (r"a\.b", "axb", False),
    (r"[)]+", "))", True),
    (r"[]a]*", "]a]", True),
    (r"\)+", "))", True),
    (r"\\1", "\\1", True),
    (r"\d{2,3}", "123", True),
    (".*", "line\nbreak", True),
    ("", "", True),
]

DANGEROUS = [
    "(a+)+$",
    "(a*)*b",
    "(a|a)*b",
    "(a|aa)+$",
    "((a?)b)*",
    "(.*a){20}",
    "(?:a+)+",
    "(?i:a+)*x",
    ".*a.*b.*c.*d",
    "(x|a.*)(x|a.*)(x|a.*)(x|a.*)",
    "a+a+a+a+b",
    "(?=a)b",
    "(?!a)b",
    "(?<=a)b",
    "(?>a)b",
    "(?P<x>a)(?P=x)",
    r"(a)\1",
    "(",
    "a**",
    "[a-",
    "[[:alpha:]]",
    "a{99999999999999}",
    "x" * 5000,
    "(" * 2000,
    "*",
    "(?x)a b",
    "(?U)a",
]


@pytest.mark.parametrize(("pattern", "text", "expected"), GOOD)
def test_patterns_of_alertmanager_match_the_whole_text(pattern: str, text: str, expected: bool) -> None:  # noqa: FBT001
    """Anchored at both ends, as Alertmanager does."""
    assert fully_matches(pattern, text) is expected


@pytest.mark.parametrize("pattern", DANGEROUS, ids=[p[:30] for p in DANGEROUS])
def test_what_is_no_pattern_of_alertmanager_or_could_hang_is_refused(pattern: str) -> None:
    """Nested repeats, look-around, back references, too many repeats, nonsense: refused before any text is seen."""
    with pytest.raises(ConfigInvalid, match="regular expression"):
        compiled(pattern)


@settings(deadline=None, max_examples=400)
@given(st.text(alphabet="ab.*+?|()[]{}0,9^\\" + string.ascii_uppercase[:3], max_size=14))
def test_accepted_patterns_answer_at_once_on_the_worst_text(pattern: str) -> None:
    """Whatever is accepted has few repeats in a row, so its steps on a bounded text are bounded."""
    try:
        accepted = compiled(pattern)
    except ConfigInvalid:
        return
    outside = re.sub(r"\\.|\[\^?\]?[^\]]*\]", "x", accepted.pattern)
    assert not re.search(r"\)[*+{]", outside)
    accepted.fullmatch("a" * MAX_TEXT + "!")  # comes back: the test's own time limit is the proof


def test_refusal_says_what_to_write() -> None:
    """The person who wrote it learns how to write it."""
    with pytest.raises(ConfigInvalid, match="repeat single characters or sets only"):
        compiled("(a+)+")
