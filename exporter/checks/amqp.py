"""RabbitMQ's protocol (AMQP 0-9-1): log in, open a virtual host, look at queues."""

import re
import struct

from exporter.checks.outcome import CheckFailed
from exporter.checks.wire import Wire

#: A larger frame is refused; until the two sides have agreed on more, 4 KiB is the most by the standard.
MAX_BYTES = 128 * 1024
#: Frames in a row that bring nothing on.
MAX_IDLE = 50
_HEADER = b"AMQP\0\0\x09\x01"
_METHOD = 1
_HEARTBEAT = 8
_END = b"\xce"

_Method = tuple[int, int]
_START, _START_OK = (10, 10), (10, 11)
_TUNE, _TUNE_OK = (10, 30), (10, 31)
_OPEN, _OPEN_OK = (10, 40), (10, 41)
_CLOSE, _CLOSE_OK = (10, 50), (10, 51)
_CHANNEL_OPEN, _CHANNEL_OPEN_OK, _CHANNEL_CLOSE = (20, 10), (20, 11), (20, 40)
_DECLARE, _DECLARE_OK = (50, 10), (50, 11)

#: What the code of a refusal means; any other is an "error".
_CODES = {320: "not_ready", 402: "vhost", 403: "auth", 404: "no_queue", 530: "vhost"}
_VERSION = re.compile(rb"\x07versionS\0\0\0(.)", re.DOTALL)
#: With this, wrong credentials are told as such instead of by a closed connection.
_CAPABILITIES = b"\x1cauthentication_failure_closet\x01"


class AmqpSession:
    """The conversation over *wire*."""

    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    def start(self) -> str:
        """Say which protocol we speak; the version that the server tells.

        Raises:
            CheckFailed: it speaks another.
        """
        self._wire.send(_HEADER)
        found = _VERSION.search(properties := self._expect(_START))
        return properties[found.end() :][: found[1][0]].decode("utf-8", "replace") if found else ""

    def open(self, user: str, password: str, vhost: str) -> None:
        """Log in and open the virtual host.

        Raises:
            CheckFailed: the server does not let us in.
        """
        if not self._wire.private:
            raise self._wire.failure("auth", "wants the password in clear over the network: configure tls")
        capabilities = b"\x0ccapabilitiesF" + _long(_CAPABILITIES)
        properties = _long(b"\x07productS" + _long(b"nightshift") + capabilities)
        proof = _long(f"\0{user}\0{password}".encode())
        self._send(_START_OK, properties + _short("PLAIN") + proof + _short("en_US"))
        channels, size, _ = struct.unpack("!HIH", self._expect(_TUNE)[:8].ljust(8, b"\0"))
        self._send(_TUNE_OK, struct.pack("!HIH", channels, size, 0))
        self._send(_OPEN, _short(vhost) + b"\0\0")
        self._expect(_OPEN_OK)

    def queue(self, name: str, channel: int) -> tuple[int, int]:
        """How many messages wait in the queue *name*, and how many consumers it has; nothing is created.

        Raises:
            CheckFailed: there is no such queue, or we may not look at it.
        """
        self._send(_CHANNEL_OPEN, b"\0", channel)
        self._expect(_CHANNEL_OPEN_OK)
        self._send(_DECLARE, b"\0\0" + _short(name) + b"\x01" + _long(b""), channel)
        found = self._expect(_DECLARE_OK)
        messages, consumers = struct.unpack("!II", found[-8:].rjust(8, b"\0"))
        return messages, consumers

    def close(self) -> None:
        """Take leave.

        Raises:
            CheckFailed: the server does not answer to it.
        """
        self._send(_CLOSE, struct.pack("!H", 200) + _short("") + bytes(4))
        self._expect(_CLOSE_OK)

    def _send(self, method: _Method, arguments: bytes, channel: int = 0) -> None:
        payload = struct.pack("!HH", *method) + arguments
        self._wire.send(struct.pack("!BHI", _METHOD, channel, len(payload)) + payload + _END)

    def _expect(self, method: _Method) -> bytes:
        """The arguments of the next method, which must be *method*; the server's own farewell is raised."""
        kind, payload = self._frame()
        found = struct.unpack("!HH", payload[:4].ljust(4, b"\0"))
        if found in (_CLOSE, _CHANNEL_CLOSE):
            raise self._refusal(payload[4:])
        if kind != _METHOD or found != method:
            raise self._wire.failure("protocol", f"sends the method {found} where {method} is due")
        return payload[4:]

    def _frame(self) -> tuple[int, bytes]:
        """The next frame that is no heartbeat: its type and payload."""
        for _ in range(MAX_IDLE):
            head = self._wire.take(7)
            kind, _, size = struct.unpack("!BHI", head)
            if kind not in (_METHOD, _HEARTBEAT) or size > MAX_BYTES:
                raise self._wire.failure("protocol", f"is no RabbitMQ: it sends {head!r}")
            payload = self._wire.take(size + 1)
            if payload[-1:] != _END:
                raise self._wire.failure("protocol", "sends a frame without an end")
            if kind != _HEARTBEAT:
                return kind, payload[:-1]
        raise self._wire.failure("protocol", "sends heartbeats and nothing else")

    def _refusal(self, arguments: bytes) -> CheckFailed:
        """The server's farewell as a failure."""
        code = int.from_bytes(arguments[:2])
        text = arguments[3 : 3 + arguments[2]].decode("utf-8", "replace") if len(arguments) > 2 else ""
        reason = "too_many_connections" if "limit" in text else _CODES.get(code, "error")
        return self._wire.failure(reason, f"answers: {text} ({code})")


def _short(text: str) -> bytes:
    raw = text.encode()[:255]
    return bytes([len(raw)]) + raw


def _long(raw: bytes) -> bytes:
    return struct.pack("!I", len(raw)) + raw
