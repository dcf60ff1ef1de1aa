import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.checks import rabbitmq
from exporter.checks.amqp import MAX_IDLE, AmqpSession
from exporter.checks.outcome import CheckFailed
from tests.exporter.peers import Canned, said_in


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


def failure(said: bytes) -> str:
    """Why a conversation with a server that says this fails."""
    session = AmqpSession(Canned(said))
    with pytest.raises(CheckFailed) as found:
        talk(session)
    return found.value.reason


def talk(session: AmqpSession) -> None:
    """All that there is to say."""
    session.start()
    session.open("guest", "guest", "/")
    session.queue("celery", 1)
    session.close()


def test_start_reads_the_version_of_a_real_server() -> None:
    """RabbitMQ 3.10.8 says so."""
    assert AmqpSession(Canned(said_in("rabbitmq_open"))).start() == "3.10.8"
    assert AmqpSession(Canned(START)).start() == ""


def test_queue_reads_messages_and_consumers() -> None:
    """Two numbers stand at the end of the answer."""
    answer = method((20, 11), bytes(4)) + method((50, 11), b"\x06celery" + struct.pack("!II", 70_000, 3))
    assert AmqpSession(Canned(answer)).queue("celery", 1) == (70_000, 3)


def test_heartbeats_between_are_passed_over() -> None:
    """A server may send one at any time."""
    assert AmqpSession(Canned(frame(8, b"") * 3 + START)).start() == ""


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (farewell(320, b"CONNECTION_FORCED - broker forced connection closure"), "not_ready"),
        (farewell(530, b"NOT_ALLOWED - connection limit (10) is reached"), "too_many_connections"),
        (farewell(541, b"INTERNAL_ERROR"), "error"),
        (method((10, 50)), "error"),
        (START + method((20, 40), b"\x01\x94\x00"), "no_queue"),
        (b"AMQP\0\1\0\0", "protocol"),
        (method((10, 41)), "protocol"),
        (frame(8, b"") * (MAX_IDLE + 10), "protocol"),
        (START[:-1] + b"x", "protocol"),
        (struct.pack("!BHI", 1, 0, 2**32 - 1), "protocol"),
        (frame(1, b""), "protocol"),
        (START[:9], "closed"),
        (b"", "closed"),
    ],
)
def test_other_answers_have_their_reasons(said: bytes, reason: str) -> None:
    """Farewells, methods out of turn, other versions, huge and broken frames."""
    assert failure(said) == reason
    assert reason in rabbitmq.REASONS


@settings(deadline=None, max_examples=200)
@given(st.lists(st.tuples(st.sampled_from([(10, 10), (10, 30), (10, 41), (10, 50), (10, 51), (20, 11), (50, 11)]),
                          st.binary(max_size=30)), max_size=6))  # fmt: skip
def test_session_survives_anything(methods: list[tuple[tuple[int, int], bytes]]) -> None:
    """Whatever the server says, it ends, or fails for one of the fixed reasons."""
    try:
        talk(AmqpSession(Canned(b"".join(method(number, arguments) for number, arguments in methods))))
    except CheckFailed as error:
        assert error.reason in rabbitmq.REASONS  # noqa: PT017 -- both ends are good
