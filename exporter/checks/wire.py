"""A connection to a server that is checked: one deadline for all that happens on it, every read bounded."""

import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Self

from exporter.checks.outcome import CheckFailed

if TYPE_CHECKING:
    from ssl import SSLContext

#: Bytes asked of the kernel at once.
_CHUNK = 4096


class Wire:
    """A connection over *channel* that must be done with at *ends*, in seconds of the clock *monotonic*.

    *where* opens the messages. Whatever goes wrong is raised as `CheckFailed`, with one of the reasons of `NETWORK`.
    """

    def __init__(
        self, channel: socket.socket, where: str, ends: float, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self.where = where
        self.encrypted = False
        self._channel = channel
        self._ends = ends
        self._monotonic = monotonic
        self._buffer = bytearray()

    @classmethod
    def open(cls, address: tuple[str, int] | str, seconds: float) -> Self:
        """Connect to a TCP *address* or the unix socket at a path; all is to be done within *seconds*.

        Raises:
            CheckFailed: nobody accepts, or not in time.
        """
        ends = time.monotonic() + seconds
        where = address if isinstance(address, str) else f"{address[0]}:{address[1]}"
        try:
            channel = _unix(address, seconds) if isinstance(address, str) else _tcp(address, ends)
        except TimeoutError:
            raise CheckFailed("timeout", f"{where}: no connection within {seconds:g} s") from None
        except (ConnectionRefusedError, FileNotFoundError) as error:
            raise CheckFailed("refused", f"{where}: {error.strerror}") from error
        except (OSError, ValueError) as error:
            raise CheckFailed("error", f"{where}: {getattr(error, 'strerror', None) or error}") from error
        return cls(channel, where, ends)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._channel.close()

    @property
    def unix(self) -> bool:
        """Whether this is a unix socket."""
        return self._channel.family == socket.AF_UNIX

    @property
    def private(self) -> bool:
        """Whether nobody on the way can read what is sent: it is encrypted or stays on this machine."""
        return self.encrypted or self.unix or _loopback(self._channel.getpeername()[0])

    def left(self) -> float:
        """Seconds until the end.

        Raises:
            CheckFailed: there are none.
        """
        seconds = self._ends - self._monotonic()
        if seconds <= 0:
            raise self.failure("timeout", "no answer in time")
        return seconds

    def failure(self, reason: str, text: str) -> CheckFailed:
        """What to raise when the server's answer is not the hoped for."""
        return CheckFailed(reason, f"{self.where}: {text}")

    def secure(self, context: "SSLContext", name: str) -> None:
        """Go on with TLS; the server must be *name* if *context* verifies.

        Raises:
            CheckFailed: the handshake fails, or the server has sent something in clear after its consent.
        """
        if self._buffer:
            raise self.failure("protocol", "sent more than its consent to TLS in clear")
        self._channel.settimeout(self.left())
        try:
            self._channel = context.wrap_socket(self._channel, server_hostname=name)
        except TimeoutError:
            raise self.failure("timeout", "no TLS handshake in time") from None
        except (OSError, ValueError) as error:
            raise self.failure("tls", f"no TLS: {error}") from error
        self.encrypted = True

    def send(self, data: bytes) -> None:
        """Send all of *data*.

        Raises:
            CheckFailed: the connection is gone, or the server does not read.
        """
        self._channel.settimeout(self.left())
        try:
            self._channel.sendall(data)
        except TimeoutError:
            raise self.failure("timeout", "does not read what it is sent") from None
        except OSError as error:
            raise self.failure("closed", f"ended the connection: {error}") from error

    def take(self, size: int) -> bytes:
        """The next *size* bytes; the caller bounds *size*.

        Raises:
            CheckFailed: they do not come.
        """
        while len(self._buffer) < size:
            self._receive()
        taken = bytes(self._buffer[:size])
        del self._buffer[:size]
        return taken

    def line(self, limit: int) -> bytes:
        r"""The bytes up to the next `\r\n`, without it.

        Raises:
            CheckFailed: they do not come, or are more than *limit*.
        """
        while (end := self._buffer.find(b"\r\n", 0, limit + 2)) < 0:
            if len(self._buffer) > limit + 1:
                raise self.failure("protocol", f"sent a line of more than {limit} bytes")
            self._receive()
        return self.take(end + 2)[:-2]

    def _receive(self) -> None:
        self._channel.settimeout(self.left())
        try:
            piece = self._channel.recv(_CHUNK)
        except TimeoutError:
            raise self.failure("timeout", "no answer in time") from None
        except OSError as error:
            raise self.failure("closed", f"ended the connection: {error}") from error
        if not piece:
            raise self.failure("closed", "ended the connection in the middle of the conversation")
        self._buffer += piece


def _loopback(host: str) -> bool:
    return host == "::1" or host.removeprefix("::ffff:").startswith("127.")


def _unix(path: str, seconds: float) -> socket.socket:
    channel = socket.socket(socket.AF_UNIX)
    try:
        channel.settimeout(seconds)
        channel.connect(path)
    except BaseException:
        channel.close()
        raise
    return channel


def _tcp(address: tuple[str, int], ends: float) -> socket.socket:
    """A connection to the first of the host's addresses that accepts; all of them share the time."""
    found = socket.getaddrinfo(*address, type=socket.SOCK_STREAM)
    for number, (*_, place) in enumerate(found, 1):
        try:
            channel = socket.create_connection((str(place[0]), address[1]), max(0.001, ends - time.monotonic()))
        except OSError:
            if number == len(found) or time.monotonic() >= ends:
                raise
        else:
            channel.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # short questions, each one waited for
            return channel
    raise OSError(f"{address[0]} has no address")
