"""Is PostgreSQL up? It must let the check in and answer a query in time.

Without a password the check goes as far as the server lets it: one that asks for a password, or knows no such user,
has answered, and `nightshift_service_check_logged_in` says that nothing more is known.
"""

import hashlib
import struct
from typing import ClassVar

from exporter.checks.endpoint import Endpoint
from exporter.checks.outcome import NETWORK, Check, CheckFailed, Outcome, answered
from exporter.checks.scram import Scram, ScramRefused
from exporter.checks.wire import Wire

_PROTOCOL_3 = 196608
_SSL_REQUEST = struct.pack("!ii", 8, 80877103)
#: A longer message is refused, and so is an answer in more messages than this.
MAX_BYTES = 256 * 1024
MAX_MESSAGES = 1000

REASONS = (*NETWORK, "auth", "database", "not_ready", "too_many_connections", "query", "query_timeout")
#: What a SQLSTATE means before the query; any other is an "error".
_STATES = {
    "28000": "auth",
    "28P01": "auth",
    "3D000": "database",
    "42501": "auth",
    "53300": "too_many_connections",
    "57P01": "not_ready",
    "57P02": "not_ready",
    "57P03": "not_ready",
}
#: What a server refuses only after it has found itself well: without credentials these are good answers.
_LOCKED_OUT = ("auth", "database")


class PostgresqlRule(Endpoint, frozen=True):
    """A PostgreSQL (or a pool before it) that must answer a query.

    Attributes:
        database: to log in to; the user's own where it is empty.
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
                if self.tls:
                    _ask_for_tls(wire)
                    self.secure(wire)
                session = _Session(wire)
                try:
                    session.log_in(self.user or "nightshift", self.database, password)
                except CheckFailed as error:
                    if password is None and error.reason in _LOCKED_OUT:
                        return answered("postgresql", logged_in=False)
                    raise
                session.query(self.query)
                return answered("postgresql", logged_in=True, version=session.version)

        return check


def _ask_for_tls(wire: Wire) -> None:
    wire.send(_SSL_REQUEST)
    reply = wire.take(1)
    if reply != b"S":
        raise wire.failure("tls", "has no TLS" if reply == b"N" else f"answers {reply!r} to the wish for TLS")


class _Session:
    """The conversation over *wire*, from the start-up message on."""

    def __init__(self, wire: Wire) -> None:
        self.version = ""
        self._wire = wire
        self._messages = 0

    def log_in(self, user: str, database: str, password: str | None) -> None:
        """Start, prove who we are, and wait until the server is ready for queries.

        Raises:
            CheckFailed: the server does not let us in.
        """
        words = ["user", user, "database", database or user, "application_name", "nightshift", ""]
        body = struct.pack("!i", _PROTOCOL_3) + "\0".join(words).encode() + b"\0"
        self._wire.send(struct.pack("!i", len(body) + 4) + body)
        scram: Scram | None = None
        while (message := self._next("auth"))[0] != b"Z":
            if message[0] == b"R":
                scram = self._prove(message[1], user, password, scram)
            elif message[0] == b"S" and message[1].startswith(b"server_version\0"):
                self.version = message[1].split(b"\0")[1].decode("utf-8", "replace")

    def query(self, text: str) -> None:
        """Ask *text* and read all of the answer; the server gives up when we do, so that no queries pile up.

        Raises:
            CheckFailed: an error, or no answer in time.
        """
        bounded = f"SET LOCAL statement_timeout = {max(1, int(self._wire.left() * 1000))}; {text}"
        self._wire.send(_message(b"Q", bounded.encode() + b"\0"))
        try:
            while self._next("query")[0] != b"Z":
                pass
        except CheckFailed as error:
            if error.reason == "timeout":
                raise self._wire.failure("query_timeout", "no answer to the query in time") from error
            raise
        self._wire.send(_message(b"X", b""))

    def _next(self, stage: str) -> tuple[bytes, bytes]:
        """The next message: its type and body; errors are raised."""
        self._messages += 1
        kind, size = struct.unpack("!ci", self._wire.take(5))
        if kind not in b"RSKZNETDCIA" or not 4 <= size <= MAX_BYTES or self._messages > MAX_MESSAGES:
            raise self._wire.failure("protocol", f"is no PostgreSQL: it sends {kind!r} of {size} bytes")
        body = self._wire.take(size - 4)
        if kind == b"E":
            raise self._refusal(body, stage)
        return kind, body

    def _refusal(self, body: bytes, stage: str) -> CheckFailed:
        """The server's error as ours."""
        fields = {field[:1]: field[1:].decode("utf-8", "replace") for field in body.split(b"\0") if field}
        state = fields.get(b"C", "")
        reason = "query_timeout" if state == "57014" else _STATES.get(state, "query" if stage == "query" else "error")
        return self._wire.failure(reason, f"answers: {fields.get(b'M', 'an error')[:200]} (SQLSTATE {state[:5]})")

    def _prove(self, body: bytes, user: str, password: str | None, scram: Scram | None) -> Scram | None:
        """Answer one demand for a proof of who we are; the SCRAM exchange, where there is one."""
        if len(body) < 4:
            raise self._wire.failure("protocol", "demands nothing that can be read")
        demand = int.from_bytes(body[:4])
        if demand == 0:
            if scram and not scram.verified:
                raise self._wire.failure("auth", "lets us in without the proof that it knows the password")
            return None
        if password is None:
            raise self._wire.failure("auth", "asks for a password, and none is configured")
        if demand == 3:
            self._send_clear(password)
        elif demand == 5:
            inner = _md5(password.encode() + user.encode())
            self._send_proof(b"md5" + _md5(inner + body[4:8]) + b"\0")
        else:
            return self._scram(demand, body[4:], password, scram)
        return scram

    def _scram(self, demand: int, body: bytes, password: str, scram: Scram | None) -> Scram:
        try:
            if demand == 10 and b"SCRAM-SHA-256" in body.split(b"\0"):
                scram = Scram(password)
                first = scram.first()
                self._send_proof(b"SCRAM-SHA-256\0" + struct.pack("!i", len(first)) + first)
            elif demand == 11 and scram:
                self._send_proof(scram.proof(body))
            elif demand == 12 and scram:
                scram.verify(body)
            else:
                raise self._wire.failure("auth", f"wants a proof of kind {demand}, which this check does not know")
        except ScramRefused as error:
            raise self._wire.failure("auth", str(error)) from error
        return scram

    def _send_clear(self, password: str) -> None:
        if not self._wire.private:
            raise self._wire.failure("auth", "wants the password in clear over the network: configure tls")
        self._send_proof(password.encode() + b"\0")

    def _send_proof(self, body: bytes) -> None:
        self._wire.send(_message(b"p", body))


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def _md5(text: bytes) -> bytes:
    """MD5 as PostgreSQL's old proof wants it."""
    return hashlib.md5(text, usedforsecurity=False).hexdigest().encode()
