"""Notifier `log`: every message as one structured event of the handler's own log."""

import logging
from typing import ClassVar

import msgspec

from alert_handler.model import Message, Severity
from chassis.logs import event
from chassis.plugins import plugin

log = logging.getLogger(__name__)


class LogConfig(msgspec.Struct, frozen=True):
    """Nothing to configure."""


@plugin("notifier", "log")
class LogNotifier:
    """Cannot fail; the channel that is always there."""

    Config: ClassVar[type[msgspec.Struct]] = LogConfig

    def __init__(self, config: LogConfig) -> None:
        del config

    def deliver(self, message: Message) -> None:
        """Log *message*; escalations and what is critical as warnings."""
        urgent = message.kind in {"escalation", "watchdog"} or message.severity is Severity.CRITICAL
        event(
            log,
            logging.WARNING if urgent else logging.INFO,
            message.title,
            kind=message.kind,
            severity=message.severity.value,
            incident=message.incident_id,
            key=message.key,
            body=message.text,
            url=message.url,
            **{f"fact_{name}": value for name, value in message.facts.items()},
        )
