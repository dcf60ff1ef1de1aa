"""The patterns of one service's errors: since when each is known, how often it came, one example; bounded.

A pattern keeps the category that its first message had. Past the cap, errors count under `other` by category, so
a flood of invented messages adds no series. Patterns that were not seen for 30 days make room.
"""

import re

import msgspec

from chassis.redaction import readable, redact, well_formed
from exporter.analysis.error_categories import Categories, Category
from exporter.analysis.error_patterns import Miner
from exporter.analysis.text_rules import any_of

OTHER = "other"
#: Seconds after which a pattern that is not seen makes room for another.
FORGET_SECONDS = 30 * 86400.0
#: Kept texts of messages; a full memory is emptied (a guard against invented messages).
KEPT_MESSAGES = 2048
#: Characters of a pattern's text in a label, of its example and of the example's stack.
MAX_TEMPLATE = 256
MAX_SAMPLE = 512
MAX_STACK = 2048

_NUMBER = re.compile(r"(?<![%\w])\d++(?:[.:,/-]\d++)*+(?!\w)")
#: Text without any of these, in whatever case, holds nothing that `redact` would remove.
_SECRET_WORDS = (
    *("pass", "secret", "token", "key", "credential", "authorization", "cookie", "bearer", "://", "begin", "slack"),
    *("ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_", "xox", "akia", "glpat"),
)
_MAY_BE_SECRET = any_of(_SECRET_WORDS)
#: The same for other alphabets, whose letters can stand for those of a word: to `re` the long s is an s.
_MAY_BE_SECRET_ABROAD = re.compile(_MAY_BE_SECRET.pattern, re.IGNORECASE)


class Pattern(msgspec.Struct):
    """What is known of one pattern.

    Attributes:
        fingerprint: 12 hex digits, the same after a restart; `other` past the cap.
        template: the pattern's text, redacted.
        category: of its first message.
        first_seen, last_seen: Unix time in seconds.
        count: messages in this process.
        earlier: messages in processes before.
        sample, stack: its first message, redacted.
        details: what a report told besides, redacted.
    """

    fingerprint: str
    template: str
    category: Category
    first_seen: float
    last_seen: float
    count: int = 0
    earlier: int = 0
    sample: str = ""
    stack: str = ""
    details: dict[str, str] = {}


class _Kept(msgspec.Struct, array_like=True):
    """What is kept over a restart."""

    patterns: list[Pattern]
    miner: bytes


class PatternBook:
    """Finds the pattern of each error; shows at most *max_patterns*.

    *kept* is what `dump` gave before a restart; what cannot be read of it is left out.

    Attributes:
        patterns: by fingerprint.
        others: what is over the cap, by category.
        new: patterns that were seen for the first time.
        forgotten: patterns that made room.
    """

    def __init__(self, categories: Categories, max_patterns: int, kept: bytes | None = None, now: float = 0.0) -> None:
        self.patterns: dict[str, Pattern] = {}
        self.others: dict[Category, Pattern] = {}
        self.new = 0
        self.forgotten = 0
        self._categories = categories
        self._max_patterns = max_patterns
        self._miner = Miner(max_patterns=2 * max_patterns)
        self._memory: dict[str, Pattern] = {}
        self._no_room = (0.0, -1.0)
        if kept:
            self._restore(kept, now)

    @property
    def dropped(self) -> int:
        """Errors that count under `other`."""
        return sum(pattern.count for pattern in self.others.values())

    def find(self, message: str, stack: str, now: float) -> Pattern:
        """The pattern of an error seen at *now* (Unix seconds); the caller counts. Good until `forgotten` grows."""
        key = without_numbers(message)
        pattern = self._memory.get(key)
        if pattern is None:
            pattern = self._place(message, stack, now)
            if len(self._memory) >= KEPT_MESSAGES:
                self._memory.clear()
            self._memory[key] = pattern
        return pattern

    def dump(self) -> bytes:
        """What a restart needs to know every pattern again."""
        patterns = [
            msgspec.structs.replace(pattern, count=0, earlier=pattern.earlier + pattern.count)
            for pattern in self.patterns.values()
        ]
        return msgspec.msgpack.encode(_Kept(patterns, self._miner.dump()))

    def _place(self, message: str, stack: str, now: float) -> Pattern:
        """The pattern of a message that is not remembered."""
        message = without_secrets(message)
        match = self._miner.add(message)
        known = self.patterns.get(match.fingerprint)
        if known is not None:
            return known
        category = self._categories.of(message, stack)
        if len(self.patterns) >= self._max_patterns and not self._make_room(now):
            return self.others.setdefault(category, Pattern(OTHER, OTHER, category, now, now))
        self.new += 1
        pattern = Pattern(match.fingerprint, shown(match.template, MAX_TEMPLATE), category, now, now)
        pattern.sample = shown(message, MAX_SAMPLE)
        pattern.stack = shown(without_secrets(stack), MAX_STACK)
        self.patterns[match.fingerprint] = pattern
        return pattern

    def _make_room(self, now: float) -> bool:
        """Forget what was not seen for long; whether that was anything.

        Nothing can be before 30 days after the oldest sight, unless the clock is set back; a flood asks all the time.
        """
        since, until = self._no_room
        if since <= now <= until:
            return False
        old = [name for name, pattern in self.patterns.items() if now - pattern.last_seen > FORGET_SECONDS]
        for name in old:
            del self.patterns[name]
        if old:
            self.forgotten += len(old)
            self._memory.clear()
        self._no_room = (now, FORGET_SECONDS + min((p.last_seen for p in self.patterns.values()), default=now))
        return bool(old)

    def _restore(self, kept: bytes, now: float) -> None:
        """Take over what an earlier process knew; a clock that was ahead then is set right."""
        try:
            known = msgspec.msgpack.decode(kept, type=_Kept)
            self._miner = Miner.restore(known.miner, max_patterns=2 * self._max_patterns)
        except (msgspec.MsgspecError, ValueError):
            return
        fresh = [pattern for pattern in known.patterns if now - pattern.last_seen <= FORGET_SECONDS]
        for pattern in sorted(fresh, key=lambda pattern: -pattern.last_seen)[: self._max_patterns]:
            pattern.first_seen = min(pattern.first_seen, now)
            pattern.last_seen = min(pattern.last_seen, now)
            self.patterns[pattern.fingerprint] = pattern


def without_numbers(text: str) -> str:
    """*text* with every number that is a word of its own, or a time or address made of some, as `0`."""
    return _NUMBER.sub("0", text)


def without_secrets(text: str) -> str:
    """*text* redacted; the costly way only where a word tells that there may be a secret."""
    may_be = _MAY_BE_SECRET.search(text.lower()) if text.isascii() else _MAY_BE_SECRET_ABROAD.search(text)
    return redact(text) if may_be else text


def shown(text: str, length: int) -> str:
    """*text* cut to *length*, fit for a label, JSON and a terminal."""
    text = readable(well_formed(text))
    return text if len(text) <= length else f"{text[: length - 3]}..."
