"""Is RabbitMQ up? With credentials it must open its virtual host, without it must speak AMQP 0-9-1.

Workers that take their tasks from RabbitMQ (Celery's too) are the consumers of its queues.
"""

from typing import ClassVar

from exporter.checks.amqp import AmqpSession
from exporter.checks.endpoint import Endpoint
from exporter.checks.outcome import NETWORK, Check, Outcome, Reading, answered
from exporter.families import Metric

_QUEUE = ("service", "queue")
MESSAGES = Metric("nightshift_rabbitmq_queue_messages", "gauge", "Messages that wait in the queue.", _QUEUE)
CONSUMERS = Metric("nightshift_rabbitmq_queue_consumers", "gauge", "Consumers of the queue.", _QUEUE)
METRICS = (MESSAGES, CONSUMERS)

REASONS = (*NETWORK, "auth", "vhost", "not_ready", "too_many_connections", "no_queue", "too_few_consumers")
MAX_QUEUES = 100


class RabbitmqRule(Endpoint, frozen=True):
    """A RabbitMQ that must let the check in.

    Attributes:
        vhost: the virtual host that must open.
        queues: whose messages and consumers are shown; each must exist. Needs credentials.
        minimum_consumers: each of the queues must have so many.
    """

    reasons: ClassVar[tuple[str, ...]] = REASONS
    vhost: str = "/"
    queues: tuple[str, ...] = ()
    minimum_consumers: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.queues) > MAX_QUEUES:
            raise ValueError(f"{len(self.queues)} queues are given; up to {MAX_QUEUES} are looked at")
        if self.queues and not self.password_file:
            raise ValueError("to look at queues a password_file is needed")

    def check(self, seconds: float) -> Check:
        """A check that it answers within *seconds*."""

        def check() -> Outcome:
            password = self.password()
            found: list[tuple[int, int]] = []
            with self.connect(seconds) as wire:
                self.secure(wire)
                session = AmqpSession(wire)
                version = session.start()
                if password is not None:
                    session.open(self.user or "guest", password, self.vhost)
                    found = [session.queue(name, number) for number, name in enumerate(self.queues, 1)]
                    session.close()
            return self._judged(found, answered("rabbitmq", logged_in=password is not None, version=version))

        return check

    def _judged(self, found: list[tuple[int, int]], outcome: Outcome) -> Outcome:
        """*outcome* with what was *found* in the queues; down where one has too few consumers."""
        readings: list[Reading] = list(outcome.readings)
        lonely = ""
        for name, (messages, consumers) in zip(self.queues, found, strict=False):
            readings += [(MESSAGES, messages, (name,)), (CONSUMERS, consumers, (name,))]
            if consumers < self.minimum_consumers:
                lonely = f"the queue {name!r:.100} has {consumers} consumers, {self.minimum_consumers} needed"
        return Outcome("too_few_consumers" if lonely else "", lonely, readings=tuple(readings))
