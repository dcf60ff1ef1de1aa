"""A connection whose client may read slowly, or not at all: it holds no thread, and not for ever.

waitress answers pipelined requests one after the other, and where the client does not read, the thread waits until it
does. A few such clients take all threads for good. Here the next request is begun once the last answer is on its way.
"""

import time

from waitress.channel import HTTPChannel

#: Seconds for which a client may take nothing of an answer.
STALLED_SECONDS = 60.0
#: Bytes of an answer that may wait to be sent: all of it. With less, the thread would wait and not the answer.
HIGH_WATERMARK = 2**60


class Channel(HTTPChannel):  # type: ignore[misc]
    """A connection; the loop reads and writes, one thread at a time answers."""

    #: Whether a request waits for the answer before it to be sent.
    _held = False

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

    def stalled(self) -> bool:
        """Whether the client has taken nothing of its answer for too long."""
        return bool(self.total_outbufs_len) and time.time() - self.last_activity > STALLED_SECONDS
