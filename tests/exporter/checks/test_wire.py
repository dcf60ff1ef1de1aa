import socket
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.checks.outcome import CheckFailed
from exporter.checks.wire import Wire
from tests.exporter.peers import Peer, Play, closing, dripping, endless, greets, peer, says, silent

SECONDS = 5.0


def address_of(it: Peer) -> tuple[str, int]:
    """Where a peer is."""
    host, _, port = it.address.rpartition(":")
    return host, int(port)


def reason_of(play: Play, ask: Callable[[Wire], object], seconds: float = SECONDS) -> str:
    """Why *ask* fails against a peer."""
    with peer(play) as it, Wire.open(address_of(it), seconds) as wire:
        wire.send(b"?")
        with pytest.raises(CheckFailed) as failure:
            ask(wire)
    assert str(failure.value).startswith(it.address)
    return failure.value.reason


def test_take_and_line_share_one_stream() -> None:
    """Bytes come in the order they were sent, whatever pieces the network made of them."""
    with peer(says(b"abcde\r\nxyz")) as it, Wire.open(address_of(it), SECONDS) as wire:
        wire.send(b"?")
        assert (wire.take(2), wire.line(10), wire.take(3)) == (b"ab", b"cde", b"xyz")


@pytest.mark.parametrize(
    ("play", "seconds", "reason"),
    [
        (silent, 0.1, "timeout"),
        (dripping(b"x"), 0.1, "timeout"),
        (closing, SECONDS, "closed"),
        (says(b"abc\r\n"), 0.1, "timeout"),
    ],
)
def test_take_bounds_the_wait(play: Play, seconds: float, reason: str) -> None:
    """One deadline holds for everything, also for a server that says a byte now and then."""
    assert reason_of(play, lambda wire: wire.take(100), seconds) == reason


def test_line_bounds_the_length() -> None:
    """A line without an end is refused before it fills the memory."""
    assert reason_of(endless(b"x"), lambda wire: wire.line(1000)) == "protocol"


def test_line_of_exactly_the_limit_is_taken() -> None:
    """The limit is the longest line that is taken, and one byte more is not."""
    with peer(says(b"x" * 10 + b"\r\n" + b"y" * 11 + b"\r\n")) as it, Wire.open(address_of(it), SECONDS) as wire:
        wire.send(b"?")
        assert wire.line(10) == b"x" * 10
        with pytest.raises(CheckFailed, match="more than 10 bytes"):
            wire.line(10)


def test_send_to_a_server_that_does_not_read_times_out() -> None:
    """A full window does not hold the check for longer than its deadline."""

    def deaf(connection: socket.socket, _: Peer) -> None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        connection.sendall(b"hello")
        done.recv(1)

    test_end, done = socket.socketpair()
    with test_end, done, peer(deaf) as it, Wire.open(address_of(it), 0.2) as wire:
        with pytest.raises(CheckFailed, match="does not read"):
            wire.send(bytes(64 * 1024 * 1024))
        test_end.send(b"!")


def test_open_nobody_is_refused(tmp_path: Path) -> None:
    """A port that nobody listens on and a socket that is not there are refused alike."""
    for address in (("127.0.0.1", 1), str(tmp_path / "none.sock")):
        with pytest.raises(CheckFailed) as failure:
            Wire.open(address, SECONDS)
        assert failure.value.reason == "refused"


@pytest.mark.parametrize("address", [("no-such-host.invalid", 9), ("x" * 80, 9), ("a\0b", 9), "/" + "x" * 300])
def test_open_impossible_address_is_an_error(address: tuple[str, int] | str) -> None:
    """A name that nobody knows and a path that is too long are told, not raised as they come."""
    with pytest.raises(CheckFailed) as failure:
        Wire.open(address, SECONDS)
    assert failure.value.reason == "error"


def test_unix_socket_is_private(tmp_path: Path) -> None:
    """What is said over a unix socket stays on the machine."""
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        server.listen()
        with Wire.open(str(tmp_path / "s"), SECONDS) as wire:
            assert wire.unix
            assert wire.private


@pytest.mark.parametrize(
    ("host", "way"), [("127.0.0.9", "private"), ("::ffff:127.0.0.1", "private"), ("192.0.2.1", "")]
)
def test_private_depends_on_the_way(monkeypatch: pytest.MonkeyPatch, host: str, way: str) -> None:
    """In clear only loopback is private."""
    monkeypatch.setattr("socket.socket.getpeername", lambda _: (host, 1))
    with socket.socket() as channel:
        assert Wire(channel, "h", 1e12).private is bool(way)


def test_secure_refuses_words_in_clear() -> None:
    """Whoever is on the way cannot smuggle an answer in before TLS begins."""
    with peer(greets(b"Sinjected")) as it, Wire.open(address_of(it), SECONDS) as wire:
        wire.take(1)
        with pytest.raises(CheckFailed, match="in clear") as failure:
            wire.secure(ssl.create_default_context(), "localhost")
    assert failure.value.reason == "protocol"


@pytest.mark.parametrize(
    ("play", "reason"), [(greets(b"no TLS here\r\n"), "tls"), (silent, "timeout"), (closing, "tls")]
)
def test_secure_with_a_server_without_tls_fails(play: Play, reason: str) -> None:
    """Other words than a handshake are no TLS, and none at all are a timeout."""
    with peer(play) as it, Wire.open(address_of(it), 0.2) as wire, pytest.raises(CheckFailed) as failure:
        wire.secure(ssl.create_default_context(), "localhost")
    assert failure.value.reason == reason
