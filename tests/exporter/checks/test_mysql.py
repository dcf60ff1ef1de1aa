from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.checks import mysql
from exporter.checks.endpoint import Tls
from exporter.checks.mysql import MysqlRule
from exporter.checks.outcome import VERSION, Outcome, outcome_of
from tests.exporter.checks.conftest import Secret
from tests.exporter.peers import (
    Play,
    closing,
    endless,
    greets,
    heard_in,
    peer,
    recorded,
    silent,
)

SALT = b"12345678" + b"abcdefghijkl"


def packet(number: int, body: bytes) -> bytes:
    """A packet of the server."""
    return len(body).to_bytes(3, "little") + bytes([number]) + body


def error(number: int, code: int) -> bytes:
    """An error of the server."""
    return packet(number, b"\xff" + code.to_bytes(2, "little") + b"#08004no luck")


def greeting(plugin: bytes = b"mysql_native_password", capabilities: int = 0xFFFFFFFF) -> bytes:
    """The greeting of a MySQL 8."""
    flags = capabilities.to_bytes(4, "little")
    head = b"\x0a8.0.36\0" + bytes(4) + SALT[:8] + b"\0" + flags[:2] + b"\x2d\2\0" + flags[2:]
    return packet(0, head + bytes([21]) + bytes(10) + SALT[8:] + b"\0" + plugin + b"\0")


OK = b"\0\0\0\2\0\0\0"
ROWS = (
    packet(1, b"\1") + packet(2, b"def") + packet(3, b"\xfe\0\0\2\0") + packet(4, b"\x011") + packet(5, b"\xfe\0\0\2\0")
)


def ask(play: Play, seconds: float = 5.0, **keys: object) -> Outcome:
    """The outcome of a check of a peer."""
    with peer(play) as it:
        return outcome_of(MysqlRule(it.address, **keys).check(seconds))  # type: ignore[arg-type]


def test_check_says_what_a_real_server_took(secret: Secret, logged_in: Callable[[Outcome], bool]) -> None:
    """MariaDB 10.11 took this proof for this salt, and answered the query."""
    with peer(recorded("mysql_native")) as it:
        rule = MysqlRule(it.address, user="native", database="shop", password_file=secret("geheim"))
        outcome = outcome_of(rule.check(5.0))
    assert outcome.up
    assert logged_in(outcome)
    assert it.heard == heard_in("mysql_native")
    assert (VERSION, 1, ("mysql", "10.11.19-MariaDB-0+deb12u1")) in outcome.readings


def test_check_locked_door_is_up_without_credentials(logged_in: Callable[[Outcome], bool]) -> None:
    """The handshake is completed, so that the server does not count it as a fault of this host."""
    with peer(recorded("mysql_denied")) as it:
        outcome = outcome_of(MysqlRule(it.address).check(5.0))
    assert outcome.up
    assert not logged_in(outcome)
    assert it.heard == heard_in("mysql_denied")


def test_check_unknown_plugin_is_told(secret: Secret) -> None:
    """A proof that is not known here is named; MariaDB asked for it."""
    outcome = ask(recorded("mysql_ed"), user="ed", password_file=secret("geheim"))
    assert outcome.reason == "auth"
    assert "client_ed25519" in outcome.detail


@pytest.mark.parametrize(
    ("code", "reason"),
    [(1040, "too_many_connections"), (1129, "host_blocked"), (1053, "not_ready"), (2999, "error")],
)
def test_check_refused_greeting_is_down(code: int, reason: str) -> None:
    """An error in the place of the greeting has its reason, one of the fixed set."""
    assert ask(greets(error(0, code))).reason == reason
    assert reason in mysql.REASONS


def test_check_foreign_host_is_a_locked_door(logged_in: Callable[[Outcome], bool]) -> None:
    """A server that lets nobody in from this host has answered."""
    assert not logged_in(ask(greets(error(0, 1130))))


