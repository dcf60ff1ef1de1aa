from pathlib import Path

import msgspec
import pytest

from exporter.checks import systemd
from exporter.checks.outcome import Outcome, outcome_of
from exporter.checks.systemd import RESTARTS, STATE, SystemdRule, judged, properties


def program(folder: Path, text: str) -> tuple[str, ...]:
    """A stand-in for systemctl."""
    path = folder / "systemctl"
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return (str(path),)


def unit(**found: str) -> Outcome:
    """What properties of a unit mean."""
    return judged("shop.service", {"LoadState": "loaded", "SubState": "x"} | found)


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("active", ""),
        ("reloading", ""),
        ("failed", "failed"),
        ("inactive", "not_running"),
        ("activating", "not_running"),
        ("deactivating", "not_running"),
        ("on holiday", "error"),
        ("", "error"),
    ],
)
def test_judged_by_the_active_state(state: str, reason: str) -> None:
    """A unit does its work or does not; an unknown word is an error."""
    assert unit(ActiveState=state).reason == reason
    assert reason in ("", *systemd.REASONS)


def test_judged_shows_state_and_restarts() -> None:
    """One of the states is 1, and systemd's restarts are a counter."""
    readings = unit(ActiveState="activating", SubState="auto-restart", NRestarts="7").readings
    assert [labels for metric, value, labels in readings if metric is STATE and value] == [("activating",)]
    assert (RESTARTS, 7, ()) in readings


def test_judged_unknown_unit_is_not_found() -> None:
    """A unit that is not there is not merely stopped."""
    assert unit(LoadState="not-found", ActiveState="inactive").reason == "not_found"


@pytest.mark.parametrize("restarts", ["", "[not set]", "-1", "9" * 5000])
def test_judged_strange_counts_do_no_harm(restarts: str) -> None:
    """Old versions of systemd do not count restarts."""
    assert unit(ActiveState="active", NRestarts=restarts).up


def test_properties_takes_key_value_lines() -> None:
    """Everything else is left out."""
    assert properties("A=1\nB=x=y\n\nnonsense\nC=") == {"A": "1", "B": "x=y", "C": ""}


def test_check_asks_for_one_unit(tmp_path: Path) -> None:
    """The unit's name is an argument of its own, never an option."""
    command = program(tmp_path, f'echo "$@" > {tmp_path}/asked; echo LoadState=loaded; echo ActiveState=active')
    assert outcome_of(SystemdRule("shop.service", command).check(5.0)).up
    assert (tmp_path / "asked").read_text().split()[-2:] == ["--", "shop.service"]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("echo System has not been booted with systemd as init system >&2; exit 1", "no_systemd"),
        ("echo Failed to connect to bus: No such file >&2; exit 1", "no_systemd"),
        ("echo strange >&2; exit 4", "error"),
        ("exec tail -f /dev/null", "timeout"),
        ("head -c 1000000 /dev/zero", "error"),
    ],
)
def test_check_without_an_answer_has_a_reason(tmp_path: Path, text: str, reason: str) -> None:
    """A machine without systemd, a manager that hangs, and nonsense are told apart."""
    assert outcome_of(SystemdRule("x.service", program(tmp_path, text)).check(0.5)).reason == reason


def test_check_without_the_program_has_no_systemd() -> None:
    """A container has no systemctl at all."""
    assert outcome_of(SystemdRule("x.service", ("/none/systemctl",)).check(1.0)).reason == "no_systemd"


@pytest.mark.parametrize("document", [{"unit": ""}, {"unit": "--all"}, {"unit": "a\n"}, {"unit": "a", "command": []}])
def test_rule_refuses_what_is_no_unit(document: dict[str, object]) -> None:
    """The message gives an example."""
    with pytest.raises(msgspec.ValidationError, match=r"write e\.g\."):
        msgspec.convert(document, SystemdRule)
