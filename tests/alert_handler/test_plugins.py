import re
from typing import Any

import pytest

from alert_handler.config import Config
from alert_handler.diagnoser import Sources
from alert_handler.errors import ConfigInvalid
from alert_handler.model import Severity
from alert_handler.plugins import build_channels, build_diagnosers, build_remediations
from alert_handler.store.attempts import Attempts
from tests.alert_handler.doubles import ScriptedPrometheus, playbook


def test_every_kind_of_remediation_is_built_with_its_defaults() -> None:
    """No section is needed."""
    built = build_remediations(Config())
    assert {"cleanup", "restart"} <= set(built)


def test_every_diagnoser_is_built(attempts: Attempts, prometheus: ScriptedPrometheus) -> None:
    """The folder is the list."""
    assert {"history", "saturation"} <= set(build_diagnosers(Sources(prometheus, attempts)))  # type: ignore[arg-type]


def test_channel_is_named_by_its_section_and_typed_by_its_kind() -> None:
    """Two channels of one kind, one of them for the worst only."""
    channels = build_channels(Config(notifiers={"log": {}, "night": {"kind": "log", "min_severity": "critical"}}))
    assert {name: (c.kind, c.min_severity) for name, c in channels.items()} == {
        "log": ("log", Severity.LOW),
        "night": ("log", Severity.CRITICAL),
    }


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"webhok": {}}, 'notifiers.webhok: unknown notifier "webhok" (did you mean "webhook"?)'),
        ({"x": {"kind": "lgo"}}, 'notifiers.x.kind: unknown notifier "lgo" (did you mean "log"?)'),
        ({"x": {"kind": ["log"]}}, "notifiers.x.kind: unknown notifier \"['log']\""),
        ({"x": {"kind": None}}, 'notifiers.x.kind: unknown notifier "None"'),
        ({"log": {"min_severity": "hgh"}}, "notifiers.log.min_severity: 'hgh' (did you mean \"high\"?)"),
        ({"log": {"min_severity": ["high"]}}, "notifiers.log.min_severity: ['high']"),
        ({"log": {"min_severity": None}}, "notifiers.log.min_severity: None"),
        ({"log": {"colour": "red"}}, 'notifiers.log: unknown key "colour"'),
    ],
)
def test_bad_channel_is_refused_with_its_place(sections: dict[str, dict[str, Any]], message: str) -> None:
    """Every mistake is a message, whatever type stands there."""
    with pytest.raises(ConfigInvalid, match=f"^{re.escape(message)}"):
        build_channels(Config(notifiers=sections))


@pytest.mark.parametrize(
    ("sections", "message"),
    [
        ({"cleanp": {}}, 'remediations: unknown kind "cleanp" (did you mean "cleanup"?)'),
        ({"cleanup": {"root": {}}}, 'remediations.cleanup: unknown key "root" (did you mean "roots"?)'),
        ({"cleanup": {"roots": {"a": {"path": "/etc"}}}}, "remediations.cleanup: roots"),
    ],
)
def test_bad_remediation_section_is_refused_with_its_place(sections: dict[str, dict[str, Any]], message: str) -> None:
    """The same for remediations."""
    with pytest.raises(ConfigInvalid, match=f"^{re.escape(message)}"):
        build_remediations(Config(remediations=sections))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"remediation": "clean"}, 'playbook disk: unknown remediation "clean" (did you mean "cleanup"?)'),
        (
            {"remediation": "cleanup", "params": {"rot": "x"}},
            'playbook disk: params: unknown key "rot" (did you mean "root"?)',
        ),
        (
            {"remediation": "cleanup", "params": {"max_files": 0}},
            "playbook disk: params: max_files: is 0; write 1 to 10000",
        ),
    ],
)
def test_playbook_that_does_not_fit_its_remediation_is_refused(changes: dict[str, Any], message: str) -> None:
    """Parameters are checked at the start, with their place."""
    with pytest.raises(ConfigInvalid, match=f"^{re.escape(message)}"):
        build_remediations(Config(playbooks=(playbook(**changes),)))
