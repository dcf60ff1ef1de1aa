"""A TCP or TLS connection inside the engine: connect, send, receive, start TLS, always within the task's deadline."""

import errno
import os
import socket
import ssl
import sys
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Self

from exporter.probing import certificates
from exporter.probing.attempt import ProbeFailed, TlsFacts
from exporter.probing.certificates import Certificate, CertificateUnreadable
from exporter.probing.engine import Loop, Task

#: Bytes taken from a socket at once.
PIECE_BYTES = 65536
#: Pieces taken in a row before the other tasks have their turn: a fast sender must not keep the engine to itself.
BURST_PIECES = 4

#: `_ssl.ENCODING_DER`.
_DER = 2

#: Where to connect to: address family and what `connect` takes.
Address = tuple[int, tuple[str, int] | tuple[str, int, int, int]]


class Stream(AbstractContextManager["Stream"]):
    """A connection of the running task; to be closed by `with`, also where the task is ended from outside.

    *accepted* is a connection that somebody else has made.
    """

    def __init__(
        self,
        loop: Loop,
        family: int,
        kind: int = socket.SOCK_STREAM,
        protocol: int = 0,
        accepted: socket.socket | None = None,
    ) -> None:
        self._loop = loop
        made = accepted or socket.socket(family, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, protocol)
        self.socket = made
        self._burst = 0
        self._port = loop.watch(made)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.close_socket(self.socket)

    def __enter__(self) -> Self:
        return self

    def connect(self, address: Address) -> Task[None]:
        """Connect to *address*.

        Raises:
            OSError: nobody there, or no way to there.
        """
        error = self.socket.connect_ex(address[1])
        if error == errno.EINPROGRESS:
            while not self._port.writable:
                yield None
            error = self.socket.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) if self._port.broken else 0
        if error:
            raise OSError(error, os.strerror(error))

    def send(self, data: bytes) -> Task[None]:
        """Send all of *data*.

        Raises:
            OSError: the connection is gone.
        """
        left = memoryview(data)
        while True:
            try:
                left = left[self.socket.send(left) :]
            except (BlockingIOError, ssl.SSLWantWriteError):
                yield from self._until_writable()
            except ssl.SSLWantReadError:
                yield from self._until_readable()
            if not left:
                return

    def receive(self, wake_at: float | None = None) -> Task[bytes | None]:
        """What has come, at least one byte; empty when the other side has ended; None once *wake_at* has passed.

        Raises:
            OSError: the connection is gone.
        """
        while True:
            while not self._port.readable:
                yield wake_at
                if wake_at is not None and self._loop.now() >= wake_at:
                    return None
            self._burst += 1
            if self._burst > BURST_PIECES:
                self._burst = 1
                yield self._loop.now()
            try:
                return self.socket.recv(PIECE_BYTES)
            except (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
                self._port.readable = False
                self._burst = 0
            except (ssl.SSLEOFError, ssl.SSLZeroReturnError):
                return b""

    def receive_packet(self, hops: int) -> Task[tuple[bytes, int]]:
        """One datagram, and its hop limit, which comes as ancillary data of the type *hops* (or `IPV6_HOPLIMIT`).

        Raises:
            OSError: an error message came instead.
        """
        while True:
            while not self._port.readable:
                yield None
            try:
                data, ancillary, *_ = self.socket.recvmsg(PIECE_BYTES, 64)
            except BlockingIOError:
                self._port.readable = False
            else:
                kinds = (hops, socket.IPV6_HOPLIMIT)
                found = [int.from_bytes(value[:4], sys.byteorder) for _, kind, value in ancillary if kind in kinds]
                return data, found[0] if found else 0

    def start_tls(self, context: ssl.SSLContext, server_name: str) -> Task[TlsFacts]:
        """Speak TLS from here on; what the handshake showed.

        Raises:
            OSError: the handshake failed (`ssl.SSLError`), or the connection is gone.
        """
        secured = context.wrap_socket(self.socket, do_handshake_on_connect=False, server_hostname=server_name or None)
        self.socket = secured
        while True:
            try:
                secured.do_handshake()
            except ssl.SSLWantReadError:
                yield from self._until_readable()
            except ssl.SSLWantWriteError:
                yield from self._until_writable()
            else:
                # A record may have come with the end of the handshake: nothing will report it again.
                self._port.readable = True
                return _facts(secured, context)

    def _until_writable(self) -> Task[None]:
        self._port.writable = False
        while not self._port.writable:
            yield None

    def _until_readable(self) -> Task[None]:
        self._port.readable = False
        while not self._port.readable:
            yield None


def _facts(secured: ssl.SSLSocket, context: ssl.SSLContext) -> TlsFacts:
    cipher = secured.cipher()
    return TlsFacts(
        version=(secured.version() or "").replace("TLSv1", "TLS 1"),
        cipher=cipher[0] if cipher else "",
        chain=tuple(_chain(secured)),
        verified=context.verify_mode == ssl.CERT_REQUIRED,
    )


def _chain(secured: ssl.SSLSocket) -> list[Certificate]:
    """The certificates that the server sent, the leaf first.

    Raises:
        ProbeFailed: one of them cannot be read.
    """
    try:
        return [certificates.read(der) for der in _chain_bytes(secured)]
    except CertificateUnreadable as error:
        raise ProbeFailed("tls", f"the server's certificate cannot be read: {error}") from error


def _chain_bytes(secured: ssl.SSLSocket) -> list[bytes]:
    # Public from Python 3.13 on; before, the same call is there on the inner object, and gives objects.
    if hasattr(secured, "get_unverified_chain"):
        return list(secured.get_unverified_chain())
    chain = secured._sslobj.get_unverified_chain() or ()  # type: ignore[attr-defined]  # noqa: SLF001
    return [each.public_bytes(_DER) for each in chain]
