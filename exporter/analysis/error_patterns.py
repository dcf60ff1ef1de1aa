"""Which messages are the same event: each message gets a pattern, named by a fingerprint that outlives restarts.

    miner = Miner(max_patterns=1000)
    miner.add("connection from 10.0.0.7 refused")   # Match("6c…", "connection from <*> refused", is_new=True)
    miner.add("connection from 10.9.9.9 refused")   # the same fingerprint, is_new=False

The fingerprint is a digest of the pattern's canonical form, so it depends on no other message, unless the pattern is
a family (see `pattern_families`): which messages came before a family was found decides where its first members went.
"""

import msgspec

from exporter.analysis.fingerprint import fingerprint
from exporter.analysis.message_masks import PARAMETER, RULES, SHOWN_PARAMETER, Rule, canonical, mask
from exporter.analysis.pattern_families import FAMILY_SIZE, Families

#: A message is cut after so many characters, at the border of a word, before it is looked at.
MAX_MESSAGE_LENGTH = 2048
#: Bytes that the short cut from masked messages to patterns may take; about 2,000 messages.
_SHORTCUT_BYTES = 512 * 1024
#: What an entry takes beside its characters.
_ENTRY_BYTES = 150
_DUMP_VERSION = 1


class Match(msgspec.Struct, frozen=True, gc=False):
    """The pattern of one message: *fingerprint* is 12 hex digits, *is_new* true for the first message of a pattern."""

    fingerprint: str
    template: str
    is_new: bool


class _Pattern(msgspec.Struct, gc=False):
    form: str
    match: Match
    last_seen: int = 0


class _Dump(msgspec.Struct, array_like=True):
    version: int
    patterns: list[tuple[str, bool, int]]
    evicted: list[str]


class Miner:
    """Groups messages by pattern; not for several threads at once.

    At most *max_patterns* are kept: room is made by eviction of those that were not seen for longest. The fingerprints
    of four times as many evicted patterns are kept, so that a pattern that comes back is not taken for a new one.
    """

    def __init__(
        self, max_patterns: int = 1000, *, rules: tuple[Rule, ...] = RULES, family_size: int = FAMILY_SIZE
    ) -> None:
        self._max_patterns = max(1, max_patterns)
        self._rules = tuple(rule[:] for rule in rules)
        self._families = Families(family_size)
        self._patterns: dict[str, _Pattern] = {}
        self._evicted: dict[str, None] = {}
        self._shortcut: dict[str, _Pattern] = {}
        self._shortcut_bytes = 0
        self._seen = 0

    def __len__(self) -> int:
        """How many patterns are kept now."""
        return len(self._patterns)

    def add(self, message: str) -> Match:
        """The pattern of *message*; a new one is remembered."""
        masked = mask(message if len(message) <= MAX_MESSAGE_LENGTH else _cut(message))
        pattern = self._shortcut.get(masked)
        if pattern is None:
            return self._place(masked)
        self._seen += 1
        pattern.last_seen = self._seen
        return pattern.match

    def dump(self) -> bytes:
        """All that must outlive a restart, for `restore`."""
        patterns = [
            (pattern.form, self._families.is_family(pattern.form), pattern.last_seen)
            for pattern in self._patterns.values()
        ]
        return msgspec.msgpack.encode(_Dump(_DUMP_VERSION, patterns, list(self._evicted)))

    @classmethod
    def restore(cls, dump: bytes, max_patterns: int = 1000) -> "Miner":
        """A miner that knows what the dumped one knew, as far as *max_patterns* goes.

        Raises:
            msgspec.DecodeError: *dump* was not written by `dump`, or by a version that wrote it otherwise.
        """
        content = msgspec.msgpack.decode(dump, type=_Dump)
        if content.version != _DUMP_VERSION:
            raise msgspec.DecodeError(f"dump of patterns has version {content.version}, not {_DUMP_VERSION}")
        miner = cls(max_patterns)
        miner._evicted = dict.fromkeys(content.evicted)
        for form, family, last_seen in content.patterns:
            miner._families.remember(form, family=family)
            miner._patterns[form] = _Pattern(form, _match(form), last_seen)
            miner._seen = max(miner._seen, last_seen)
        while len(miner) > miner._max_patterns:
            miner._evict()
        return miner

    def _place(self, masked: str) -> Match:
        form = canonical(masked, self._rules)
        if form not in self._patterns:
            form = self._families.place(form)
        pattern = self._patterns.get(form)
        if pattern is not None:
            self._seen += 1
            pattern.last_seen = self._seen
            self._remember_shortcut(masked, pattern)
            return pattern.match
        pattern = _Pattern(form, _match(form))
        self._keep(pattern)
        self._remember_shortcut(masked, pattern)
        came_back = pattern.match.fingerprint in self._evicted
        self._evicted.pop(pattern.match.fingerprint, None)
        return pattern.match if came_back else msgspec.structs.replace(pattern.match, is_new=True)

    def _keep(self, pattern: _Pattern) -> None:
        if len(self._patterns) >= self._max_patterns:
            self._evict()
        self._seen += 1
        pattern.last_seen = self._seen
        self._patterns[pattern.form] = pattern

    def _evict(self) -> None:
        """Make room for a sixteenth of all patterns at once: finding the oldest means looking at all."""
        for pattern in sorted(self._patterns.values(), key=_last_seen)[: 1 + self._max_patterns // 16]:
            del self._patterns[pattern.form]
            self._families.forget(pattern.form)
            self._evicted[pattern.match.fingerprint] = None
        while len(self._evicted) > 4 * self._max_patterns:
            del self._evicted[next(iter(self._evicted))]
        self._clear_shortcut()

    def _remember_shortcut(self, masked: str, pattern: _Pattern) -> None:
        size = len(masked) + _ENTRY_BYTES
        if self._shortcut_bytes + size > _SHORTCUT_BYTES:
            self._clear_shortcut()
        self._shortcut_bytes += size
        self._shortcut[masked] = pattern

    def _clear_shortcut(self) -> None:
        self._shortcut.clear()
        self._shortcut_bytes = 0


def _cut(message: str) -> str:
    """The beginning of *message*, without a last word that would be half a word."""
    beginning = message[:MAX_MESSAGE_LENGTH]
    return beginning.rsplit(None, 1)[0] if " " in beginning else beginning


def _match(form: str) -> Match:
    """What messages of *form* are answered from the second on."""
    return Match(fingerprint(form), form.replace(PARAMETER, SHOWN_PARAMETER), is_new=False)


def _last_seen(pattern: _Pattern) -> int:
    return pattern.last_seen
