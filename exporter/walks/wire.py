"""A connected socket as http.client wants one, whose every operation ends by one deadline and within one budget.

A timeout per operation is none for the whole: a server that sends a byte a second never runs into it. Here each wait
has what is left of the step's time, and what is received is counted, whichever way it is framed.
"""

import io
import socket
import ssl
from collections.abc import Sequence
from typing import TYPE_CHECKING

from exporter.walks.message import Deadline, StepFailed
from exporter.walks.resolver import Address

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

#: No attempt to connect gets less, however many addresses a name has.
_SHORTEST_SECONDS = 0.05


class Wire:
    """*sock* with *deadline*, giving at most *budget* bytes; it is closed by who opened it."""

    def __init__(self, sock: socket.socket, deadline: Deadline, budget: int) -> None:
        self._sock = sock
        self._deadline = deadline
        self._budget = budget

    def sendall(self, payload: bytes) -> None:
        """Send all of *payload*.

        Raises:
            TimeoutError: the deadline has passed.
        """
        rest = memoryview(payload)
        while rest:
            self._sock.settimeout(self._deadline.left())
            rest = rest[self._sock.send(rest) :]

    def makefile(self, _mode: str, *_: object) -> io.BufferedReader:
        """What http.client reads the answer from."""
        return io.BufferedReader(_Reader(self._sock, self._deadline, self._budget))

    def close(self) -> None:
        """Nothing: http.client calls this while the answer is still being read."""


class _Reader(io.RawIOBase):
    def __init__(self, sock: socket.socket, deadline: Deadline, budget: int) -> None:
        super().__init__()
        self._sock = sock
        self._deadline = deadline
        self._budget = budget

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        self._sock.settimeout(self._deadline.left())
        count = self._sock.recv_into(buffer)
        self._budget -= count
        if self._budget < 0:
            raise StepFailed("too_large", "the answer with its headers and framing is larger than may be read")
        return count


def connect(addresses: Sequence[Address], deadline: Deadline) -> socket.socket:
    """A socket connected to the first of *addresses* that answers; each gets its share of the time that is left.

    Raises:
        OSError: none does; the first one's error.
    """
    problem: OSError = TimeoutError()
    for tried, (family, address) in enumerate(addresses):
        sock = socket.socket(family, socket.SOCK_STREAM)
        try:
            left = deadline.left()
            sock.settimeout(min(left, max(_SHORTEST_SECONDS, left / (len(addresses) - tried))))
            sock.connect(address)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            sock.close()
            problem = problem if tried else error
        except BaseException:
            sock.close()
            raise
        else:
            return sock
    raise problem


def secure(sock: socket.socket, context: ssl.SSLContext, name: str, deadline: Deadline) -> ssl.SSLSocket:
    """TLS over *sock*, which it takes over, to a server that proves to be *name*.

    Raises:
        OSError: the handshake fails or takes too long; both sockets are closed.
    """
    try:
        sock.settimeout(deadline.left())
        return context.wrap_socket(sock, server_hostname=name)
    except BaseException:
        sock.close()
        raise
