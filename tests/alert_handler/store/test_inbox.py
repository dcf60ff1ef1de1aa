from collections.abc import Iterator

import pytest

from alert_handler.errors import StoreUnavailable
from alert_handler.store import inbox as module
from alert_handler.store.inbox import REJECTS_KEPT, SAMPLE_BYTES, Delivery, Inbox, keep_reject
from alert_handler.store.sqlite import Database
from tests.alert_handler.doubles import NOW

DELIVERY = Delivery(sender="alertmanager", received_at=NOW, body=b"\x00\xff{")


@pytest.fixture
def inbox(database: Database) -> Iterator[Inbox]:
    """An empty inbox."""
    inbox = Inbox(database)
    yield inbox
    inbox.close()


def test_add_is_committed_when_it_returns(database: Database, inbox: Inbox) -> None:
    """Another connection sees the very bytes at once."""
    inbox.add(DELIVERY)
    [found] = Inbox(database).next(10)
    assert (found.sender, found.received_at, found.body, found.id) == ("alertmanager", NOW, DELIVERY.body, 1)


def test_next_gives_the_oldest_first_and_only_what_waits(database: Database, inbox: Inbox) -> None:
    """What is done is not handed out again."""
    for _ in range(3):
        inbox.add(DELIVERY)
    with database.write() as tx:
        tx.run("inbox_mark", {"id": 1, "state": "done"})
    assert [delivery.id for delivery in inbox.next(1)] == [2]
    assert inbox.pending() == 2


def test_next_stops_when_the_bodies_grow_large(inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred bodies of 32 MiB are not loaded at once, and one that is too large alone still comes."""
    monkeypatch.setattr(module, "BATCH_BYTES", 4)
    for _ in range(3):
        inbox.add(DELIVERY)
    assert [delivery.id for delivery in inbox.next(10)] == [1, 2]


def test_reject_keeps_a_bounded_number_of_bounded_samples(database: Database, inbox: Inbox) -> None:
    """A sender that sends nonsense for ever fills nothing."""
    huge = Delivery(sender="x", received_at=NOW, body=b"x" * (SAMPLE_BYTES + 1))
    with database.write() as tx:
        for number in range(REJECTS_KEPT + 5):
            keep_reject(tx, huge, f"problem {number}")
    inbox.reject(huge, "the last")
    kept = inbox.rejects(10_000)
    assert (len(kept), kept[0].error, len(kept[0].sample)) == (REJECTS_KEPT, "the last", SAMPLE_BYTES)


def test_close_takes_no_more(inbox: Inbox) -> None:
    """A sender that comes after the end must send again."""
    inbox.close()
    with pytest.raises(StoreUnavailable):
        inbox.add(DELIVERY)
