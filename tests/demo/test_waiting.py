import pytest

from demo.waiting import DeadlineError, until


def test_until_gives_what_the_condition_gives() -> None:
    """The first true value is the answer; every look was announced."""
    values, looks = iter([None, 0, "here"]), []
    assert until(lambda: next(values), "it", 10, looks.append, poll_seconds=0) == "here"
    assert looks == ["it"] * 3


def test_until_names_what_it_waited_for_in_vain() -> None:
    """A missed deadline says what did not come."""
    with pytest.raises(DeadlineError, match="waited 0 s in vain for a miracle"):
        until(lambda: None, "a miracle", 0)


def test_until_tick_may_give_up_early() -> None:
    """An announcement that raises ends the wait."""

    def give_up(_what: str) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        until(lambda: None, "it", 10, give_up)
