import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chassis.redaction import redact
from exporter.analysis.error_categories import Categories, CategoryRule
from exporter.analysis.pattern_book import (
    FORGET_SECONDS,
    OTHER,
    Pattern,
    PatternBook,
    shown,
    without_numbers,
    without_secrets,
)

CATEGORIES = Categories([CategoryRule(category="performance", contains=("slow",))])


def count(book: PatternBook, message: str, now: float = 1000.0) -> Pattern:
    """Find and count one error."""
    pattern = book.find(message, "#0 frame", now)
    pattern.count += 1
    pattern.last_seen = now
    return pattern


def words(number: int) -> str:
    """A word without a digit for each number."""
    return "".join(chr(97 + int(digit)) for digit in str(number))


@pytest.fixture
def book() -> PatternBook:
    """Room for three patterns."""
    return PatternBook(CATEGORIES, 3)


@settings(deadline=None)
@given(
    st.lists(
        st.sampled_from(
            [
                *(
                    "Password",
                    "PAS\u017fWD",
                    "toKen",
                    "api_key",
                    "credentİal",
                    "-",
                    "--",
                    "=",
                    ": ",
                    " ",
                    '"',
                    "hunter22",
                ),
                *("Authorization", "Cookie", "BEARER", "://a:b@c", "ghp_", "xoxb-", "AKIA", "glpat-", "github_pat_"),
                *("-----BEGIN PRIVATE KEY-----", "hooks.slack.com/", "abcdefghij"),
            ]
        )
    ).map("".join)
)
def test_without_secrets_misses_nothing(text: str) -> None:
    """What is spared the costly way has nothing to redact."""
    assert without_secrets(text) == redact(text)


def test_find_numbers_make_no_pattern(book: PatternBook) -> None:
    """Messages that differ in numbers and addresses are one pattern, with its first message as example."""
    assert count(book, "slow query took 17 ms at 10.0.0.7:5432") is count(book, "slow query took 9 ms at 10.9.9.9:1")
    (pattern,) = book.patterns.values()
    assert (pattern.count, pattern.category, book.new) == (2, "performance", 1)
    assert pattern.sample == "slow query took 17 ms at 10.0.0.7:5432"
    assert len(pattern.fingerprint) == 12


def test_find_over_the_cap_counts_as_other_by_category(book: PatternBook) -> None:
    """Further patterns share a place, and their category is still told."""
    for text in ("alpha broke", "beta stuck", "gamma lost", "slow delta", "epsilon gone"):
        count(book, text)
    assert len(book.patterns) == 3
    assert {category: pattern.count for category, pattern in book.others.items()} == {"performance": 1, "code": 1}
    assert (book.dropped, book.new) == (2, 3)


def test_find_flood_keeps_memory_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """100,000 different messages add nothing past the caps."""
    monkeypatch.setattr("exporter.analysis.pattern_book.KEPT_MESSAGES", 100)
    book = PatternBook(CATEGORIES, 5)
    for number in range(3000):
        count(book, f"{words(number)} went {words(number * 7)} of {words(number * 13)}")
    assert len(book.patterns) <= 5
    assert len(book._memory) <= 100
    assert len(book._miner) <= 10
    assert sum(pattern.count for pattern in book.patterns.values()) + book.dropped == 3000


def test_find_old_patterns_make_room(book: PatternBook) -> None:
    """What was not seen for 30 days gives its place to what comes."""
    for text in ("alpha broke", "beta stuck", "gamma lost"):
        count(book, text)
    pattern = count(book, "delta gone", 1001.0 + FORGET_SECONDS)
    assert pattern.fingerprint != OTHER
    assert (len(book.patterns), book.forgotten) == (1, 3)


def test_find_old_patterns_make_room_after_a_flood(book: PatternBook) -> None:
    """That there was no room a while ago, also by a clock that was ahead, keeps nothing out for longer."""
    for number, now in enumerate((1000.0, 1001.0, 1002.0, 1003.0, 5000.0, 1004.0)):
        count(book, f"{words(number)} broke", now)
    assert count(book, "delta gone", 1000.0 + FORGET_SECONDS).fingerprint == OTHER
    assert count(book, "epsilon gone", 1000.5 + FORGET_SECONDS).fingerprint != OTHER


def test_dump_patterns_outlive_a_restart(book: PatternBook) -> None:
    """A pattern is the same afterwards, known since then, and not new; counts begin at 0."""
    before = count(book, "slow query took 17 ms")
    after = PatternBook(CATEGORIES, 3, book.dump(), now=2000.0)
    pattern = after.patterns[before.fingerprint]
    assert (pattern.count, pattern.earlier, pattern.first_seen) == (0, 1, 1000.0)
    assert count(after, "slow query took 3 ms", 2000.0) is pattern
    assert after.new == 0


def test_restore_sets_a_clock_right_that_was_ahead(book: PatternBook) -> None:
    """Nothing is first seen in the future."""
    count(book, "slow query took 17 ms", now=9e9)
    (pattern,) = PatternBook(CATEGORIES, 3, book.dump(), now=2000.0).patterns.values()
    assert pattern.first_seen == pattern.last_seen == 2000.0


@pytest.mark.parametrize("kept", [b"x", b"\xc1" * 99, b"\x92\x90\xc4\x01x", b"\x00"])
def test_restore_damaged_state_is_left_out(kept: bytes) -> None:
    """A state file that is not ours costs the memory of patterns, not the collector."""
    assert PatternBook(CATEGORIES, 3, kept).patterns == {}


def test_find_keeps_no_secret(book: PatternBook) -> None:
    """Neither label nor example nor state holds a password."""
    pattern = book.find("login with password=hunter2secret failed", "token: hunter2secret", 1.0)
    assert "hunter2secret" not in f"{pattern}"
    assert b"hunter2secret" not in book.dump()


def test_shown_is_fit_for_a_terminal() -> None:
    """Control characters are escaped and the length is kept."""
    assert shown("a\x1b[2Jb\x00", 99) == "a\\x1b[2Jb\\x00"
    assert len(shown("x" * 999, 50)) == 50


def test_without_numbers_leaves_words_and_escapes() -> None:
    """A number within a word or after a percent sign means something."""
    assert without_numbers("at 10.0.0.7:80 in 3 ms, SQLSTATE[42S02] %3c") == "at 0 in 0 ms, SQLSTATE[42S02] %3c"
