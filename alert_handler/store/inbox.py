"""The inbox: webhook bodies as they came, durable before their sender is answered."""

from collections.abc import Sequence

import msgspec

from alert_handler.store.group_commit import GroupCommit
from alert_handler.store.sqlite import Database, Transaction

#: How many samples of malformed input are kept, and how much of each.
REJECTS_KEPT = 200
SAMPLE_BYTES = 64 * 1024
#: Deliveries handed out at once end with the one that exceeds this: bodies can have 32 MiB.
BATCH_BYTES = 1024 * 1024


class Delivery(msgspec.Struct, frozen=True):
    """One webhook body; `id` is 0 until it is stored."""

    sender: str
    received_at: float
    body: bytes
    id: int = 0


class Reject(msgspec.Struct, frozen=True):
    """A sample of input that could not be understood, and why."""

    id: int
    sender: str
    received_at: float
    error: str
    sample: bytes


class Inbox:
    """Adds deliveries durably and hands out those that wait."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._group = GroupCommit(self._store)

    def add(self, delivery: Delivery) -> None:
        """Return when *delivery* is on disk.

        Raises:
            StoreUnavailable: it is not; the sender must send again.
        """
        self._group.add(delivery)

    def close(self) -> None:
        """Write what waits, then take no more."""
        self._group.close()

    def next(self, limit: int) -> list[Delivery]:
        """The oldest deliveries that nobody has worked on, `BATCH_BYTES` and one delivery at the most."""
        found: list[Delivery] = []
        size = 0
        with self._database.read() as tx:
            for row in tx.each("inbox_next", {"limit": limit}):
                found.append(Delivery(**row))
                size += len(found[-1].body)
                if size > BATCH_BYTES:
                    break
        return found

    def pending(self) -> int:
        """How many deliveries wait."""
        with self._database.read() as tx:
            row = tx.one("inbox_pending")
            return row["n"] if row else 0

    def reject(self, delivery: Delivery, error: str) -> None:
        """Keep a sample of what could not be understood."""
        with self._database.write() as tx:
            keep_reject(tx, delivery, error)

    def rejects(self, limit: int = 50) -> list[Reject]:
        """The latest samples of what could not be understood."""
        with self._database.read() as tx:
            return [Reject(**row) for row in tx.all("rejects_recent", {"limit": limit})]

    def _store(self, deliveries: Sequence[Delivery]) -> None:
        rows = [{"sender": d.sender, "received_at": d.received_at, "body": d.body} for d in deliveries]
        with self._database.write() as tx:
            tx.many("inbox_add", list(rows))


def keep_reject(tx: Transaction, delivery: Delivery, error: str) -> None:
    """Add a sample inside an open transaction; the oldest beyond `REJECTS_KEPT` go."""
    tx.run(
        "reject_add",
        {
            "sender": delivery.sender,
            "received_at": delivery.received_at,
            "error": error,
            "sample": delivery.body[:SAMPLE_BYTES],
        },
    )
    tx.run("reject_trim", {"keep": REJECTS_KEPT})
