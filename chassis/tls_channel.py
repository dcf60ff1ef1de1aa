"""TLS inside waitress' own loop: handshakes that never block it, bounded in time and number.

waitress has no TLS (ADR 0008). A channel of its own wraps each accepted socket; the loop that waits for all sockets
moves handshakes on as their bytes come, so a client that connects and says nothing costs a descriptor for ten
seconds and delays nobody.
"""

import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from chassis.channel import Channel
from chassis.logs import event
from chassis.tls import ServerTls, names_of

log = logging.getLogger(__name__)

#: Seconds that a client has for its handshake.
HANDSHAKE_SECONDS = 10.0
#: Handshakes in progress at once; the oldest is given up for a new one. Each holds up to 100 kB.
MAX_HANDSHAKES = 200
#: The most of one TLS record.
_RECORD_BYTES = 16 * 1024
_PLAIN_HTTP = b"HTTP/1.0 400 Bad Request\r\nConnection: close\r\n\r\nThis server speaks HTTPS: use https://.\n"


class TlsChannels:
    """Makes the channels of a server; *tls* gives the TLS of the moment. waitress calls it for each connection."""

    def __init__(self, tls: Callable[[], ServerTls]) -> None:
        self._tls = tls
        #: In the order in which they came.
        self.shaking: dict[TlsChannel, None] = {}

    def __call__(self, server: object, sock: socket.socket, *rest: Any, **options: Any) -> "TlsChannel | None":
        """The channel of a connection that was just accepted."""
        if len(self.shaking) >= MAX_HANDSHAKES:
            oldest = next(iter(self.shaking))
            oldest.will_close = True
            del self.shaking[oldest]
        try:
            return TlsChannel(self, self._tls(), server, sock, *rest, **options)
        except OSError:  # gone already; an error here would end the listener
            sock.close()
            return None


class TlsChannel(Channel):
    """A connection that is decrypted before waitress reads it; only the loop reads, several threads write."""

    def __init__(
        self, home: TlsChannels, tls: ServerTls, server: object, sock: socket.socket, *rest: Any, **options: Any
    ) -> None:
        sock.setblocking(False)
        wrapped = tls.context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        self._home = home
        self._tls = tls
        # OpenSSL forbids two threads in one connection; nothing below the lock waits.
        self._one_thread = threading.Lock()
        self._wants_write = False
        super().__init__(server, wrapped, *rest, **options)
        home.shaking[self] = None

    @property
    def _shaking(self) -> bool:
        return self in self._home.shaking

    def readable(self) -> bool:
        """Whether the loop is to wait for bytes."""
        if not self._shaking:
            return bool(super().readable())
        if time.time() - self.creation_time > HANDSHAKE_SECONDS:
            self.will_close = True
        return not self.will_close and not self._wants_write

    def writable(self) -> bool:
        """Whether the loop is to wait for room."""
        return (self._shaking and self._wants_write) or bool(super().writable())

    def handle_read(self) -> None:
        """Bytes have come."""
        if self._shaking:
            self._shake()
            return
        try:
            data = self._decrypted()
        except OSError:
            self.handle_close()
            return
        if data is None:
            return
        if not data:
            self.handle_close()
            return
        self.last_activity = time.time()
        self.received(data)

    def handle_write(self) -> None:
        """There is room."""
        if self._shaking and not self.will_close:
            self._shake()
        else:
            super().handle_write()

    def send(self, data: bytes, do_close: bool = True) -> int:  # noqa: FBT001, FBT002 -- waitress' own
        """Send what there is room for; how much that was."""
        try:
            with self._one_thread:
                return int(self.socket.send(data))
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return 0
        except OSError:
            if do_close:
                self.handle_close()
            return 0

    def close(self) -> None:
        """Say goodbye, as far as that can be done at once, and give the descriptor back."""
        self._home.shaking.pop(self, None)
        if self.socket is not None:
            with self._one_thread, suppress(OSError, ValueError):
                self.socket.unwrap()
        super().close()

    def _shake(self) -> None:
        """Move the handshake on."""
        self._wants_write = False
        try:
            self.socket.do_handshake()
        except ssl.SSLWantReadError:
            return
        except ssl.SSLWantWriteError:
            self._wants_write = True
            return
        except OSError as error:
            self._refuse(error)
            return
        self._home.shaking.pop(self, None)
        self.last_activity = time.time()
        allowed = self._tls.allowed_names
        if allowed and allowed.isdisjoint(names_of(self.socket.getpeercert())):
            event(
                log, logging.WARNING, "client refused: none of its names is in client_allowed_sans", client=self.addr[0]
            )
            self.handle_close()
        elif self.socket.pending():
            self.handle_read()

    def _refuse(self, error: OSError) -> None:
        """End a handshake that failed; scanners do so all day, hence only for those who ask for debug."""
        event(log, logging.DEBUG, f"TLS handshake failed: {error}", client=str(self.addr[0]))
        if getattr(error, "reason", "") == "HTTP_REQUEST":
            with suppress(OSError):
                # Read first: to close with unread bytes resets the connection, and the answer is lost with it.
                socket.socket.recv(self.socket, _RECORD_BYTES)
                socket.socket.send(self.socket, _PLAIN_HTTP)
        self.handle_close()

    def _decrypted(self) -> bytes | None:
        """What the bytes that came amount to: None for no whole record yet, empty for the end."""
        parts = []
        with self._one_thread:
            try:
                while True:
                    data = self.socket.recv(_RECORD_BYTES)
                    parts.append(data)
                    # The rest of a record is in OpenSSL, where no poll sees it; the next record is in the socket.
                    if not data or not self.socket.pending():
                        break
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                pass
        return b"".join(parts) if parts else None
