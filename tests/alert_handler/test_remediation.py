"""The conformance suite of the kind `remediation`: what every kind keeps, whatever it does."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, cast

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alert_handler import playbooks, remediations
from alert_handler.errors import RemediationRefused
from alert_handler.model import Plan, Risk
from alert_handler.remediation import Limits, Remediation
from chassis import config_file, plugins

KINDS = cast("dict[str, type[Any]]", plugins.load(remediations, "remediation"))

HOSTILE = (
    "; rm -rf /",
    "$(touch /tmp/pwned)",
    "`id`",
    "a && b",
    "a | b",
    "../../etc/passwd",
    "/etc/passwd",
    "..",
    ".",
    "a/../../b",
    "nul\0byte",
    "line\nbreak",
    "line break\r",
    "-rf",
    "--root=/",
    "-",
    "x" * 5 * 1024,
    "\u202eshop",
    "shop\u200b",
    "ѕhop",  # noqa: RUF001 -- a Cyrillic letter is the point
    "ｓｈｏｐ",  # noqa: RUF001 -- so are full-width ones
    "shop\ud800",
    "{service}",
    "{{ service }}",
    "${HOME}",
    "~root",
    "%2e%2e%2f",
    "shop;shop",
    " shop",
    "shop ",
)
#: What must never mean "all".
EVERYTHING = ("", " ", "*", "**", "?", ".*", "%", "shop*", "[a-z]*", "all", "None", "null")


class Case(NamedTuple):
    """One kind, ready to plan: its configuration, parameters that work, and what must not change."""

    config: dict[str, Any]
    params: dict[str, Any]
    #: The string parameters that choose the target, and those that are patterns within it.
    targets: tuple[str, ...]
    patterns: tuple[str, ...] = ()


def cleanup_case(folder: Path) -> Case:
    """A root with two old files."""
    root = folder / "root"
    root.mkdir(exist_ok=True)
    for name in ("shop.1.log", "shop.2.log"):
        (root / name).write_text("old\n", encoding="ascii")
        os.utime(root / name, (1e9, 1e9))
    config = {"roots": {"shop": {"path": str(root)}}}
    return Case(config, {"root": "shop", "files": ["*.log"]}, targets=("root",), patterns=("files",))


def restart_case(folder: Path) -> Case:
    """A service whose commands leave a trace."""
    touch = ["touch", str(folder / "ran")]
    return Case({"services": {"shop": {"stop": touch, "start": touch}}}, {"service": "shop"}, targets=("service",))


#: How to try each kind. A new remediation adds its line here.
CASES: dict[str, Callable[[Path], Case]] = {"cleanup": cleanup_case, "restart": restart_case}


@pytest.fixture(params=sorted(CASES))
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind."""
    return str(request.param)


@pytest.fixture
def case(kind: str, tmp_path: Path) -> Case:
    """The kind's case in a folder of its own."""
    return CASES[kind](tmp_path)


def built(kind: str, case: Case) -> Remediation:
    """The remediation as the handler builds it."""
    return cast("Remediation", KINDS[kind](config_file.decode(case.config, KINDS[kind].Config, kind)))


def planned(kind: str, case: Case, **changes: object) -> Plan:
    """The plan for the case's parameters with *changes*, decoded as the handler decodes them."""
    params: msgspec.Struct = config_file.decode(case.params | changes, KINDS[kind].Params, kind)
    return built(kind, case).plan(params)


def state_of(folder: Path) -> list[tuple[str, int, int, int]]:
    """Everything below *folder*: names, inodes, sizes, times."""
    found = [(path, path.lstat()) for path in sorted(folder.rglob("*"))]
    return [(str(path), status.st_ino, status.st_size, status.st_mtime_ns) for path, status in found]


def test_every_remediation_is_in_this_suite() -> None:
    """A new kind must say how it is tested."""
    assert set(KINDS) == set(CASES)


def test_contract_fields_are_there(kind: str) -> None:
    """Idempotence and risk are said; parameters and configuration are frozen structs with defaults only."""
    assert isinstance(KINDS[kind].idempotent, bool)
    assert isinstance(KINDS[kind].risk, Risk)
    assert KINDS[kind].__doc__
    for struct in (KINDS[kind].Params, KINDS[kind].Config):
        assert struct.__struct_config__.frozen
        assert struct() == struct()


