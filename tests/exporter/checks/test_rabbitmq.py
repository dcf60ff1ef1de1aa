from collections.abc import Callable

import msgspec
import pytest

from exporter.checks import rabbitmq
from exporter.checks.outcome import VERSION, Outcome, outcome_of
from exporter.checks.rabbitmq import CONSUMERS, MESSAGES, RabbitmqRule
from tests.exporter.checks.conftest import Secret
from tests.exporter.checks.test_amqp import method
from tests.exporter.peers import Play, closing, endless, heard_in, peer, recorded, says, silent

START = method((10, 10), b"\0\x09" + bytes(12))


def ask(play: Play, seconds: float = 5.0, **keys: object) -> Outcome:
    """The outcome of a check of a peer."""
    with peer(play) as it:
        return outcome_of(RabbitmqRule(it.address, **keys).check(seconds))  # type: ignore[arg-type]


def test_check_says_what_a_real_server_took(secret: Secret, logged_in: Callable[[Outcome], bool]) -> None:
    """RabbitMQ 3.10 let this in, opened the virtual host, and was taken leave of."""
    with peer(recorded("rabbitmq_open")) as it:
        outcome = outcome_of(RabbitmqRule(it.address, password_file=secret("guest")).check(5.0))
    assert outcome.up
    assert logged_in(outcome)
    assert it.heard == heard_in("rabbitmq_open")
    assert (VERSION, 1, ("rabbitmq", "3.10.8")) in outcome.readings


def test_check_without_credentials_asks_for_the_protocol_only(logged_in: Callable[[Outcome], bool]) -> None:
    """A server that says which protocol it speaks is up."""
    outcome = ask(says(START))
    assert outcome.up
    assert not logged_in(outcome)


@pytest.mark.parametrize(
    ("name", "password", "vhost", "reason"),
    [("rabbitmq_denied", "falsch", "/", "auth"), ("rabbitmq_vhost", "guest", "nix", "vhost")],
)
def test_check_refused_login_is_down(secret: Secret, name: str, password: str, vhost: str, reason: str) -> None:
    """RabbitMQ 3.10 refused these."""
    assert ask(recorded(name), password_file=secret(password), vhost=vhost).reason == reason
    assert reason in rabbitmq.REASONS


@pytest.mark.parametrize(
    ("play", "reason"),
    [(silent, "timeout"), (closing, "closed"), (endless(b"\0"), "protocol"), (says(b"HTTP/1.1 400\r\n"), "protocol")],
)
def test_check_other_servers_are_down(play: Play, reason: str) -> None:
    """Silence, other protocols and endless answers do not hold the check."""
    assert ask(play, 0.2).reason == reason


def test_check_sends_no_password_in_clear_over_the_network(secret: Secret, monkeypatch: pytest.MonkeyPatch) -> None:
    """PLAIN needs TLS, or a server on this machine."""
    monkeypatch.setattr("exporter.checks.wire._loopback", lambda _: False)
    with peer(says(START)) as it:
        outcome = outcome_of(RabbitmqRule(it.address, password_file=secret("geheim")).check(5.0))
    assert (outcome.reason, b"geheim" in it.heard) == ("auth", False)


def test_check_shows_queues_and_their_consumers(secret: Secret) -> None:
    """RabbitMQ 3.10 said this of a queue that one Celery worker consumes."""
    with peer(recorded("rabbitmq_queues")) as it:
        rule = RabbitmqRule(it.address, password_file=secret("guest"), queues=("celery",), minimum_consumers=1)
        outcome = outcome_of(rule.check(5.0))
    assert outcome.up, outcome.detail
    assert it.heard == heard_in("rabbitmq_queues")
    assert {(MESSAGES, 0, ("celery",)), (CONSUMERS, 1, ("celery",))} <= set(outcome.readings)


def test_check_queue_with_too_few_consumers_is_down(secret: Secret) -> None:
    """Workers that are gone are told, with what waits for them."""
    keys = {"password_file": secret("guest"), "queues": ("celery",), "minimum_consumers": 2}
    outcome = ask(recorded("rabbitmq_queues"), **keys)
    assert outcome.reason == "too_few_consumers"
    assert (CONSUMERS, 1, ("celery",)) in outcome.readings


def test_check_missing_queue_is_down(secret: Secret) -> None:
    """A queue is looked at, never made."""
    assert ask(recorded("rabbitmq_no_queue"), password_file=secret("guest"), queues=("nix",)).reason == "no_queue"


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"queues": ["q"]}, "a password_file is needed"),
        ({"queues": ["q"] * 101}, "up to 100"),
        ({"address": "x"}, "HOST:PORT"),
    ],
)
def test_rule_refuses_what_cannot_be_asked(document: dict[str, object], message: str) -> None:
    """Mistakes are found before the start."""
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert({"address": "h:1"} | document, RabbitmqRule)
