import pytest

from exporter.sources.error_events import MAX_MESSAGE, event, php_event, plain_event
from exporter.sources.log_levels import Level
from exporter.sources.multi_line import Block


@pytest.mark.parametrize(
    "head",
    [
        "2026-11-21 02:29:00,123 ERROR cart lost",
        "2026-11-21T02:29:00.123Z [ERROR] cart lost",
        "Nov 21 02:29:00 web1 cart lost",
        "[2026-11-21 02:29:00] error: cart lost",
        "cart lost",
    ],
)
def test_plain_event_message_is_without_time_and_level(head: str) -> None:
    """The same message is the same, whichever time and level stand before it."""
    assert plain_event(Block(head)).message == "cart lost"


def test_plain_event_names_what_was_raised_last() -> None:
    """Of chained exceptions of Python the last counts."""
    rest = ("  File a", "KeyError: 1", "", "During handling of the above exception, x", "", "ValueError: 2")
    assert plain_event(Block("Traceback (most recent call last):", rest)).message == "ValueError: 2"


def test_plain_event_with_an_exception_is_an_error() -> None:
    """An exception makes an error of a line without a level."""
    found = plain_event(Block("request done", ("java.io.IOException: x", "\tat y")))
    assert (found.level, found.message) == (Level.ERROR, "request done: java.io.IOException: x")


def test_php_event_of_the_applications_own_message() -> None:
    """What the application wrote has the level of whoever logged it."""
    assert php_event("PHP message: hello", "", "", Level.ERROR)[:2] == (Level.ERROR, "hello")


def test_event_texts_are_cut() -> None:
    """A message of megabytes costs little."""
    assert len(event(Level.ERROR, "x" * 10**6, "y" * 10**6, "").message) == MAX_MESSAGE
