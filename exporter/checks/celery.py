"""Do Celery's workers answer, and how long are their queues? Asked through the Redis that is their broker.

Redis tells how many workers have heard the ping. So the wait ends with the last answer, and a worker that hears and
does not answer is told from one that is gone.
"""

from collections.abc import Sequence
from typing import Annotated, ClassVar

import msgspec

from exporter.checks import redis
from exporter.checks.endpoint import Endpoint
from exporter.checks.outcome import Check, Outcome, Reading
from exporter.checks.pidbox import MAX_WORKERS, SEPARATOR, Mailbox
from exporter.checks.resp import RedisSession, ReplyError
from exporter.families import Metric

WORKERS = Metric("nightshift_celery_workers", "gauge", "Workers that answered the last ping.", ["service"])
LISTENING = Metric("nightshift_celery_workers_listening", "gauge", "Workers that heard the last ping.", ["service"])
QUEUE_LENGTH = Metric(
    "nightshift_celery_queue_length", "gauge", "Tasks that wait in the queue, all priorities.", ["service", "queue"]
)
METRICS = (WORKERS, LISTENING, QUEUE_LENGTH)

REASONS = (*redis.REASONS, "no_workers", "no_reply", "too_few_workers")
#: The priorities that kombu keeps lists of their own for, beside the queue itself.
_PRIORITIES = (3, 6, 9)
#: The share of the time that workers are waited for; the rest is for the way there and for tidying up.
_WAIT_SHARE = 0.8
MAX_QUEUES = 100


class CeleryRule(Endpoint, frozen=True):
    """Workers that must answer a ping through the Redis at *address*.

    Attributes:
        database: the number of the Redis database in the broker's URL.
        ping: false asks no worker, only for the queues.
        minimum: at least so many workers must answer.
        queues: whose length is shown.
        key_prefix: `global_keyprefix` of the broker's transport options.
        exchange: `control_exchange` of the application.
    """

    reasons: ClassVar[tuple[str, ...]] = REASONS
    database: Annotated[int, msgspec.Meta(ge=0, le=65_535)] = 0
    ping: bool = True
    minimum: Annotated[int, msgspec.Meta(ge=1, le=MAX_WORKERS)] = 1
    queues: tuple[str, ...] = ("celery",)
    key_prefix: str = ""
    exchange: str = "celery"

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.queues) > MAX_QUEUES or not (self.ping or self.queues):
            raise ValueError(f"give up to {MAX_QUEUES} queues, and at least one where ping is false")

    def check(self, seconds: float) -> Check:
        """A check that enough workers answer within *seconds*."""

        def check() -> Outcome:
            with self.connect(seconds) as wire:
                self.secure(wire)
                session = RedisSession(wire)
                try:
                    redis.login(session, self)
                    session.ask("SELECT", str(self.database))
                    readings = [(QUEUE_LENGTH, self._length(session, queue), (queue,)) for queue in self.queues]
                    if not self.ping:
                        return Outcome(readings=tuple(readings))
                    return self._ping(session, readings, wire.left())
                except ReplyError as error:
                    raise redis.failed(session, error) from error

        return check

    def _length(self, session: RedisSession, queue: str) -> int:
        """How many tasks wait in *queue*."""
        name = f"{self.key_prefix}{queue}"
        lists = (name, *(f"{name}{SEPARATOR}{priority}" for priority in _PRIORITIES))
        return sum(session.number("LLEN", key) for key in lists)

    def _ping(self, session: RedisSession, readings: Sequence[Reading], seconds: float) -> Outcome:
        """What the workers' answers mean, beside *readings*."""
        mailbox = Mailbox(session, self.exchange, self.database, self.key_prefix)
        heard, names = mailbox.ping(seconds * _WAIT_SHARE)
        count = len(names)
        found = (*readings, (WORKERS, count, ()), (LISTENING, heard, ()))
        if not heard and not count:
            return Outcome("no_workers", f"{session.wire.where}: no worker listens", readings=found)
        if not count:
            return Outcome("no_reply", f"{session.wire.where}: none of {heard} workers answers", readings=found)
        if count < self.minimum:
            return Outcome("too_few_workers", f"{count} workers answer, {self.minimum} needed", readings=found)
        return Outcome(readings=found)
