"""Names to addresses within a deadline: the C library's resolver has none that a caller could set."""

import socket
import threading
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue

from exporter.walks.message import Deadline, StepFailed

#: Questions that may hang at once in all of the process; further ones fail at once instead of adding threads.
MAX_WAITING = 8
_SLOTS = threading.BoundedSemaphore(MAX_WAITING)

Address = tuple[socket.AddressFamily, tuple[str | int | bytes, ...]]


@dataclass(slots=True)
class _Question:
    """One question to the resolver, and where its answer goes."""

    host: str
    port: int
    answers: SimpleQueue[list[Address] | OSError] = field(default_factory=SimpleQueue)

    def ask(self) -> None:
        """Ask in a thread of its own, which gives its slot back when the resolver has come back."""
        try:
            self.answers.put(_addresses(self.host, self.port, 0))
        except (OSError, UnicodeError) as error:
            self.answers.put(OSError(str(error)))
        finally:
            _SLOTS.release()


def resolve(host: str, port: int, deadline: Deadline) -> list[Address]:
    """The addresses of *host*, in the order in which they should be tried; a literal address is taken as it is.

    Raises:
        StepFailed: there is no such name, or no answer in time (reason `dns`).
    """
    try:
        return _addresses(host, port, socket.AI_NUMERICHOST)
    except (OSError, UnicodeError):
        return _ask(host, port, deadline)


def _ask(host: str, port: int, deadline: Deadline) -> list[Address]:
    if not _SLOTS.acquire(blocking=False):
        raise StepFailed("dns", f"{host}: {MAX_WAITING} questions to the resolver hang already; see /etc/resolv.conf")
    question = _Question(host, port)
    threading.Thread(target=question.ask, name=f"resolver {host}", daemon=True).start()
    try:
        found = question.answers.get(timeout=deadline.left())
    except (Empty, TimeoutError):
        raise StepFailed("dns", f"{host}: the resolver gave no answer in time") from None
    if isinstance(found, OSError):
        raise StepFailed("dns", f"{host}: {found}")
    return found


def _addresses(host: str, port: int, flags: int) -> list[Address]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=flags)
    return [(family, address) for family, _, _, _, address in found]
