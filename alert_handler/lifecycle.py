"""How alerts open, feed, re-open and resolve incidents.

An incident is one label set while it is open. `resolved` says only that Prometheus no longer sees the condition (a
dead exporter looks the same), so it ends waiting, never a verification. Strikes and budgets are counted on attempts
and know nothing of incidents, so no new start of an alert resets them.
"""

import logging
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import msgspec

from alert_handler.errors import NotificationInvalid, StoreUnavailable
from alert_handler.metrics import Metrics
from alert_handler.model import Alert, Notification
from alert_handler.store.inbox import Delivery, Inbox, keep_reject
from alert_handler.store.incidents import case_of
from alert_handler.store.sqlite import Database, Transaction
from chassis.logs import clean, event

log = logging.getLogger(__name__)

Parser = Callable[[bytes], Notification]

#: A label set that fires again so soon after it closed is the same incident.
REOPEN_SECONDS = 3600.0
#: A firing received so long after its own end was not overtaken by it: Alertmanager gives a delivery up after its group
#: interval. But cut off from Prometheus, it lets alerts time out, and then tells them again with the start they had.
LATE_SECONDS = 300.0
#: Deliveries absorbed in one commit.
BATCH = 100
WATCHDOG = "watchdog"
#: A start further ahead than clocks differ is no start.
FUTURE_SECONDS = 3600.0


class Lifecycle:
    """Takes deliveries from the inbox into incidents; *parsers* by sender."""

    def __init__(self, database: Database, inbox: Inbox, parsers: Mapping[str, Parser], metrics: Metrics) -> None:
        self._database = database
        self._inbox = inbox
        self._parsers = parsers
        self._metrics = metrics

    def absorb(self) -> int:
        """Work off a batch of deliveries; how many there were.

        Raises:
            StoreUnavailable: the store does not work; the deliveries stay.
        """
        deliveries = self._inbox.next(BATCH)
        if deliveries and self._problem_with(deliveries):
            self._absorb_singly(deliveries)
        return len(deliveries)

    def _problem_with(self, deliveries: Sequence[Delivery]) -> str:
        """Take *deliveries*; what was raised over them, nothing of which is kept then, or "" when they are in."""
        try:
            self._absorb_all(deliveries)
        except StoreUnavailable:
            raise
        except Exception as error:  # one worker turn, the receiver's: one webhook costs no other one
            log.exception("webhooks %d to %d cannot be taken in one commit", deliveries[0].id, deliveries[-1].id)
            return f"{type(error).__name__}: {error}"
        return ""

    def _absorb_all(self, deliveries: Sequence[Delivery]) -> None:
        """Take *deliveries* in one commit; they are counted when it is durable."""
        tally = Tally()
        with self._database.write() as tx:
            for delivery in deliveries:
                self._absorb_one(tx, delivery, tally)
        tally.count_in(self._metrics)

    def _absorb_singly(self, deliveries: Sequence[Delivery]) -> None:
        """Whatever is wrong with one of them, a mistake of ours included, costs no other one."""
        for delivery in deliveries:
            if problem := self._problem_with([delivery]):
                self._set_aside(delivery, problem)

    def _set_aside(self, delivery: Delivery, problem: str) -> None:
        event(log, logging.ERROR, "a webhook is set aside", webhook=delivery.id, problem=problem)
        with self._database.write() as tx:
            _poisoned(tx, delivery, clean(problem))
        self._metrics.alerts_quarantined.labels("unexpected").inc()

    def _absorb_one(self, tx: Transaction, delivery: Delivery, tally: "Tally") -> None:
        try:
            notification = self._parsers[delivery.sender](delivery.body)
        except NotificationInvalid as error:
            # Intake parses before it stores; only a body stored by another version can come here.
            _poisoned(tx, delivery, str(error))
            tally.quarantined += 1
            return
        for poison in notification.poison:
            tally.quarantined += 1
            keep_reject(tx, msgspec.structs.replace(delivery, body=poison.sample), poison.error)
        for alert in notification.alerts:
            _absorb_alert(tx, alert, delivery, tally)
        if notification.truncated:
            event(
                log, logging.WARNING, "the sender left alerts out: set max_alerts: 0", truncated=notification.truncated
            )
        tx.run("inbox_mark", {"id": delivery.id, "state": "done"})


class Tally(msgspec.Struct):
    """What a commit took in; counted after it, because a commit that fails is tried again."""

    received: Counter[str] = msgspec.field(default_factory=Counter)
    deduplicated: int = 0
    quarantined: int = 0

    def count_in(self, metrics: Metrics) -> None:
        """Add it to *metrics*."""
        for status, number in self.received.items():
            metrics.alerts_received.labels(status).inc(number)
        metrics.alerts_deduplicated.inc(self.deduplicated)
        if self.quarantined:
            metrics.alerts_quarantined.labels("malformed").inc(self.quarantined)


def _poisoned(tx: Transaction, delivery: Delivery, problem: str) -> None:
    keep_reject(tx, delivery, problem)
    tx.run("inbox_mark", {"id": delivery.id, "state": "poison"})


def _absorb_alert(tx: Transaction, alert: Alert, delivery: Delivery, tally: Tally) -> None:
    tally.received[alert.status] += 1
    at = delivery.received_at
    if alert.labels.get(WATCHDOG) == "true":
        if alert.status == "firing":
            tx.run("heartbeat_set", {"name": WATCHDOG, "received_at": at})
    elif not 0.0 < alert.starts_at <= at + FUTURE_SECONDS:
        _absorb_timeless(tx, alert, at)
    elif not first_time(tx, alert, delivery):
        tally.deduplicated += 1
        see_again(tx, alert, at)
    elif alert.status == "firing":
        fire(tx, alert, at)
    else:
        resolve(tx, alert, at)


def _absorb_timeless(tx: Transaction, alert: Alert, at: float) -> None:
    """An alert without a usable start (before 1970, or in the future) belongs to whatever episode is there.

    A start in the year 2999, taken at its word, would make every later one look old; one that is always the same would
    make every later episode a redelivery.
    """
    row = tx.one("incident_open", {"identity": alert.identity})
    if row is not None and alert.status == "resolved":
        resolve(tx, alert.evolve(starts_at=row["starts_at"]), at)
    elif row is not None and row["status"] == "firing":
        see_again(tx, alert.evolve(starts_at=row["starts_at"]), at)
    elif alert.status == "firing":
        fire(tx, alert.evolve(starts_at=at), at)


def first_time(tx: Transaction, alert: Alert, delivery: Delivery) -> bool:
    """Whether (labels, startsAt, status) is told for the first time, or anew; it is from now on no longer."""
    row = {"identity": alert.identity, "starts_at": alert.starts_at, "status": alert.status}
    if alert.status == "firing":
        tx.run("event_begin_anew", {**row, "before": delivery.received_at - LATE_SECONDS})
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
    _catch_up(tx, alert, at)


def _catch_up(tx: Transaction, alert: Alert, at: float) -> None:
    """Deliveries can overtake each other: the end of this episode may have been told before its beginning."""
    if tx.one("event_resolved_since", {"identity": alert.identity, "starts_at": alert.starts_at}):
        resolve(tx, alert, at)


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
