from typing import Never

from exporter.checks.outcome import MAX_VERSION, CheckFailed, Outcome, answered, outcome_of
from exporter.errors import SourceMalformed


def test_outcome_of_a_failed_check_has_its_reason() -> None:
    """Whatever a check raises on purpose becomes one of the fixed reasons."""

    def failing() -> Never:
        raise CheckFailed("auth", "h:1: no")

    def malformed() -> Never:
        raise SourceMalformed("x")

    assert outcome_of(failing) == Outcome("auth", "h:1: no")
    assert outcome_of(malformed).reason == "error"


def test_answered_cuts_the_version() -> None:
    """What the other side calls its version is no longer than a label should be."""
    (_, _, labels) = answered("redis", logged_in=True, version="9" * 500).readings[1]
    assert labels == ("redis", "9" * MAX_VERSION)


def test_answered_without_a_version_shows_none() -> None:
    """A server that tells no version has no series for it."""
    assert len(answered("redis", logged_in=False).readings) == 1
