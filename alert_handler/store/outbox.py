"""The outbox in the store: messages written with the transition that they tell of, sent when the channel is there."""

from collections.abc import Sequence

import msgspec

from alert_handler.model import Message
from alert_handler.store.sqlite import Database, Transaction

_MESSAGE = msgspec.json.Decoder(Message)


class Pending(msgspec.Struct, frozen=True):
    """A message that waits for its channel."""

    id: int
    message: Message
    created_at: float
    next_try_at: float
    tries: int


class Sent(msgspec.Struct, frozen=True):
    """How a message fares, for the incident's page."""

    channel: str
    kind: str
    title: str
    created_at: float
    sent_at: float | None
    state: str
    tries: int
    error: str


class Queue(msgspec.Struct, frozen=True):
    """How many messages wait for a channel, and since when."""

    channel: str
    pending: int
    oldest: float


class Outbox:
    """Adds messages for every one of *channels* and follows their delivery; a channel's messages keep their order."""

    def __init__(self, database: Database, channels: tuple[str, ...] = ()) -> None:
        self._database = database
        self.channels = channels

    def add(self, messages: Sequence[Message]) -> None:
        """Queue *messages*; one whose key a channel has already is left alone."""
        with self._database.write() as tx:
            add_messages(tx, messages, self.channels)

    def head(self, channel: str) -> Pending | None:
        """The oldest message that waits for *channel*."""
        with self._database.read() as tx:
            row = tx.one("outbox_head", {"channel": channel})
        if row is None:
            return None
        return Pending(row["id"], _MESSAGE.decode(row["message"]), row["created_at"], row["next_try_at"], row["tries"])

    def sent(self, pending: Pending, at: float) -> None:
        """Note that the channel took it."""
        with self._database.write() as tx:
            tx.run("outbox_sent", {"id": pending.id, "sent_at": at})

    def skipped(self, pending: Pending) -> None:
        """Note that the channel is not asked: the message is below its severity."""
        with self._database.write() as tx:
            tx.run("outbox_skipped", {"id": pending.id})

    def failed(self, pending: Pending, error: str, next_try_at: float | None) -> None:
        """Note that the channel did not take it: again at *next_try_at*, or (None) never."""
        state = "rejected" if next_try_at is None else "pending"
        row = {"id": pending.id, "state": state, "error": error, "next_try_at": next_try_at or 0.0}
        with self._database.write() as tx:
            tx.run("outbox_failed", row)

    def of(self, incident: int) -> tuple[Sent, ...]:
        """The messages about one incident, oldest first."""
        with self._database.read() as tx:
            rows = tx.all("outbox_of", {"incident_id": incident})
        names = [name for name in Sent.__struct_fields__ if name != "title"]
        return tuple(Sent(title=_MESSAGE.decode(r["message"]).title, **{n: r[n] for n in names}) for r in rows)

    def queues(self) -> list[Queue]:
        """The channels with messages waiting."""
        with self._database.read() as tx:
            return [Queue(row["channel"], row["n"], row["oldest"]) for row in tx.all("outbox_pending")]


def add_messages(tx: Transaction, messages: Sequence[Message], channels: tuple[str, ...]) -> None:
    """Queue *messages* for *channels* inside an open transaction."""
    rows: list[dict[str, object]] = [
        {
            "incident_id": message.incident_id,
            "channel": channel,
            "key": message.key,
            "kind": message.kind,
            "message": msgspec.json.encode(message).decode(),
            "created_at": message.at,
        }
        for message in messages
        for channel in channels
    ]
    if rows:
        tx.many("outbox_add", list(rows))
