"""Which messages are the same event: each message gets a pattern, named by a fingerprint that outlives restarts.

miner = Miner(max_patterns=1000)
miner.add("connection from 10.0.0.7 refused")   # Match("…", "connection from <*> refused", is_new=True)
miner.add("connection from 10.9.9.9 refused")   # the same fingerprint, is_new=False
"""

import hashlib
import re

import msgspec

#: A message is cut after so many characters before it is looked at.
MAX_MESSAGE_LENGTH = 2048
_WORD_WITH_DIGIT = re.compile(r"(?<!\S)[^\s\d]*+\d\S*+")


class Match(msgspec.Struct, frozen=True):
    """The pattern of one message: *fingerprint* is 12 hex digits, *is_new* true for the first message of a pattern."""

    fingerprint: str
    template: str
    is_new: bool


class Miner:
    """Groups messages by pattern; keeps at most *max_patterns*, the longest unseen go first."""

    def __init__(self, max_patterns: int = 1000) -> None:
        self._max_patterns = max_patterns
        self._known: dict[str, Match] = {}

    def __len__(self) -> int:
        return len(self._known)

    def add(self, message: str) -> Match:
        """The pattern of *message*; new patterns are remembered."""
        template = _WORD_WITH_DIGIT.sub("<*>", message[:MAX_MESSAGE_LENGTH])
        match = self._known.pop(template, None)
        if match is not None:
            self._known[template] = match
            return match
        match = self._remember(template)
        return Match(match.fingerprint, template, is_new=True)

    def dump(self) -> bytes:
        """All patterns, for `restore` after a restart."""
        return msgspec.msgpack.encode(list(self._known))

    @classmethod
    def restore(cls, dump: bytes, max_patterns: int = 1000) -> "Miner":
        """A miner that knows what the dumped one knew.

        Raises:
            msgspec.DecodeError: *dump* was not written by `dump`.
        """
        miner = cls(max_patterns)
        for template in msgspec.msgpack.decode(dump, type=list[str]):
            miner._remember(template)
        return miner

    def _remember(self, template: str) -> Match:
        fingerprint = hashlib.sha256(template.encode("utf-8", "surrogatepass")).hexdigest()[:12]
        self._known[template] = Match(fingerprint, template, is_new=False)
        if len(self._known) > self._max_patterns:
            del self._known[next(iter(self._known))]
        return self._known.get(template, Match(fingerprint, template, is_new=False))
