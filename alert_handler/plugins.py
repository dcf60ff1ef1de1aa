"""Builds the plug-ins that a configuration names: remediations, notifiers, diagnosers."""

from collections.abc import Mapping
from typing import Any, cast

import msgspec

from alert_handler import diagnosers, notifiers, remediations
from alert_handler.config import Config
from alert_handler.diagnoser import Diagnoser, Sources
from alert_handler.errors import ConfigInvalid
from alert_handler.model import Severity
from alert_handler.notifier import Notifier
from alert_handler.playbooks import Playbook
from alert_handler.remediation import Remediation
from chassis import config_file, plugins

#: Keys of a channel's section that belong to the outbox, not to its kind.
_CHANNEL_KEYS = ("kind", "min_severity")


class Channel(msgspec.Struct, frozen=True):
    """A channel to people: its notifier, of which kind, and from which severity on it is used."""

    kind: str
    notifier: Notifier
    min_severity: Severity = Severity.LOW


def build_remediations(config: Config) -> dict[str, Remediation]:
    """Every remediation kind, configured.

    Raises:
        ConfigInvalid: a section names an unknown kind or does not fit, or a playbook's parameters do not.
    """
    kinds = cast("dict[str, type[Any]]", plugins.load(remediations, "remediation"))
    _known(config.remediations, kinds, "remediations")
    built: dict[str, Remediation] = {
        name: _build(kind, config.remediations.get(name, {}), f"remediations.{name}") for name, kind in kinds.items()
    }
    for playbook in config.playbooks:
        _check_params(playbook, built)
    return built


def build_channels(config: Config) -> dict[str, Channel]:
    """Every configured channel, by name; only the files of the kinds that are used are loaded.

    Raises:
        ConfigInvalid: a section names an unknown kind or does not fit.
    """
    known = plugins.stems(notifiers)
    used = {_kind_of(name, section, known) for name, section in config.notifiers.items()}
    kinds = cast("dict[str, type[Any]]", plugins.load(notifiers, "notifier", sorted(used)))
    return {name: _channel(name, section, kinds) for name, section in config.notifiers.items()}


def build_diagnosers(sources: Sources) -> dict[str, Diagnoser]:
    """Every diagnoser."""
    kinds = cast("dict[str, type[Any]]", plugins.load(diagnosers, "diagnoser"))
    return {name: kind(sources) for name, kind in kinds.items()}


def _kind_of(name: str, section: dict[str, Any], known: list[str]) -> str:
    """The kind of a channel: a notifier is named like its file."""
    kind = section.get("kind", name)
    if not isinstance(kind, str) or kind not in known:
        place = f"notifiers.{name}" + (".kind" if "kind" in section else "")
        raise ConfigInvalid(f'{place}: unknown notifier "{kind}"{config_file.nearest(str(kind), known)}')
    return kind


def _channel(name: str, section: dict[str, Any], kinds: Mapping[str, type[Any]]) -> Channel:
    kind: str = section.get("kind", name)
    rest = {key: value for key, value in section.items() if key not in _CHANNEL_KEYS}
    try:
        severity = Severity(section.get("min_severity", Severity.LOW))
    except ValueError as error:
        words = config_file.nearest(str(section["min_severity"]), list(Severity))
        raise ConfigInvalid(f"notifiers.{name}.min_severity: {section['min_severity']!r}{words}") from error
    return Channel(kind, _build(kinds[kind], rest, f"notifiers.{name}"), severity)


def _build(kind: type[Any], section: dict[str, Any], place: str) -> Any:  # noqa: ANN401 -- a plug-in of some kind
    try:
        return kind(config_file.decode(section, kind.Config, place))
    except config_file.ConfigInvalid as error:
        raise ConfigInvalid(str(error)) from error


def _check_params(playbook: Playbook, built: Mapping[str, Remediation]) -> None:
    place = f"playbook {playbook.name}"
    if playbook.remediation not in built:
        raise ConfigInvalid(
            f'{place}: unknown remediation "{playbook.remediation}"{config_file.nearest(playbook.remediation, built)}'
        )
    try:
        config_file.decode(playbook.params, built[playbook.remediation].Params, f"{place}: params")
    except config_file.ConfigInvalid as error:
        raise ConfigInvalid(str(error)) from error


def _known(sections: Mapping[str, object], kinds: Mapping[str, object], place: str) -> None:
    for name in sections:
        if name not in kinds:
            raise ConfigInvalid(f'{place}: unknown kind "{name}"{config_file.nearest(name, kinds)}')
