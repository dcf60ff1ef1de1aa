import struct
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.checks import postgresql
from exporter.checks.endpoint import Tls
from exporter.checks.outcome import VERSION, Outcome, outcome_of
from exporter.checks.postgresql import MAX_BYTES, PostgresqlRule
from tests.exporter.checks.conftest import Secret
from tests.exporter.peers import Play, closing, endless, heard_in, peer, recorded, says, silent


def message(kind: bytes, body: bytes = b"") -> bytes:
    """A message of the server."""
    return kind + struct.pack("!i", len(body) + 4) + body


def error(state: str) -> bytes:
    """An error of the server."""
    return message(b"E", f"SFATAL\0VFATAL\0C{state}\0Mno luck\0\0".encode())


def demand(number: int, rest: bytes = b"") -> bytes:
    """A demand for a proof."""
    return message(b"R", struct.pack("!i", number) + rest)


LET_IN = demand(0) + message(b"S", b"server_version\x0015.18\0") + message(b"Z", b"I")
ROWS = message(b"C", b"SET\0") + message(b"T", b"\0\1") + message(b"D", b"1") + message(b"C") + message(b"Z", b"I")


def ask(play: Play, seconds: float = 5.0, **keys: object) -> Outcome:
    """The outcome of a check of a peer."""
    with peer(play) as it:
        return outcome_of(PostgresqlRule(it.address, **keys).check(seconds))  # type: ignore[arg-type]


def test_check_answered_query_is_up(logged_in: Callable[[Outcome], bool]) -> None:
    """A server that lets the check in and answers is up, and its version is shown."""
    outcome = ask(says(LET_IN, ROWS))
    assert outcome.up
    assert logged_in(outcome)
    assert (VERSION, 1, ("postgresql", "15.18")) in outcome.readings


@pytest.mark.parametrize("name", ["postgresql_md5"])
def test_check_says_what_a_real_server_took(secret: Secret, name: str) -> None:
    """PostgreSQL 15 took this proof for this salt."""
    with peer(recorded(name)) as it:
        rule = PostgresqlRule(it.address, user="md5er", database="shop", password_file=secret("geheim"))
        assert outcome_of(rule.check(2.0)).up
    real = heard_in(name)
    query = real.index(b"SET LOCAL")
    assert it.heard[:query] == real[:query]


@pytest.mark.parametrize("answer", [demand(10, b"SCRAM-SHA-256\0\0"), demand(5, b"salt"), demand(3), error("28000")])
def test_check_locked_door_is_up_without_credentials(answer: bytes, logged_in: Callable[[Outcome], bool]) -> None:
    """A server that wants a password, or another user, has answered."""
    outcome = ask(says(answer))
    assert outcome.up
    assert not logged_in(outcome)


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ("28P01", "auth"),
        ("28000", "auth"),
        ("3D000", "database"),
        ("53300", "too_many_connections"),
        ("57P03", "not_ready"),
        ("57P01", "not_ready"),
        ("XX000", "error"),
        ("", "error"),
    ],
)
def test_check_refused_login_is_down(secret: Secret, state: str, reason: str) -> None:
    """With credentials every refusal has its reason, one of the fixed set."""
    outcome = ask(says(error(state)), password_file=secret("geheim"))
    assert outcome.reason == reason
    assert reason in postgresql.REASONS


@pytest.mark.parametrize("state", ["53300", "57P03"])
def test_check_trouble_is_down_without_credentials_too(state: str) -> None:
    """A server that starts up, or takes nobody any more, is down for everybody."""
    assert not ask(says(error(state))).up


@pytest.mark.parametrize(
    ("answer", "reason"),
    [(error("42P01"), "query"), (error("57014"), "query_timeout"), (b"", "query_timeout"), (b"D\0", "query_timeout")],
)
def test_check_unanswered_query_is_down(answer: bytes, reason: str) -> None:
    """A server that lets the check in and does not answer is told from one that cannot be reached."""
    assert ask(says(LET_IN, answer), 0.2).reason == reason


def test_check_query_ends_on_the_server_too() -> None:
    """The server is told to give up when we do, so slow queries do not pile up."""
    with peer(says(LET_IN, ROWS)) as it:
        outcome_of(PostgresqlRule(it.address, query="SELECT slow()").check(3.0))
    assert b"SET LOCAL statement_timeout = 2" in it.heard
    assert it.heard.endswith(b"SELECT slow()\0X\0\0\0\4")


@pytest.mark.parametrize(
    ("play", "reason"),
    [
        (silent, "timeout"),
        (closing, "closed"),
        (endless(message(b"N", b"x" * 50)), "protocol"),
        (says(b"HTTP/1.1 400 Bad Request\r\n"), "protocol"),
        (says(b"R" + struct.pack("!i", MAX_BYTES + 1)), "protocol"),
        (says(b"R" + struct.pack("!i", -1)), "protocol"),
        (says(b"R\0\0\0\3"), "protocol"),
        (says(message(b"R", b"\0")), "protocol"),
        (says(b"\xff" * 5), "protocol"),
    ],
)
def test_check_other_servers_are_down(play: Play, reason: str) -> None:
    """Silence, other protocols, huge and impossible lengths do not hold the check."""
    assert ask(play, 0.5).reason == reason


@pytest.mark.parametrize(
    ("answers", "detail"),
    [
        ([demand(7)], "kind 7"),
        ([demand(11, b"r=x")], "kind 11"),
        ([demand(12, b"v=x")], "kind 12"),
        ([demand(10, b"SCRAM-SHA-1\0\0")], "kind 10"),
        ([demand(10, b"SCRAM-SHA-256\0\0"), demand(11, b"r=x,s=eA==,i=1")], "no answer to ours"),
        ([demand(10, b"SCRAM-SHA-256\0\0"), LET_IN], "without the proof"),
    ],
)
def test_check_strange_demands_are_down(secret: Secret, answers: list[bytes], detail: str) -> None:
    """Unknown proofs, proofs out of turn, and a server that skips its own proof are refused."""
    outcome = ask(says(*answers, error("28P01")), password_file=secret("geheim"))
    assert outcome.reason == "auth"
    assert detail in outcome.detail


def test_check_sends_no_password_in_clear_over_the_network(secret: Secret, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server far away that asks for the password itself does not get it without TLS."""
    monkeypatch.setattr("exporter.checks.wire._loopback", lambda _: False)
    with peer(says(demand(3), LET_IN)) as it:
        outcome = outcome_of(PostgresqlRule(it.address, password_file=secret("geheim")).check(5.0))
    assert (outcome.reason, b"geheim" in it.heard) == ("auth", False)


@pytest.mark.parametrize(("answer", "reason"), [(b"N", "tls"), (b"E", "tls"), (b"Sx", "protocol")])
def test_check_server_without_tls_is_down(answer: bytes, reason: str) -> None:
    """Where TLS is configured nothing is said without."""
    with peer(says(answer)) as it:
        assert outcome_of(PostgresqlRule(it.address, tls=Tls()).check(0.5)).reason == reason
    assert b"nightshift" not in it.heard


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(b"RSKZNETDCI"), st.binary(max_size=20)), max_size=4))
def test_check_survives_anything(messages: list[tuple[int, bytes]]) -> None:
    """Whatever the server says, the outcome is up or one of the fixed reasons."""
    said = b"".join(message(bytes([kind]), body) for kind, body in messages)
    outcome = ask(lambda connection, _: connection.sendall(said), 0.5)
    assert outcome.reason in ("", *postgresql.REASONS)
