"""A connection whose client may read slowly, or not at all: it holds no thread, and not for ever.

waitress answers pipelined requests one after the other, and where the client does not read, the thread waits until it
does. A few such clients take all threads for good. Here the next request is begun once the last answer is on its way.

A request that the application answers from memory is answered by the loop itself: to wake a thread for it takes a
tenth of a whole scrape.
"""

import threading
import time
from collections.abc import Callable

from waitress.channel import HTTPChannel
from waitress.task import ThreadedTaskDispatcher

#: Seconds for which a client may take nothing of an answer.
STALLED_SECONDS = 60.0
#: Bytes of an answer that may wait to be sent: all of it. With less, the thread would wait and not the answer.
HIGH_WATERMARK = 2**60


class Dispatcher(ThreadedTaskDispatcher):  # type: ignore[misc]
    """Gives requests to threads; those whose path *at_once* says are answered from memory stay with the loop."""

    def __init__(self, at_once: Callable[[str], bool]) -> None:
        super().__init__()
        self._at_once = at_once
        #: The thread of the loop, once it runs.
        self.loop = 0

    def add_task(self, task: "Channel") -> None:
        """Have the first request of *task* answered."""
        path = getattr(task.requests[0], "path", "") if task.requests else ""
        if threading.get_ident() == self.loop and self._at_once(path):
            task.due = True
        else:
            super().add_task(task)


class Channel(HTTPChannel):  # type: ignore[misc]
    """A connection; the loop reads and writes, one thread at a time answers."""

    #: Whether a request waits for the answer before it to be sent.
    _held = False
    #: Whether the loop is to answer the next request itself, when it has left waitress' locks.
    due = False

    def handle_read(self) -> None:
        """Bytes have come."""
        super().handle_read()
        self._answer_due()

    def service(self) -> None:
        """Answer the next request, or hold it where the client has not taken the last answer."""
        if self.total_outbufs_len and self.connected:
            self._held = True
            self.server.pull_trigger()
        else:
            super().service()

    def writable(self) -> bool:
        """Whether the loop is to wait for room; also where it came just before a request was held."""
        return self._held or bool(super().writable())

    def handle_write(self) -> None:
        """There is room."""
        super().handle_write()
        if self._held and not self.total_outbufs_len:
            self._held = False
            self.server.add_task(self)
        self._answer_due()

    def _answer_due(self) -> None:
        """Answer what is due; a pipelined request after it may be due too."""
        while self.due:
            self.due = False
            self.service()

    def stalled(self) -> bool:
        """Whether the client has taken nothing of its answer for too long."""
        return bool(self.total_outbufs_len) and time.time() - self.last_activity > STALLED_SECONDS
