"""A program's output, bounded: both ends of it are kept, and no secret is shown, also not one that a cut tore apart."""

import fcntl
import os
from collections.abc import Iterable

from chassis.redaction import known_lines, readable, redact

#: Bytes of output kept: the first and the last half of it.
MAX_OUTPUT = 64 * 1024


def sealed_memory() -> int:
    """A memory file of `MAX_OUTPUT` bytes that cannot grow."""
    descriptor = os.memfd_create("nightshift-output", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(descriptor, MAX_OUTPUT)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_GROW | fcntl.F_SEAL_SHRINK)
    return descriptor


class Output:
    """Keeps the first and the last half of `MAX_OUTPUT` bytes and counts the rest."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._tail = bytearray()
        self._total = 0

    def add(self, chunk: bytes) -> None:
        """Take the next bytes that were written."""
        half = MAX_OUTPUT // 2
        self._total += len(chunk)
        room = half - len(self._head)
        self._head += chunk[:room]
        self._tail += chunk[room:]
        del self._tail[:-half]

    def text(self, secrets: Iterable[str]) -> str:
        """What is kept, redacted and readable, with a line that tells how much is missing.

        A cut can split a secret: the head loses the beginning of one, the tail everything before its first line end.
        """
        if len(self._head) + len(self._tail) == self._total:
            return readable(redact((self._head + self._tail).decode(errors="replace"), secrets))
        head = _without_torn_secret(self._head.decode(errors="replace"), secrets)
        tail = self._tail.partition(b"\n")[2]
        note = f"\n[... {self._total - len(self._head) - len(tail)} bytes left out ...]\n"
        return readable(redact(head, secrets)) + note + readable(redact(tail.decode(errors="replace"), secrets))


def _without_torn_secret(text: str, secrets: Iterable[str]) -> str:
    for secret in known_lines(secrets):
        torn = (size for size in range(len(secret) - 1, 0, -1) if text.endswith(secret[:size]))
        text = text[: len(text) - next(torn, 0)]
    return text