@pytest.mark.parametrize(("code", "reason"), [(1045, "auth"), (1049, "database"), (1044, "database"), (3159, "auth")])
def test_check_refused_login_is_down(secret: Secret, code: int, reason: str) -> None:
    """Credentials that are given must be good."""
    assert ask(greets(greeting(), error(2, code)), password_file=secret("x")).reason == reason


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (ROWS, ""),
        (packet(1, OK), ""),
        (error(1, 1146), "query"),
        (error(1, 3024), "query_timeout"),
        (b"", "query_timeout"),
        (packet(1, b"\1"), "query_timeout"),
    ],
)
def test_check_query_must_be_answered(answer: bytes, reason: str) -> None:
    """The whole answer must come, in time."""
    assert ask(greets(greeting(), packet(2, OK), answer), 0.2).reason == reason


def test_check_switches_the_plugin(secret: Secret) -> None:
    """The server may ask for another proof, with a salt of its own."""
    switch = packet(2, b"\xfecaching_sha2_password\0" + SALT + b"\0")
    fast = packet(4, b"\1\3") + packet(5, OK)
    with peer(greets(greeting(b"sha256_password"), switch, fast, ROWS)) as it:
        outcome = outcome_of(MysqlRule(it.address, password_file=secret("geheim")).check(5.0))
    assert outcome.up
    assert mysql._caching_sha2(b"geheim", SALT) in it.heard


def test_check_sends_no_password_in_clear(secret: Secret) -> None:
    """caching_sha2_password asks whom it has not seen for the password itself: not over TCP without TLS."""
    with peer(greets(greeting(b"caching_sha2_password"), packet(2, b"\1\4"))) as it:
        outcome = outcome_of(MysqlRule(it.address, password_file=secret("geheim")).check(5.0))
    assert (outcome.reason, b"geheim" in it.heard) == ("auth", False)
    assert "configure tls" in outcome.detail


def test_check_server_without_tls_is_down(secret: Secret) -> None:
    """Where TLS is configured nothing is said without."""
    with peer(greets(greeting(capabilities=0xFFFFFFFF & ~(1 << 11)))) as it:
        outcome = outcome_of(MysqlRule(it.address, tls=Tls(), password_file=secret("geheim")).check(5.0))
    assert outcome.reason == "tls"
    assert not it.heard


@pytest.mark.parametrize(
    ("play", "reason"),
    [
        (silent, "timeout"),
        (closing, "timeout"),
        (greets(b"SSH-2.0-OpenSSH_9.2p1 Debian\r\n"), "protocol"),
        (greets(packet(0, b"\x09old")), "protocol"),
        (greets(packet(0, b"\x0a8.0\0short")), "protocol"),
        (greets(b"\xff\xff\xff\0" + bytes(100)), "protocol"),
        (greets(bytes(4)), "protocol"),
        (endless(packet(0, b"x")), "protocol"),
        (greets(greeting(), packet(2, b"\x01\x09")), "protocol"),
    ],
)
def test_check_other_servers_are_down(play: Play, reason: str) -> None:
    """Silence, other protocols, huge and empty packets do not hold the check."""
    assert ask(play, 0.2).reason == reason


def test_check_endless_rows_are_refused() -> None:
    """An answer without an end is no answer."""
    assert ask(greets(greeting(), packet(2, OK), packet(1, b"\1") + packet(2, b"x") * 2000), 2.0).reason == "protocol"


@settings(deadline=None, max_examples=60)
@given(st.lists(st.binary(max_size=70), max_size=4), st.booleans())
def test_check_survives_anything(bodies: list[bytes], greeted: bool) -> None:  # noqa: FBT001 -- hypothesis gives it
    """Whatever the server says, the outcome is up or one of the fixed reasons."""
    said = (greeting() if greeted else b"") + b"".join(packet(number, body) for number, body in enumerate(bodies))
    outcome = ask(lambda connection, _: connection.sendall(said), 0.5)
    assert outcome.reason in ("", *mysql.REASONS)
