"""Is MySQL or MariaDB up? It must let the check in and answer a query in time.

Without a password the check still completes the handshake, as a user that the server refuses: a connection that ends
after the greeting counts as a faulty one, and after `max_connect_errors` (100) of those the server blocks the host.
"""

import hashlib
import struct
from typing import ClassVar, NamedTuple

from exporter.checks.endpoint import Endpoint
from exporter.checks.outcome import NETWORK, Check, CheckFailed, Outcome, answered
from exporter.checks.wire import Wire

MAX_BYTES = 256 * 1024
MAX_PACKETS = 1000
_PROTOCOL_10 = 10
_UTF8MB4 = 45

_PROTOCOL_41 = 1 << 9
_SSL = 1 << 11
_SECURE_CONNECTION = 1 << 15
_WITH_DATABASE = 1 << 3
_PLUGIN_AUTH = 1 << 19
_CAPABILITIES = 1 | _PROTOCOL_41 | 1 << 13 | _SECURE_CONNECTION | _PLUGIN_AUTH

REASONS = (*NETWORK, "auth", "database", "not_ready", "too_many_connections", "host_blocked", "query", "query_timeout")
#: What an error's number means before the query; any other is an "error".
_ERRORS = {
    1040: "too_many_connections",
    1044: "database",
    1045: "auth",
    1049: "database",
    1053: "not_ready",
    1129: "host_blocked",
    1130: "auth",
    1203: "too_many_connections",
    1226: "too_many_connections",
    1251: "auth",
    1698: "auth",
    1862: "auth",
    3118: "auth",
    3159: "auth",
    3168: "not_ready",
}
_LOCKED_OUT = ("auth", "database")
#: A query that the server itself gave up on.
_INTERRUPTED = (1317, 1969, 3024)


class MysqlRule(Endpoint, frozen=True):
    """A MySQL or MariaDB (or a proxy before it) that must answer a query.

    Attributes:
        database: to log in to; none where it is empty.
        query: what is asked; any answer but an error is good.
    """

    reasons: ClassVar[tuple[str, ...]] = REASONS
    database: str = ""
    query: str = "SELECT 1"

    def check(self, seconds: float) -> Check:
        """A check that it answers the query within *seconds*."""

        def check() -> Outcome:
            password = self.password()
            with self.connect(seconds) as wire:
                session = _Session(wire)
                try:
                    greeting = session.greet()
                    session.log_in(self, greeting, password or "")
                except CheckFailed as error:
                    if password is None and error.reason in _LOCKED_OUT:
                        return answered("mysql", logged_in=False, version=session.version)
                    raise
                session.query(self.query)
                return answered("mysql", logged_in=True, version=session.version)

        return check


class _Greeting(NamedTuple):
    """What the server says first: the random text that a proof is made with, and what it can do."""

    salt: bytes
    capabilities: int
    plugin: str


