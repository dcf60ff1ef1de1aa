import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.analysis.pattern_book import PatternBook
from exporter.sources import error_rules
from exporter.sources.error_presets import PRESETS, PresetName
from exporter.sources.error_report import read_report
from exporter.sources.log_levels import Level
from exporter.sources.service_errors import MAX_LOGS, ServiceErrors, lines_of
from tests.exporter.doubles import Clock

RULES = error_rules.load()


def errors_of(preset: PresetName = "auto", clock: Clock | None = None, least: Level | None = None) -> ServiceErrors:
    """The sums of a service, with room for ten patterns."""
    clock = clock or Clock()
    book = PatternBook(RULES.categorizer(), 10)
    return ServiceErrors(book, RULES.sign_reader(), PRESETS[preset], least, (clock, clock))


def counts(errors: ServiceErrors) -> list[int]:
    """Errors by pattern."""
    return [pattern.count for pattern in errors.book.patterns.values()]


def test_feed_counts_errors_by_pattern() -> None:
    """Lines that differ in numbers are one pattern; lines of information are none."""
    errors = errors_of("plain")
    errors.feed(b"".join(b"2026-11-21 02:29:0%d ERROR cart %d lost\n" % (n, n) for n in range(5)) + b"INFO fine\n")
    assert counts(errors) == [5]
    assert errors.lines == 6


def test_feed_counts_signs_in_every_line() -> None:
    """A failed login, an attack and a payment count, each line once, whether it is an error or not."""
    errors = errors_of("plain")
    errors.feed(b"Failed password for invalid user bob from 10.0.0.7\nINFO payment 7 captured\n" * 3)
    assert errors.failed_logins == 3
    assert errors.suspicious == {"login_probe": 3}
    assert errors.business == {("payment", "success"): 3}


def test_feed_event_in_progress_waits(clock: Clock) -> None:
    """A traceback over two pieces is one error, counted a second after its last line."""
    errors = errors_of(clock=clock)
    errors.feed(b"Traceback (most recent call last):\n")
    errors.feed(b"  File x\nKeyError: 1\n")
    errors.overdue()
    assert counts(errors) == []
    clock.now += 1
    errors.overdue()
    assert counts(errors) == [1]


def test_reopen_goes_on_with_an_event_after_a_restart(clock: Clock) -> None:
    """What was read and not counted is kept, and completed by what comes."""
    before, after = errors_of(clock=clock), errors_of(clock=clock)
    before.feed(b"Traceback (most recent call last):\n  File x\n", "a.log")
    after.reopen(before.open_lines())
    after.feed(b"KeyError: 1\n", "a.log")
    clock.now += 1
    after.overdue()
    (pattern,) = after.book.patterns.values()
    assert pattern.sample == "KeyError: 1"


def test_feed_keeps_logs_apart(clock: Clock) -> None:
    """Lines of two logs of one service are not mixed; many logs cost bounded memory."""
    errors = errors_of(clock=clock)
    errors.feed(b"Error: one\n", "a")
    errors.feed(b"    at b\nfine\n", "b")
    clock.now += 1
    errors.overdue()
    assert [pattern.stack for pattern in errors.book.patterns.values()] == [""]
    for number in range(3 * MAX_LOGS):
        errors.feed(b"Error: one\n", f"{number}")
    assert len(errors._logs) <= MAX_LOGS


@pytest.mark.parametrize(("least", "expected"), [(None, 1), (Level.WARNING, 2), (Level.CRITICAL, 0)])
def test_feed_level_is_the_users(least: Level | None, expected: int) -> None:
    """From which level on a line is an error can be chosen."""
    errors = errors_of("plain", least=least)
    errors.feed(b"ERROR alpha lost\nWARN beta slow\n")
    assert sum(counts(errors)) == expected


def test_feed_json_levels_are_not_taken_for_numbers() -> None:
    """Lines of JSON that differ in a number only may differ in their level."""
    errors = errors_of("json")
    errors.feed(b'{"level":30,"msg":"lost"}\n{"level":50,"msg":"lost"}\n' * 2)
    assert counts(errors) == [2]


def test_feed_flood_counts_everything_once() -> None:
    """However many patterns there are, every error is counted under one of them or under other."""
    errors = errors_of("plain")
    errors.feed(
        b"".join(b"ERROR %s went %s\n" % (bytes([97 + n % 26]) * 5, bytes([97 + n // 26]) * 5) for n in range(400))
    )
    assert sum(counts(errors)) + errors.book.dropped == 400
    assert len(errors.book.patterns) <= 10


def test_report_counts_beside_the_log() -> None:
    """A reported error has its pattern, its users are counted, and its address is looked at."""
    errors = errors_of()
    report = read_report(b'{"error":"cart 7 lost","request_uri":"/../../etc/passwd?x=1","git_commit":"abc"}')
    pattern = errors.report(report, "user1")
    assert errors.report(report, "user2") is pattern
    assert pattern.details["git_commit"] == "abc"
    assert errors.users[pattern.fingerprint] == {"user1", "user2"}
    assert (errors.reports, errors.suspicious["path_traversal"]) == (2, 2)


def test_lines_of_takes_what_terminals_understand() -> None:
    """Escapes go, carriage returns forge no line, and what is no text is replaced."""
    assert lines_of(b"\x1b[31mred\x1b[0m\r\na\rb\n\xff\x00\n\x1b]0;title\x07x\n") == ["red", "a b", "\ufffd\ufffd", "x"]


def test_lines_of_unicode_line_ends_are_no_lines() -> None:
    """Only a line feed ends a line: others would let a message forge one."""
    assert lines_of("a\u2028ERROR b\x0bERROR c\x85d\n".encode()) == ["a\u2028ERROR b\x0bERROR c\x85d"]


@settings(deadline=None, max_examples=150)
@given(st.sampled_from(sorted(PRESETS)), st.lists(st.binary(max_size=200), max_size=8))
def test_feed_takes_any_bytes(preset: PresetName, pieces: list[bytes]) -> None:
    """No bytes make the reading fail, and every line feed is a line."""
    errors = errors_of(preset)
    for piece in pieces:
        errors.feed(piece + b"\n")
    assert errors.lines == sum(piece.count(b"\n") + 1 for piece in pieces)
