import pytest

from alert_handler.model import Message, Severity
from alert_handler.store.outbox import Outbox, Queue
from alert_handler.store.sqlite import Database
from tests.alert_handler.doubles import NOW, stored_incident


@pytest.fixture
def outbox(database: Database) -> Outbox:
    """An outbox with two channels."""
    return Outbox(database, ("log", "chat"))


def message(key: str = "k", **changes: object) -> Message:
    """Something to tell."""
    told = Message(key=key, kind="action", severity=Severity.HIGH, title=f"title {key}", text="t", at=NOW)
    return told.evolve(**changes)


def test_add_queues_for_every_channel_once_a_key(outbox: Outbox) -> None:
    """A stage that is run again tells nothing twice."""
    outbox.add([message("a"), message("b")])
    outbox.add([message("a", title="again")])
    assert outbox.queues() == [Queue("chat", 2, NOW), Queue("log", 2, NOW)]


def test_head_is_the_oldest_of_its_channel(outbox: Outbox) -> None:
    """A channel's messages keep their order; another channel's do not matter."""
    outbox.add([message("a"), message("b")])
    first = outbox.head("chat")
    assert first is not None
    outbox.sent(first, NOW + 1)
    assert [found.message.key for found in (outbox.head("chat"), outbox.head("log")) if found] == ["b", "a"]


def test_failed_stays_at_the_head_until_it_is_rejected(outbox: Outbox) -> None:
    """A message is passed over only when its channel will never take it."""
    outbox.add([message("a"), message("b")])
    first = outbox.head("log")
    assert first is not None
    outbox.failed(first, "refused", NOW + 5)
    again = outbox.head("log")
    assert again is not None
    assert (again.id, again.tries, again.next_try_at) == (first.id, 1, NOW + 5)
    outbox.failed(again, "never", None)
    after = outbox.head("log")
    assert after is not None
    assert after.message.key == "b"


def test_of_tells_how_the_messages_of_an_incident_fare(outbox: Outbox, database: Database) -> None:
    """The incident's page shows channel, tries and error."""
    incident = stored_incident(database)
    outbox.add([message("a", incident_id=incident), message("b")])
    head = outbox.head("log")
    assert head is not None
    outbox.failed(head, "refused", NOW + 5)
    told = {sent.channel: (sent.title, sent.state, sent.tries, sent.error) for sent in outbox.of(incident)}
    assert told == {"log": ("title a", "pending", 1, "refused"), "chat": ("title a", "pending", 0, "")}


def test_head_of_an_unknown_channel_is_none(outbox: Outbox) -> None:
    """Nothing waits where nothing is sent."""
    assert outbox.head("pager") is None


def test_add_nothing_writes_nothing(outbox: Outbox) -> None:
    """No message, no row."""
    outbox.add([])
    assert outbox.queues() == []
