from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
import yaml

from demo import configs, faults
from demo.faults import Lane, Series, figures, patient
from demo.progress import Progress
from demo.repair import Repair
from demo.scenario import DISK
from demo.stack import Stack


def _repaired(broken_at: float, received: float, acted: float) -> Repair:
    """A repair that was told one second after it was acted on."""
    times = {"received": broken_at + received, "acted": broken_at + acted, "notified": broken_at + acted + 1}
    return Repair(DISK, broken_at, times=times)


def test_figures_are_median_and_maximum_of_each_step() -> None:
    """Of three repairs the middle one and the slowest count, step by step."""
    found = figures([_repaired(0, 10, 10.5), _repaired(50, 14, 14.1), _repaired(90, 12, 12.2)])
    assert found["threshold crossed -> webhook received"] == {"p50": 12, "max": 14, "count": 3}
    assert found["webhook received -> action started"]["max"] == pytest.approx(0.5)
    assert found["action started -> notified"]["p50"] == pytest.approx(1)


def test_figures_leave_out_what_was_not_reached() -> None:
    """A repair without an action is no fast one."""
    assert figures([Repair(DISK, 0.0)]) == {}


def test_patient_lifts_cooldown_and_budgets_of_the_handler_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The shipped playbooks are used as they are but for their cooldown; other parts stay untouched."""
    entry = {"name": "clean", "cooldown_seconds": 600, "match": ["a=b"]}
    (tmp_path / "disk.yml").write_text(yaml.safe_dump([entry]), encoding="utf-8")
    monkeypatch.setattr(configs, "PLAYBOOKS", tmp_path)
    found = patient("handler", {"mode": "act"})
    assert found["playbooks"] == [{**entry, "cooldown_seconds": 0}]
    assert (found["mode"], found["playbook_files"]) == ("act", [])
    assert patient("exporter", {"x": 1}) == {"x": 1}


def test_series_makes_the_wanted_number_of_faults_one_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lane is broken again only when its repair is through, until enough were made."""
    now, made = [0.0], []

    def break_one(_stack: Stack, fault: object) -> tuple[SimpleNamespace, str]:
        made.append(fault)
        return SimpleNamespace(look=lambda _p, _h: True, verdict="fixed", broken_at=0.0), ""

    def wait(turn: object, _what: str, _seconds: float) -> None:
        while not cast("type", turn)():
            now[0] += 20.0

    monkeypatch.setattr(faults, "break_one", break_one)
    stack = cast("Stack", SimpleNamespace(wait=wait, prometheus=None, handler=None))
    done = Series(stack, 3, cast("Progress", SimpleNamespace(step=str)), clock=lambda: now[0]).run([Lane(DISK, 5.0)])
    assert len(done) == 3
    assert made == [DISK] * 3
