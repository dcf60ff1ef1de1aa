"""Couriers: one thread a channel carries messages from the outbox, in order, for as long as it takes.

A channel that is down delays its own messages and nothing else. Between delivery and its note the process can die, so
a message may arrive twice; none is lost.
"""

import logging
from collections.abc import Callable

from alert_handler.clock import Clock
from alert_handler.errors import DeliveryError, DeliveryRejected, DeliveryUnavailable
from alert_handler.metrics import Metrics
from alert_handler.model import Severity
from alert_handler.notifier import Notifier
from alert_handler.store.outbox import Outbox, Pending
from alert_handler.switches import Switches
from chassis.logs import clean, event

log = logging.getLogger(__name__)

FIRST_RETRY_SECONDS = 1.0
#: A channel that comes back drains within a minute of being looked at again.
LAST_RETRY_SECONDS = 30.0
IDLE_SECONDS = 1.0
#: A notifier that raises what it must not is tried so often before its message gives way to the next one.
UNEXPECTED_TRIES = 5
_ORDER = tuple(Severity)


class Courier:
    """Delivers the messages of one channel; *switched* channels wait while the PAM switch is off."""

    def __init__(self, channel: str, notifier: Notifier, outbox: Outbox, metrics: Metrics, clock: Clock) -> None:
        self.channel = channel
        self._notifier = notifier
        self._outbox = outbox
        self._metrics = metrics
        self._clock = clock
        self.min_severity = Severity.LOW
        self.switches: Switches | None = None
        #: How the last try ended, as long as the store has not taken it.
        self._note: Callable[[], None] | None = None

    def turn(self) -> float:
        """Try the oldest message once; seconds until it makes sense to try again.

        Raises:
            StoreUnavailable: the store does not work; nothing is sent again until it has taken how the last try ended.
        """
        self._write_note()
        if self.switches is not None and not self.switches.read().pam:
            return IDLE_SECONDS
        pending = self._outbox.head(self.channel)
        if pending is None:
            return IDLE_SECONDS
        wait = pending.next_try_at - self._clock()
        if 0 < wait <= LAST_RETRY_SECONDS:  # a longer one was counted on a clock that was set back since
            return min(wait, IDLE_SECONDS)
        self._note = self._try(pending)
        self._write_note()
        return 0.0

    def _write_note(self) -> None:
        if self._note is not None:
            self._note()
            self._note = None

    def _try(self, pending: Pending) -> Callable[[], None]:
        """Deliver *pending* once; gives what is to be written about it."""
        if _ORDER.index(pending.message.severity) > _ORDER.index(self.min_severity):
            return lambda: self._outbox.skipped(pending)
        self._metrics.deliveries.labels(self.channel).inc()
        try:
            self._notifier.deliver(pending.message)
        except DeliveryError as error:
            return self._failed(pending, error)
        except Exception as error:  # one delivery: a mistake in a notifier holds up no other message
            log.exception("notifier %s raised over message %s", self.channel, pending.message.key)
            return self._failed(pending, _unexpected(pending, error))
        now = self._clock()
        self._metrics.delivery_delay.labels(self.channel).observe(max(0.0, now - pending.created_at))
        return lambda: self._outbox.sent(pending, now)

    def _failed(self, pending: Pending, error: DeliveryError) -> Callable[[], None]:
        self._metrics.delivery_failures.labels(self.channel).inc()
        retry_at = self._clock() + backoff(pending.tries) if error.retryable else None
        problem = clean(str(error))
        event(
            log,
            logging.ERROR,
            f"❌ Failed to notify {self.channel}: {error}",
            message=pending.message.key,
            tries=pending.tries + 1,
            again=retry_at is not None,
        )
        return lambda: self._outbox.failed(pending, problem, retry_at)


def _unexpected(pending: Pending, error: Exception) -> DeliveryError:
    """A mistake in a notifier as a delivery error: tried again some times, then out of the others' way."""
    text = f"{type(error).__name__}: {error}"
    return DeliveryRejected(text) if pending.tries + 1 >= UNEXPECTED_TRIES else DeliveryUnavailable(text)


def backoff(tries: int) -> float:
    """Seconds to wait after *tries* failures: 1, 2, 4 ... 30."""
    return min(FIRST_RETRY_SECONDS * 2.0 ** min(tries, 10), LAST_RETRY_SECONDS)
