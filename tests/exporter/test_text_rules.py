import msgspec
import pytest

from exporter.analysis.text_rules import Matcher, Rule, any_word, tells_numbers_apart


def test_matcher_wants_a_word_and_the_pattern() -> None:
    """Both must be there; either may be left out."""
    both = Matcher(Rule(contains=("card", "payment"), regex="declined$"))
    assert both.matches("the card was declined")
    assert not both.matches("the order was declined")
    assert not both.matches("the card was taken")
    assert Matcher(Rule(contains=("card",))).matches("a card")


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


def test_any_word_finds_every_required_word() -> None:
    """One expression stands for all words, also where one begins like another."""
    words = ("card", "care", "car", "a+b", "../")
    found = any_word([Rule(contains=words[:3]), Rule(contains=words[3:])])
    assert found is not None
    assert all(found.search(f"xx {word} yy") for word in words)
    assert not found.search("ca ab ..")


def test_any_word_is_none_where_a_rule_requires_none() -> None:
    """A rule without words has to be asked for each line."""
    assert any_word([Rule(contains=("a",)), Rule(regex="b")]) is None


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
