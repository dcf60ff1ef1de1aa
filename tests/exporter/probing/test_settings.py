import os
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.probing.attempt import ProbeFailed
from exporter.probing.settings import check_patterns, host_and_port, matches, seconds, secret, size


@pytest.mark.parametrize(
    ("text", "value"), [(5, 5), (0.5, 0.5), ("5s", 5), ("1m30s", 90), ("500ms", 0.5), ("1h", 3600), ("0.5s", 0.5)]
)
def test_seconds_reads_numbers_and_durations(text: float | str, value: float) -> None:
    """As blackbox_exporter's configuration writes them."""
    assert seconds(text) == value


@pytest.mark.parametrize("text", ["", "5", "5x", "s", "-5s", "5s5"])
def test_seconds_refuses_other_text(text: str) -> None:
    """The message shows how to write it."""
    with pytest.raises(ValueError, match="500ms"):
        seconds(text)


@pytest.mark.parametrize(("text", "value"), [(7, 7), ("512KB", 524288), ("10MB", 10485760), ("1GiB", 2**30), ("3", 3)])
def test_size_reads_numbers_and_units(text: int | str, value: int) -> None:
    """Units are powers of 1024."""
    assert size(text) == value


@pytest.mark.parametrize(
    ("text", "default", "found"),
    [
        ("mail.example:25", 0, ("mail.example", 25)),
        ("[::1]:25", 0, ("::1", 25)),
        ("::1", 53, ("::1", 53)),
        ("[::1]", 53, ("::1", 53)),
        ("192.0.2.1", 53, ("192.0.2.1", 53)),
    ],
)
def test_host_and_port_reads_both(text: str, default: int, found: tuple[str, int]) -> None:
    """With brackets around addresses of IPv6."""
    assert host_and_port(text, default) == found


@pytest.mark.parametrize("text", ["", "mail.example", ":25", "a:b", "a:0", "a:70000", "a b:1", "::1", "a:\u0661"])
def test_host_and_port_refuses_the_rest(text: str) -> None:
    """The message shows how to write it."""
    with pytest.raises(ValueError, match="HOST:PORT"):
        host_and_port(text)


@pytest.mark.parametrize("pattern", ["(a+)+", "(?:a*b?)*", "((x{2,})y*)+", "(a|b+)*", "(?>(a+)+$)", "(?:(a+)+$|b)++"])
def test_check_patterns_refuses_what_can_take_for_ever(pattern: str) -> None:
    """A repetition of a repetition, as a hostile page would stop the engine with it."""
    with pytest.raises(ValueError, match="for ever"):
        check_patterns(pattern)


def test_check_patterns_takes_the_usual() -> None:
    """One level of repetition, possessive ones, bounded ones inside."""
    check_patterns("^220.*ESMTP", "(?:a+)++", "(?:[0-9]{1,3}[.]){3}", "(?>a+)+", "Welcome|Shop")


PIECES = ("a", "b", ".", r"\s", "[ab]", "(a|b+)", "(?:a*b)", "^", "$", r"\b", "(?=a)", "(?i:A)", "(a.*|.*b)")
REPEATS = ("", "*", "+", "?", "*?", "{2,}", "*+")


@settings(deadline=None, max_examples=200)
@given(
    pieces=st.lists(st.tuples(st.sampled_from(PIECES), st.sampled_from(REPEATS)), max_size=4),
    text=st.text("abA \n", max_size=8),
)
def test_matches_agrees_with_a_search(pieces: list[tuple[str, str]], text: str) -> None:
    """What is left out of a pattern never changes whether it is found."""
    pattern = "".join(piece if piece in "^$" or piece[0] == "\\" else piece + repeat for piece, repeat in pieces)
    assert matches(pattern, text) == (re.search(pattern, text) is not None)


@pytest.mark.parametrize("pattern", [".*Welcome.*", "(?s).*?Welcome", r"a+$", "(.*Welcome|.+Shop)", ".{2,}Welcome"])
def test_matches_is_over_at_once_on_a_page_without_line_breaks(pattern: str) -> None:
    """A pattern that begins with any number of anything would look at each of a million characters a million times."""
    assert not matches(pattern, "a" * 1024 * 1024 + "b")


def test_matches_keeps_groups_that_are_referred_to() -> None:
    """A group that must come again is not shortened."""
    assert not matches(r"(a+)b\1$", "aabaaa"[:3] + "c")
    assert matches(r"(a*)b\1$", "aabaa")


def test_secret_is_read_again_when_it_changes(tmp_path: Path) -> None:
    """A renewed token counts at once; a missing file fails the probe."""
    file = tmp_path / "token"
    file.touch(mode=0o600)
    file.write_text("one\n")
    assert secret(str(file)) == "one"
    file.write_text("three\n")
    os.utime(file, ns=(1, 1))
    assert secret(str(file)) == "three"
    file.unlink()
    with pytest.raises(ProbeFailed) as failed:
        secret(str(file))
    assert failed.value.reason == "secret"
