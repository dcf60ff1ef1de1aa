from collections.abc import Callable
from typing import ClassVar

import msgspec
import pytest

from alert_handler.courier import IDLE_SECONDS, UNEXPECTED_TRIES, Courier, backoff
from alert_handler.errors import DeliveryRejected, DeliveryUnavailable, StoreUnavailable
from alert_handler.metrics import Metrics
from alert_handler.model import Message, Severity
from alert_handler.store.outbox import Outbox
from alert_handler.store.sqlite import Database
from alert_handler.switches import PAM, Switches
from tests.alert_handler.doubles import NOW, FakeClock


class Channel:
    """Takes messages, or raises what it is told to."""

    Config: ClassVar[type[msgspec.Struct]] = msgspec.Struct

    def __init__(self) -> None:
        self.got: list[str] = []
        self.error: Exception | None = None
        self.on_deliver: Callable[[], None] = lambda: None

    def deliver(self, message: Message) -> None:
        """Note its key."""
        self.on_deliver()
        if self.error is not None:
            raise self.error
        self.got.append(message.key)


@pytest.fixture
def channel() -> Channel:
    """A channel that works."""
    return Channel()


@pytest.fixture
def outbox(database: Database) -> Outbox:
    """Three messages that wait for it."""
    outbox = Outbox(database, ("chat",))
    outbox.add([message("a"), message("b"), message("c")])
    return outbox


@pytest.fixture
def courier(channel: Channel, outbox: Outbox, metrics: Metrics, clock: FakeClock) -> Courier:
    """Its courier."""
    return Courier("chat", channel, outbox, metrics, clock)


def message(key: str, severity: Severity = Severity.HIGH) -> Message:
    """Something to tell."""
    return Message(key=key, kind="action", severity=severity, title="t", text="t", at=NOW)


def states(outbox: Outbox) -> list[tuple[str, int]]:
    """State and tries of every message, oldest first."""
    with outbox._database.read() as tx:
        rows = tx._connection.execute("SELECT state, tries FROM outbox ORDER BY id").fetchall()
    return [(row["state"], row["tries"]) for row in rows]


def test_turn_delivers_in_order_and_then_idles(courier: Courier, channel: Channel) -> None:
    """Oldest first, one a turn."""
    assert [courier.turn() for _ in range(4)] == [0.0, 0.0, 0.0, IDLE_SECONDS]
    assert channel.got == ["a", "b", "c"]


def test_turn_unavailable_channel_keeps_order_and_backs_off(
    courier: Courier, channel: Channel, outbox: Outbox, clock: FakeClock
) -> None:
    """The first message stays first; it is tried again after 1, 2, 4 s, never before."""
    channel.error = DeliveryUnavailable("refused")
    courier.turn()
    for wait in (1.0, 2.0, 4.0):
        clock.advance(wait - 0.25)
        assert courier.turn() == 0.25
        clock.advance(0.25)
        courier.turn()
    assert states(outbox) == [("pending", 4), ("pending", 0), ("pending", 0)]
    channel.error = None
    clock.advance(30)
    courier.turn()
    assert channel.got == ["a"]


def test_turn_clock_that_jumped_back_holds_up_nothing(courier: Courier, channel: Channel, clock: FakeClock) -> None:
    """A wait that no failure makes so long was counted on another clock."""
    clock.advance(-86400)
    assert [courier.turn() for _ in range(4)] == [0.0, 0.0, 0.0, IDLE_SECONDS]
    assert channel.got == ["a", "b", "c"]


def test_turn_rejected_message_gives_way_to_the_next(courier: Courier, channel: Channel, outbox: Outbox) -> None:
    """What the channel will never take does not stand in the way."""
    channel.error = DeliveryRejected("no such room")
    courier.turn()
    channel.error = None
    courier.turn()
    assert channel.got == ["b"]
    assert [state for state, _ in states(outbox)] == ["rejected", "sent", "pending"]


def test_turn_notifier_that_raises_is_tried_again_then_passed_over(
    courier: Courier, channel: Channel, outbox: Outbox, clock: FakeClock
) -> None:
    """A mistake in a notifier blocks its channel for a bounded time."""
    channel.error = KeyError("a mistake")
    for _ in range(UNEXPECTED_TRIES):
        courier.turn()
        clock.advance(60)
    assert states(outbox)[:2] == [("rejected", UNEXPECTED_TRIES), ("pending", 0)]


def test_turn_delivered_message_is_not_sent_again_while_the_store_is_down(
    courier: Courier, channel: Channel, database: Database, outbox: Outbox
) -> None:
    """A store that cannot note the delivery must not make a pager ring every second."""
    connection = database._connection()
    channel.on_deliver = lambda: connection.execute("PRAGMA query_only = ON")  # type: ignore[assignment, return-value]
    for _ in range(3):
        with pytest.raises(StoreUnavailable):
            courier.turn()
    assert channel.got == ["a"]
    channel.on_deliver = lambda: None
    connection.execute("PRAGMA query_only = OFF")
    courier.turn()
    assert channel.got == ["a", "b"]
    assert [state for state, _ in states(outbox)] == ["sent", "sent", "pending"]


def test_turn_switched_off_channel_waits_and_loses_nothing(courier: Courier, channel: Channel) -> None:
    """With PAM off its messages wait; switched on again they go out in order."""
    environment = {PAM: "false"}
    courier.switches = Switches(None, None, environment)
    assert courier.turn() == IDLE_SECONDS
    assert channel.got == []
    environment[PAM] = "true"
    courier.turn()
    assert channel.got == ["a"]


def test_turn_message_below_the_channel_s_severity_is_passed_over(
    courier: Courier, channel: Channel, outbox: Outbox
) -> None:
    """A pager that wants critical ones gets only these."""
    courier.min_severity = Severity.CRITICAL
    outbox.add([message("d", Severity.CRITICAL)])
    while courier.turn() == 0.0:
        pass
    assert channel.got == ["d"]


def test_turn_counts_tries_failures_and_delay(
    courier: Courier, channel: Channel, metrics: Metrics, clock: FakeClock
) -> None:
    """What the rules watch."""
    channel.error = DeliveryUnavailable("refused")
    courier.turn()
    channel.error = None
    clock.advance(1)
    courier.turn()
    values = {
        name: metrics.registry.get_sample_value(f"nightshift_{name}", {"channel": "chat"})
        for name in ("deliveries_total", "delivery_failures_total", "delivery_delay_seconds_sum")
    }
    assert list(values.values()) == [2.0, 1.0, 1.0]


def test_turn_failure_is_told_as_the_requirements_word_it(
    courier: Courier, channel: Channel, caplog: pytest.LogCaptureFixture
) -> None:
    """One event a failed try."""
    channel.error = DeliveryUnavailable("refused")
    courier.turn()
    assert "❌ Failed to notify chat: refused" in caplog.text


def test_backoff_doubles_up_to_half_a_minute() -> None:
    """However long a channel is down, it is looked at twice a minute."""
    assert [backoff(tries) for tries in (0, 1, 2, 5, 10_000)] == [1.0, 2.0, 4.0, 30.0, 30.0]
