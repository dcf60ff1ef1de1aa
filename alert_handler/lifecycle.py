"""How alerts open, feed, re-open and resolve incidents.

An incident is one label set while it is open. `resolved` says only that Prometheus no longer sees the condition (a
dead exporter looks the same), so it ends waiting, never a verification. Strikes and budgets are counted on attempts
and know nothing of incidents, so no new start of an alert resets them.
"""

import logging
from collections.abc import Callable, Mapping

import msgspec

from alert_handler.errors import NotificationInvalid
from alert_handler.metrics import Metrics
from alert_handler.model import Alert, Notification
from alert_handler.store.inbox import Delivery, Inbox, keep_reject
from alert_handler.store.incidents import case_of
from alert_handler.store.sqlite import Database, Transaction
from chassis.logs import event

log = logging.getLogger(__name__)

Parser = Callable[[bytes], Notification]

#: A label set that fires again so soon after it closed is the same incident.
REOPEN_SECONDS = 3600.0
#: Deliveries absorbed in one commit.
BATCH = 100
WATCHDOG = "watchdog"


class Lifecycle:
    """Takes deliveries from the inbox into incidents; *parsers* by sender."""

    def __init__(self, database: Database, inbox: Inbox, parsers: Mapping[str, Parser], metrics: Metrics) -> None:
        self._database = database
        self._inbox = inbox
        self._parsers = parsers
        self._metrics = metrics

    def absorb(self) -> int:
        """Work off a batch of deliveries; how many there were."""
        deliveries = self._inbox.next(BATCH)
        if deliveries:
            with self._database.write() as tx:
                for delivery in deliveries:
                    self._absorb_one(tx, delivery)
        return len(deliveries)

    def _absorb_one(self, tx: Transaction, delivery: Delivery) -> None:
        try:
            notification = self._parsers[delivery.sender](delivery.body)
        except NotificationInvalid as error:
            # Intake parses before it stores; only a body stored by another version can come here.
            keep_reject(tx, delivery, str(error))
            tx.run("inbox_mark", {"id": delivery.id, "state": "poison"})
            return
        for poison in notification.poison:
            self._metrics.alerts_quarantined.labels("malformed").inc()
            keep_reject(tx, msgspec.structs.replace(delivery, body=poison.sample), poison.error)
        for alert in notification.alerts:
            self._absorb_alert(tx, alert, delivery)
        if notification.truncated:
            event(
                log, logging.WARNING, "the sender left alerts out: set max_alerts: 0", truncated=notification.truncated
            )
        tx.run("inbox_mark", {"id": delivery.id, "state": "done"})

    def _absorb_alert(self, tx: Transaction, alert: Alert, delivery: Delivery) -> None:
        self._metrics.alerts_received.labels(alert.status).inc()
        if alert.labels.get(WATCHDOG) == "true":
            if alert.status == "firing":
                tx.run("heartbeat_set", {"name": WATCHDOG, "received_at": delivery.received_at})
            return
        if not first_time(tx, alert, delivery):
            self._metrics.alerts_deduplicated.inc()
            see_again(tx, alert, delivery.received_at)
        elif alert.status == "firing":
            fire(tx, alert, delivery.received_at)
        else:
            resolve(tx, alert, delivery.received_at)


def first_time(tx: Transaction, alert: Alert, delivery: Delivery) -> bool:
    """Whether (labels, startsAt, status) is told for the first time; it is from now on no longer."""
    row = {"identity": alert.identity, "starts_at": alert.starts_at, "status": alert.status}
    return tx.run("event_add", {**row, "received_at": delivery.received_at, "inbox_id": delivery.id}) == 1


def fire(tx: Transaction, alert: Alert, at: float) -> None:
    """Open an incident, or begin a new episode of the one that is open or closed a short while ago."""
    row = tx.one("incident_open", {"identity": alert.identity})
    if row is None:
        closed = tx.one("incident_last_closed", {"identity": alert.identity})
        row = closed if closed is not None and (closed["closed_at"] or 0.0) > at - REOPEN_SECONDS else None
    if row is None:
        _open(tx, alert, at)
    elif alert.starts_at >= row["starts_at"]:
        _seen(tx, alert, row["id"], at)
        tx.run("incident_episode", {"id": row["id"], "starts_at": alert.starts_at, "received_at": at})
        tx.run("incident_enter", {"id": row["id"], "stage": "triage", "due_at": at})


def see_again(tx: Transaction, alert: Alert, at: float) -> None:
    """A redelivery: nothing new, except that an incident that was called fixed and still fires is not fixed."""
    row = tx.one("incident_open", {"identity": alert.identity})
    if row is None or alert.status != "firing" or alert.starts_at != row["starts_at"]:
        return
    _seen(tx, alert, row["id"], at)
    verdict = case_of(row).verdict
    if verdict is not None and verdict.value == "fixed" and row["status"] == "firing" and at > verdict.at:
        tx.run("incident_enter", {"id": row["id"], "stage": "triage", "due_at": at})


def resolve(tx: Transaction, alert: Alert, at: float) -> None:
    """Note that the alert no longer fires; an incident at rest goes on to be closed, one on its way sees it there."""
    row = tx.one("incident_open", {"identity": alert.identity})
    if row is None or alert.starts_at < row["starts_at"]:
        return
    _seen(tx, alert, row["id"], at)
    tx.run("incident_resolved", {"id": row["id"]})
    tx.run("incident_enter", {"id": row["id"], "stage": "learn", "due_at": at})
    tx.run("incident_hurry", {"id": row["id"], "due_at": at})


def _open(tx: Transaction, alert: Alert, at: float) -> None:
    tx.run(
        "incident_add",
        {
            "identity": alert.identity,
            "labels": msgspec.json.encode(alert.labels).decode(),
            "annotations": msgspec.json.encode(alert.annotations).decode(),
            "generator_url": alert.generator_url,
            "starts_at": alert.starts_at,
            "received_at": at,
        },
    )


def _seen(tx: Transaction, alert: Alert, incident: int, at: float) -> None:
    row = {"id": incident, "received_at": at, "generator_url": alert.generator_url}
    tx.run("incident_seen", {**row, "annotations": msgspec.json.encode(alert.annotations).decode()})
