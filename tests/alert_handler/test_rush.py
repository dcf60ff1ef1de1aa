"""Storing comes first, for a moment."""

import threading

from alert_handler.rush import MANY, PATIENCE_SECONDS, QUIET_SECONDS, WITHIN_SECONDS, Rush
from tests.alert_handler.doubles import FakeClock


def rush(clock: FakeClock, apart: float) -> Rush:
    """What has seen MANY webhooks, so many seconds apart."""
    seen = Rush(clock)
    for _ in range(MANY):
        clock.advance(apart)
        seen.note()
    return seen


def test_few_or_slow_webhooks_are_no_rush(clock: FakeClock) -> None:
    """Less than MANY, or MANY over a longer time, hold nobody up."""
    alone = Rush(clock)
    alone.note()
    assert not alone.on()
    assert not rush(clock, WITHIN_SECONDS).on()


def test_many_webhooks_at_once_are_a_rush_until_it_is_quiet(clock: FakeClock) -> None:
    """A burst counts, and only as long as it goes on."""
    seen = rush(clock, WITHIN_SECONDS / (2 * MANY))
    assert seen.on()
    clock.advance(2 * QUIET_SECONDS)
    assert not seen.on()


def test_step_back_ends_when_the_owner_stops(clock: FakeClock) -> None:
    """A stop is not held up by a rush."""
    stop = threading.Event()
    stop.set()
    seen = rush(clock, 0.0)
    seen.step_back(stop)
    assert seen.on()


def test_step_back_has_limited_patience(clock: FakeClock) -> None:
    """A rush without end lets work go on."""
    seen = rush(clock, 0.0)

    class Ticking(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            clock.advance(timeout or 0.0)
            for _ in range(MANY):
                seen.note()
            return False

    began = clock()
    seen.step_back(Ticking())
    assert clock() - began > PATIENCE_SECONDS - QUIET_SECONDS