def test_plan_is_sealed_and_deterministic(kind: str, case: Case) -> None:
    """The same state gives the same plan; its digest covers kind, target and payload."""
    plan, again = planned(kind, case), planned(kind, case)
    assert plan.digest == again.digest == plan.sealed().digest != ""
    assert (plan.remediation, plan.target, plan.steps) == (kind, "shop", again.steps)
    assert plan.summary
    assert plan.steps


def test_plan_survives_storage(kind: str, case: Case) -> None:
    """A plan that was written as JSON and read again is the same plan."""
    plan = planned(kind, case)
    stored = msgspec.json.decode(msgspec.json.encode(plan), type=Plan)
    assert (stored.digest, stored.sealed().digest) == (plan.digest, plan.digest)


def test_plan_changes_nothing(kind: str, case: Case, tmp_path: Path) -> None:
    """A dry run leaves every file as it was."""
    before = state_of(tmp_path)
    planned(kind, case)
    assert state_of(tmp_path) == before


def test_run_does_the_plan_and_tells_it(kind: str, case: Case, tmp_path: Path) -> None:
    """A plan, stored meanwhile, is run within its deadline and something happened."""
    before = state_of(tmp_path)
    plan = msgspec.json.decode(msgspec.json.encode(planned(kind, case)), type=Plan)
    outcome = built(kind, case).run(plan, Limits(30, tmp_path / "lock"))
    assert outcome.status == "succeeded", outcome
    assert outcome.summary
    assert state_of(tmp_path) != before


@pytest.mark.parametrize("change", [{"digest": "0" * 64}, {"target": "other"}, {"remediation": "x"}])
def test_run_of_a_changed_plan_does_nothing(kind: str, case: Case, tmp_path: Path, change: dict[str, str]) -> None:
    """What is not exactly the sealed plan is not run; that is an outcome, not an exception."""
    plan = planned(kind, case).evolve(**change)
    before = state_of(tmp_path)
    assert built(kind, case).run(plan, Limits(30, tmp_path / "lock")).status == "failed"
    (tmp_path / "lock").unlink(missing_ok=True)
    assert state_of(tmp_path) == before


def test_run_without_time_does_nothing(kind: str, case: Case, tmp_path: Path) -> None:
    """A deadline that is over already starts nothing."""
    plan, before = planned(kind, case), state_of(tmp_path)
    assert built(kind, case).run(plan, Limits(0, tmp_path / "lock")).status in {"failed", "timed_out"}
    (tmp_path / "lock").unlink(missing_ok=True)
    assert state_of(tmp_path) == before


@pytest.mark.parametrize("text", [*HOSTILE, *EVERYTHING, "undeclared"])
def test_undeclared_or_hostile_target_is_refused(kind: str, case: Case, text: str) -> None:
    """Only a declared name is a target: not an empty one, not a wildcard, nothing with a trick in it."""
    for name in case.targets:
        with pytest.raises((RemediationRefused, config_file.ConfigInvalid)) as caught:
            planned(kind, case, **{name: text})
        assert len(str(caught.value)) < 500
        assert str(caught.value).isprintable()


@pytest.mark.parametrize("text", [text for text in HOSTILE if text not in {"%2e%2e%2f", "~root"}])
def test_hostile_pattern_is_refused(kind: str, case: Case, text: str) -> None:
    """A pattern is as suspicious as a name."""
    for name in case.patterns:
        with pytest.raises((RemediationRefused, config_file.ConfigInvalid)):
            planned(kind, case, **{name: [text]})


@settings(deadline=None, max_examples=150)
@given(text=st.text(max_size=40))
def test_no_text_reaches_a_plan(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Any text but the declared name is refused, for every kind and target."""
    folder = tmp_path_factory.getbasetemp() / "any"
    folder.mkdir(exist_ok=True)
    for kind, make in CASES.items():
        case = make(folder)
        for name in case.targets:
            if text != "shop":
                with pytest.raises((RemediationRefused, config_file.ConfigInvalid)):
                    planned(kind, case, **{name: text})


@settings(deadline=None, max_examples=100)
@given(label=st.text(max_size=40))
def test_no_label_reaches_an_undeclared_target(label: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A label filled into a parameter chooses the declared target or nothing."""
    folder = tmp_path_factory.getbasetemp() / "label"
    folder.mkdir(exist_ok=True)
    for kind, make in CASES.items():
        case = make(folder)
        try:
            params = playbooks.fill_all(case.params | dict.fromkeys(case.targets, "{service}"), {"service": label})
            plan = built(kind, case).plan(config_file.decode(params, KINDS[kind].Params, kind))
        except (RemediationRefused, config_file.ConfigInvalid):
            continue
        assert plan.target == label == "shop"