class _Session:
    """The conversation over *wire*, in packets that are numbered within each exchange."""

    def __init__(self, wire: Wire) -> None:
        self.version = ""
        self._wire = wire
        self._number = 0
        self._packets = 0

    def greet(self) -> _Greeting:
        """Take the server's greeting.

        Raises:
            CheckFailed: it is an error, or none that MySQL 4.1 and newer sends.
        """
        packet = self._take("greeting")
        version, _, rest = packet[1:].partition(b"\0")
        if packet[:1] != bytes([_PROTOCOL_10]) or len(rest) < 31:
            raise self._wire.failure("protocol", f"is no MySQL: it greets with {packet[:20]!r}")
        self.version = version.decode("utf-8", "replace").removeprefix("5.5.5-")
        low, high = struct.unpack_from("<H3xH", rest, 13)
        capabilities = low | high << 16
        length = max(13, rest[20] - 8)
        salt = rest[4:12] + rest[31 : 31 + length].rstrip(b"\0")
        plugin = rest[31 + length :].partition(b"\0")[0].decode("ascii", "replace")
        return _Greeting(salt, capabilities, plugin or "mysql_native_password")

    def log_in(self, rule: MysqlRule, greeting: _Greeting, password: str) -> None:
        """Complete the handshake.

        Raises:
            CheckFailed: the server does not let us in.
        """
        flags = _CAPABILITIES | (_WITH_DATABASE if rule.database else 0) | (_SSL if rule.tls else 0)
        head = struct.pack("<IIB23x", flags, 1 << 24, _UTF8MB4)
        if rule.tls:
            if not greeting.capabilities & _SSL:
                raise self._wire.failure("tls", "has no TLS")
            self._send(head)
            rule.secure(self._wire)
        plugin = greeting.plugin if greeting.plugin in _PROOFS else "mysql_native_password"
        proof = self._proof(plugin, password, greeting.salt)
        user = (rule.user or "nightshift").encode() + b"\0"
        database = rule.database.encode() + b"\0" if rule.database else b""
        self._send(head + user + bytes([len(proof)]) + proof + database + plugin.encode() + b"\0")
        self._finish(password)

    def query(self, text: str) -> None:
        """Ask *text* and read all of the answer.

        Raises:
            CheckFailed: an error, or no answer in time.
        """
        self._number = 0
        self._send(b"\x03" + text.encode())
        try:
            first = self._take("query")
            ends = 0 if first[:1] == b"\0" else 2  # an OK alone, or columns and rows with an end each
            while ends:
                packet = self._take("query")
                ends -= packet[:1] == b"\xfe" and len(packet) < 9
        except CheckFailed as error:
            if error.reason == "timeout":
                raise self._wire.failure("query_timeout", "no answer to the query in time") from error
            raise
        self._number = 0
        self._send(b"\x01")

    def _finish(self, password: str) -> None:
        """Answer what the server wants to see until it says OK."""
        while (packet := self._take("login"))[:1] != b"\0":
            if packet[:1] == b"\xfe":
                name, _, rest = packet[1:].partition(b"\0")
                self._send(self._proof(name.decode("ascii", "replace"), password, rest.rstrip(b"\0")))
            elif packet == b"\x01\x04":
                self._send_clear(password)
            elif packet != b"\x01\x03":
                raise self._wire.failure("protocol", f"answers {packet[:20]!r} to the login")

    def _send_clear(self, password: str) -> None:
        """Send the password itself, as caching_sha2_password wants it from whom it has not seen before."""
        if not self._wire.encrypted and not self._wire.unix:
            raise self._wire.failure("auth", "wants the password in clear over the network: configure tls")
        self._send(password.encode() + b"\0")

    def _proof(self, plugin: str, password: str, salt: bytes) -> bytes:
        """What shows that we know *password* in the way of *plugin*."""
        if not password:
            return b""
        if plugin not in _PROOFS:
            raise self._wire.failure("auth", f"wants to be shown the password by {plugin!r:.60}, unknown here")
        return _PROOFS[plugin](password.encode(), salt[:20])

    def _send(self, body: bytes) -> None:
        self._wire.send(len(body).to_bytes(3, "little") + bytes([self._number & 255]) + body)
        self._number += 1

    def _take(self, stage: str) -> bytes:
        """The next packet's body; errors are raised."""
        self._packets += 1
        head = self._wire.take(4)
        size = int.from_bytes(head[:3], "little")
        if size > MAX_BYTES or not size or self._packets > MAX_PACKETS:
            raise self._wire.failure("protocol", f"is no MySQL: it sends a packet of {size} bytes")
        self._number = head[3] + 1
        body = self._wire.take(size)
        if body[:1] == b"\xff":
            raise self._refusal(body, stage)
        return body

    def _refusal(self, body: bytes, stage: str) -> CheckFailed:
        """The server's error as ours."""
        number = int.from_bytes(body[1:3], "little")
        text = body[9 if body[3:4] == b"#" else 3 :].decode("utf-8", "replace")[:200]
        reason = "query" if stage == "query" else _ERRORS.get(number, "error")
        return self._wire.failure("query_timeout" if number in _INTERRUPTED else reason, f"answers: {text} ({number})")


def _native(text: bytes, salt: bytes) -> bytes:
    once = hashlib.sha1(text, usedforsecurity=False).digest()
    twice = hashlib.sha1(once, usedforsecurity=False).digest()
    return _xor(once, hashlib.sha1(salt + twice, usedforsecurity=False).digest())


def _caching_sha2(text: bytes, salt: bytes) -> bytes:
    once = hashlib.sha256(text).digest()
    twice = hashlib.sha256(once).digest()
    return _xor(once, hashlib.sha256(twice + salt).digest())


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=True))


#: How a server's plug-in wants it shown that we know the password.
_PROOFS = {"mysql_native_password": _native, "caching_sha2_password": _caching_sha2}
