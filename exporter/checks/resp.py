"""Redis's protocol (RESP 2): commands out, replies in, both bounded."""

from exporter.checks.wire import Wire
from exporter.errors import ExporterError

#: Longer texts and lists are refused: what is asked here has short answers.
MAX_BYTES = 64 * 1024
MAX_ITEMS = 1024
_MAX_DEPTH = 4

Reply = str | int | bytes | list["Reply"] | None


class ReplyError(ExporterError):
    """The server answered with an error; *code* is its first word, e.g. `NOAUTH`."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.code = text.partition(" ")[0]


class RedisSession:
    """Asks commands over *wire*."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire

    def ask(self, *words: str | bytes) -> Reply:
        """What the server answers to a command.

        Raises:
            ReplyError: an error.
            CheckFailed: nothing in time, or what is no RESP.
        """
        self.wire.send(command(*words))
        return self._reply(0)

    def number(self, *words: str | bytes) -> int:
        """The same for commands whose answer is a number.

        Raises:
            ReplyError: an error.
            CheckFailed: nothing in time, or no number.
        """
        reply = self.ask(*words)
        if not isinstance(reply, int):
            raise self.wire.failure("protocol", f"answers {reply!r:.40} where a number is expected")
        return reply

    def _reply(self, depth: int) -> Reply:
        line = self.wire.line(MAX_BYTES)
        kind, rest = line[:1], line[1:]
        if kind == b"+":
            return rest.decode("utf-8", "replace")
        if kind == b"-":
            raise ReplyError(rest[:200].decode("utf-8", "replace"))
        if kind == b":":
            return self._integer(rest, -(2**63), 2**63)
        if kind == b"$":
            return self._text(self._integer(rest, -1, MAX_BYTES))
        if kind == b"*" and depth < _MAX_DEPTH:
            count = self._integer(rest, -1, MAX_ITEMS)
            return None if count < 0 else [self._reply(depth + 1) for _ in range(count)]
        raise self.wire.failure("protocol", f"is no Redis: it answers {line[:40]!r}")

    def _text(self, size: int) -> bytes | None:
        return None if size < 0 else self.wire.take(size + 2)[:-2]

    def _integer(self, text: bytes, least: int, most: int) -> int:
        try:
            number = int(text[:20])
        except ValueError:
            number = most + 1
        if not least <= number <= most:
            raise self.wire.failure("protocol", f"answers the number {text[:40]!r}, which cannot be")
        return number


def command(*words: str | bytes) -> bytes:
    """A command as it goes over the wire."""
    parts = [word.encode() if isinstance(word, str) else word for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)
