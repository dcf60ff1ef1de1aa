"""Notifier `websocket`: every message as a JSON frame to a WebSocket server, e.g. an assistant ("PAM").

One connection per delivery: messages are rare, and only the closing handshake tells that the frame has arrived. A
connection that breaks before it counts as not delivered; the same message can then arrive twice, with the
same `key`.
"""

import logging
import socket
import struct
from typing import Annotated, ClassVar
from urllib.parse import urlsplit

import msgspec
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect

from alert_handler.channel_http import LATER, USER_AGENT, check_url, origin_of
from alert_handler.errors import DeliveryRejected, DeliveryUnavailable
from alert_handler.message_json import body_of, idempotency_key
from alert_handler.model import Message
from chassis.logs import event
from chassis.plugins import plugin
from chassis.secret_files import SecretUnusable, read_secret

log = logging.getLogger(__name__)

#: Closing codes (RFC 6455) with which a server says that it will never take this: unsupported, malformed, forbidden,
#: too big.
NEVER = frozenset({1003, 1007, 1008, 1009})
_NORMAL = frozenset({1000, 1001, 1005})
_MAX_ANSWER = 64 * 1024
_PORTS = {"ws": 80, "wss": 443}


class WebSocketConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The server's address, and a file with a bearer token for the handshake."""

    url: str
    token_file: str = ""
    timeout_seconds: Annotated[float, msgspec.Meta(gt=0, le=300)] = 10.0

    def __post_init__(self) -> None:
        """Refuse an address or a secret that cannot be used (ValueError)."""
        check_url(self.url, ("wss", "ws"), "url")
        if self.token_file:
            read_secret(self.token_file)


@plugin("notifier", "websocket")
class WebSocket:
    """Sends what `webhook` posts, as one text frame."""

    Config: ClassVar[type[msgspec.Struct]] = WebSocketConfig

    def __init__(self, config: WebSocketConfig) -> None:
        self._config = config
        self._where = origin_of(config.url)

    def deliver(self, message: Message) -> None:
        """Connect, send *message*, and close.

        Raises:
            DeliveryUnavailable: nobody answers, or the server says later; also when the token cannot be read now.
            DeliveryRejected: the server refuses for good.
        """
        try:
            headers = self._headers(message)
        except SecretUnusable as error:
            raise DeliveryUnavailable(str(error)) from error
        try:
            self._send(message, headers)
        except (OSError, EOFError, ValueError, WebSocketException) as error:
            raise self._refusal(error) from None
        event(log, logging.INFO, f"📱 Sent notification to PAM: {message.title}", key=message.key, kind=message.kind)

    def _headers(self, message: Message) -> dict[str, str]:
        headers = {"Idempotency-Key": idempotency_key(message)}
        if self._config.token_file:
            headers["Authorization"] = f"Bearer {read_secret(self._config.token_file)}"
        return headers

    def _send(self, message: Message, headers: dict[str, str]) -> None:
        """One connection on a socket of our own, so that neither proxies nor redirects come in between."""
        timeout = self._config.timeout_seconds
        with connect(
            self._config.url,
            sock=self._socket(timeout),
            compression=None,
            additional_headers=headers,
            user_agent_header=USER_AGENT,
            open_timeout=timeout,
            close_timeout=timeout,
            max_size=_MAX_ANSWER,
        ) as connection:
            connection.send(body_of(message).decode())
        self._judge(connection)

    def _socket(self, timeout: float) -> socket.socket:
        parts = urlsplit(self._config.url)
        opened = socket.create_connection((parts.hostname, parts.port or _PORTS[parts.scheme]), timeout)
        opened.settimeout(None)
        seconds, rest = divmod(timeout, 1)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", int(seconds), int(rest * 1e6)))
        return opened

    def _judge(self, connection: ClientConnection) -> None:
        """Whether the closing handshake says that the frame was read."""
        code = connection.close_code
        if code in NEVER:
            raise self._rejected(f"closed with code {code}")
        if connection.protocol.close_rcvd is None or code not in _NORMAL:
            raise self._unavailable(f"closed with code {code} before it confirmed the message")

    def _refusal(self, error: Exception) -> DeliveryRejected | DeliveryUnavailable:
        """What *error* means; its own words can hold addresses and headers and are not shown."""
        status = _status_in(error)
        if status:
            return self._answered(status)
        if isinstance(error, ConnectionClosed):
            code = error.rcvd.code if error.rcvd else 1006
            return (self._rejected if code in NEVER else self._unavailable)(f"closed with code {code}")
        if isinstance(error, TimeoutError):
            return self._unavailable(f"no answer within {self._config.timeout_seconds:g} s")
        if isinstance(error, OSError) and error.strerror:
            return self._unavailable(error.strerror)
        return self._unavailable(f"no usable WebSocket answer ({type(error).__name__})")

    def _answered(self, status: int) -> DeliveryRejected | DeliveryUnavailable:
        if status >= 500 or status in LATER:
            return self._unavailable(f"HTTP {status} instead of a WebSocket")
        hint = " (redirects are not followed: configure the final address)" if 300 <= status < 400 else ""
        return self._rejected(f"HTTP {status} instead of a WebSocket{hint}")

    def _rejected(self, text: str) -> DeliveryRejected:
        return DeliveryRejected(f"{self._where}: {text}")

    def _unavailable(self, text: str) -> DeliveryUnavailable:
        return DeliveryUnavailable(f"{self._where}: {text}")


def _status_in(error: BaseException | None) -> int:
    """The HTTP status that led to *error* (the library may have tried a redirect since), or 0."""
    while error is not None:
        if isinstance(error, InvalidStatus):
            return error.response.status_code
        error = error.__cause__ or error.__context__
    return 0
