import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.analysis.bounded_regex import TEXT_LENGTH, compile_bounded, searchable


@pytest.mark.parametrize(
    "pattern",
    [
        "a.*b",
        "a.{0,80}b.{0,80}c",
        r"\s+or\s*=\s*\d++",
        "(?:a|b)+",
        r"(?:\d{1,3}\.){3}\d",
        "x.*|y.*|z.*",
        "(?:ab|ba)++",
        "(?>a.*b)c",
        "",
    ],
)
def test_compile_takes_what_is_bounded(pattern: str) -> None:
    """Patterns that people write about log lines are taken."""
    assert compile_bounded(pattern).pattern == pattern


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+",
        "(?:a|aa)+",
        ".*.*=",
        "(a?){50}",
        r"(\w+\s?)*$",
        "(?=a*b*)c",
        "(a{1,20}){1,20}",
        "(?>(a+)+$)",
        "(?:(a+)+$|b)++",
    ],
)
def test_compile_refuses_what_could_take_long(pattern: str) -> None:
    """Repetitions that multiply are refused, with what to write instead."""
    with pytest.raises(ValueError, match=r"could take long.*\.\{0,80\}"):
        compile_bounded(pattern)


@pytest.mark.parametrize("pattern", ["(", "[a", "a{3,1}", "*", "(" * 5000, "x" * 5000])
def test_compile_refuses_what_is_no_pattern(pattern: str) -> None:
    """A mistake is a ValueError, whatever it makes of Python's own parser."""
    with pytest.raises(ValueError, match=r"no regular expression|longer than"):
        compile_bounded(pattern)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.sampled_from(["a", ".", "a*", "(?:a|b)", "(?:a|aa)", ".{0,40}", "a?", "(a+)", "+", "*", "{2,9}", "|"]))
)
def test_compile_bounds_the_time_of_a_search(parts: list[str]) -> None:
    """No pattern that is taken needs seconds for the text that is worst for it."""
    try:
        compiled = compile_bounded("".join(parts))
    except ValueError:
        return
    started = time.process_time()
    compiled.search("a" * (TEXT_LENGTH - 1) + "!")
    assert time.process_time() - started < 5


@pytest.mark.parametrize("blank", [chr(code) for code in range(0x3001) if chr(code).isspace()])
def test_searchable_knows_every_blank(blank: str) -> None:
    """Whatever is white space to `re` becomes a blank."""
    assert searchable(f"a{blank}b") == "a b" == searchable(f"a {blank}b")


def test_searchable_is_short_and_has_single_blanks() -> None:
    """White space is one blank, and the text is cut."""
    assert searchable("a \t\n b") == "a b"
    assert len(searchable("x" * 10_000)) == TEXT_LENGTH
