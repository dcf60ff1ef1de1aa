import io
import logging
from collections.abc import Iterator

import pytest

from alert_handler.model import Message, Severity
from alert_handler.notifiers.log import LogConfig, LogNotifier
from chassis import logs


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    """Where the log goes."""
    root, written = logging.getLogger(), io.StringIO()
    before = root.handlers[:], root.level
    logs.configure(stream=written)
    yield written
    root.handlers[:], _ = before
    root.setLevel(before[1])


def tell(**changes: object) -> None:
    """Deliver a message with *changes*."""
    message = Message(key="k", kind="action", severity=Severity.HIGH, title="Cleaned up", text="12 files", at=1.0)
    LogNotifier(LogConfig()).deliver(message.evolve(**changes))


def test_message_is_one_event_with_all_its_fields(stream: io.StringIO) -> None:
    """Title, text, severity, incident and facts are in one line."""
    tell(incident_id=7, facts={"service": "shop"})
    line = stream.getvalue()
    assert 'level=info logger=alert_handler.notifiers.log msg="Cleaned up"' in line
    assert 'kind=action severity=high incident=7 key=k body="12 files" url= fact_service=shop\n' in line.replace(
        '""', ""
    )


@pytest.mark.parametrize("changes", [{"kind": "escalation"}, {"kind": "watchdog"}, {"severity": Severity.CRITICAL}])
def test_urgent_message_is_a_warning(stream: io.StringIO, changes: dict[str, object]) -> None:
    """What wants a person stands out."""
    tell(**changes)
    assert "level=warning" in stream.getvalue()


def test_hostile_message_stays_one_line(stream: io.StringIO) -> None:
    """A line end in an alert's text forges no second event."""
    tell(title="a\nlevel=error forged", facts={"level": "x", "msg": "y", "text\n": "z"})
    assert stream.getvalue().count("\n") == 1
