import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.analysis.text_rules import Matcher, Rule, any_of, tells_numbers_apart


def test_matcher_wants_a_word_and_the_pattern() -> None:
    """Both must be there; either may be left out."""
    matcher = Matcher(
        [Rule(contains=("card", "payment"), regex="declined$"), Rule(contains=("card",)), Rule(regex="er")]
    )
    assert list(matcher.matching("the card was declined")) == [0, 1]
    assert list(matcher.matching("the order was declined")) == [2]
    assert list(matcher.matching("the card was taken")) == [1]


@settings(deadline=None)
@given(st.lists(st.lists(st.text("ab.", min_size=1, max_size=3), max_size=3).map(tuple), max_size=4), st.text("ab. "))
def test_matcher_finds_every_word(words: list[tuple[str, ...]], text: str) -> None:
    """Words that overlap, or begin like another, are found as if each were looked for by itself."""
    found = Matcher([Rule(contains=some, regex="" if some else "a") for some in words]).matching(text)
    wanted = [any(word in text for word in some or "a") for some in words]
    assert list(found) == [number for number, holds in enumerate(wanted) if holds]


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        ({}, "needs a regex"),
        ({"contains": ["Big"]}, "lower case"),
        ({"contains": [""]}, "lower case"),
        ({"regex": "("}, "no reg"),
    ],
)
def test_rule_refuses_what_can_never_work(rule: dict[str, object], problem: str) -> None:
    """A rule that matches nothing, or everything, is a mistake of its author."""
    with pytest.raises(msgspec.ValidationError, match=problem):
        msgspec.convert(rule, Rule)


def test_any_of_finds_the_longest_word() -> None:
    """One expression stands for all words, also where one begins like another."""
    words = ("card", "care", "car", "a+b", "../")
    found = any_of(words)
    assert [found.findall(f"xx {word} yy") for word in words] == [[word] for word in words]
    assert not found.search("ca ab ..")


@pytest.mark.parametrize(
    ("regex", "apart"),
    [
        (r"order \d++ failed", False),
        ("status=402", True),
        (r"code \d{3}", True),
        (r"a.{0,80}b", False),
        ("%3cscript", False),
    ],
)
def test_tells_numbers_apart(regex: str, apart: bool) -> None:  # noqa: FBT001 -- what is expected
    """Only a rule that wants a certain number keeps lines with other numbers from being taken for the same."""
    assert tells_numbers_apart([Rule(regex=regex)]) is apart
