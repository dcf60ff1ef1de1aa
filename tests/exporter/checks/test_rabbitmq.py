import struct
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.checks import rabbitmq
from exporter.checks.outcome import VERSION, Outcome, outcome_of
from exporter.checks.rabbitmq import RabbitmqRule
from tests.exporter.checks.conftest import Secret
from tests.exporter.peers import Play, closing, endless, heard_in, peer, recorded, says, silent


def frame(kind: int, payload: bytes) -> bytes:
    """A frame of the server."""
    return struct.pack("!BHI", kind, 0, len(payload)) + payload + b"\xce"


def method(number: tuple[int, int], arguments: bytes = b"") -> bytes:
    """A method of the server."""
    return frame(1, struct.pack("!HH", *number) + arguments)


def farewell(code: int, text: bytes) -> bytes:
    """A connection.close of the server."""
    return method((10, 50), struct.pack("!H", code) + bytes([len(text)]) + text + bytes(4))


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
    ("answer", "reason"),
    [
        (farewell(320, b"CONNECTION_FORCED - broker forced connection closure"), "not_ready"),
        (farewell(530, b"NOT_ALLOWED - connection limit (10) is reached"), "too_many_connections"),
        (farewell(541, b"INTERNAL_ERROR"), "error"),
        (method((10, 50)), "error"),
        (b"AMQP\0\1\0\0", "protocol"),
        (method((10, 41)), "protocol"),
        (frame(8, b"") * 60, "protocol"),
        (START[:-1] + b"x", "protocol"),
        (struct.pack("!BHI", 1, 0, 2**32 - 1), "protocol"),
    ],
)
def test_check_other_answers_are_down(answer: bytes, reason: str) -> None:
    """Farewells, methods out of turn, other versions and huge frames have their reasons."""
    assert ask(says(answer)).reason == reason


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


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.sampled_from([10, 30, 41, 50, 51]), st.binary(max_size=30)), max_size=4))
def test_check_survives_anything(methods: list[tuple[int, bytes]]) -> None:
    """Whatever the server says, the outcome is up or one of the fixed reasons."""
    said = b"".join(method((10, number), arguments) for number, arguments in methods)
    outcome = ask(lambda connection, _: connection.sendall(said), 0.5)
    assert outcome.reason in ("", *rabbitmq.REASONS)
