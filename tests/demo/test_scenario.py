from types import SimpleNamespace
from typing import cast

import pytest

from demo import scenario
from demo.repair import Repair
from demo.scenario import DISK, break_one, follow
from demo.stack import Stack
from demo.waiting import DeadlineError, until


def _stack() -> Stack:
    """A stack that waits, and has nothing to look at."""
    layout = SimpleNamespace(url=lambda part: f"http://{part}")
    wait = lambda condition, what, seconds: until(condition, what, seconds, poll_seconds=0)  # noqa: E731
    return cast("Stack", SimpleNamespace(layout=layout, wait=wait, prometheus=None, handler=None))


def test_break_one_takes_the_services_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault begins when the service says that it is broken, not when it was asked."""
    monkeypatch.setattr(scenario, "break_it", lambda url, way: {"at": 5.5, "text": f"{way} at {url}"})
    repair, text = break_one(_stack(), DISK)
    assert (repair.broken_at, text) == (5.5, "disk at http://service")


def test_follow_looks_until_every_repair_is_through() -> None:
    """News are told after each look."""
    looks: list[str] = []
    first = SimpleNamespace(look=lambda _p, _h: len(looks) > 1)
    follow(_stack(), [cast("Repair", first)], lambda: looks.append("news"))
    assert len(looks) == 3


def test_follow_in_vain_names_what_is_missing() -> None:
    """A missed deadline says which milestones did not come."""
    stuck = SimpleNamespace(look=lambda _p, _h: False, done=False, missing=lambda: "log folder: verified")
    with pytest.raises(DeadlineError, match="log folder: verified"):
        follow(_stack(), [cast("Repair", stuck)], seconds=0)
