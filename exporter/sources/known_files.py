"""What is known of the files of one log that are not open: which have been read, how far, and which are copies."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from zlib import crc32

from exporter.sources.log_file import Lines, PlainLog, Version
from exporter.sources.log_position import HEAD_BYTES, Mark
from exporter.sources.packed_log import PackedLog

LogFile = PlainLog | PackedLog
Identity = tuple[int, int]

#: The latest files that are remembered, rotated ones and those that are gone.
MAX_MARKS = 500
#: Of those that are gone, so many.
MAX_GONE = 50


@dataclass(frozen=True, slots=True)
class Emptied:
    """A log that was truncated: how far it had been read, and its first bytes, None where they are not known."""

    mark: Mark
    head: bytes | None

    def begins_like(self, log: LogFile) -> bool:
        """Whether *log* has the first bytes of this one."""
        head = log.head()
        if self.head is None:
            return len(head) == HEAD_BYTES and crc32(head) == self.mark.head
        return bool(head) and self.head.startswith(head)


class KnownFiles:
    """The files of one log that are not open now.

    Attributes:
        marks: how far each was read, the latest last.
        emptied: logs that were truncated and whose copies are looked for.
    """

    def __init__(self, marks: Iterable[Mark]) -> None:
        self.marks = tuple(marks)[-MAX_MARKS:]
        self.emptied: list[Emptied] = []
        self._settled: set[Version] = set()
        self._copies: dict[Identity, Lines] = {}

    def remember(self, mark: Mark) -> None:
        """A file was closed after it had been read up to *mark*."""
        self.marks = (*self.marks, mark)[-MAX_MARKS:]

    def forget(self, mark: Mark) -> None:
        """The file of *mark* is open again, or has become another one."""
        self.marks = tuple(known for known in self.marks if known is not mark)

    def dismiss(self, log: LogFile) -> None:
        """All of *log* is taken for read."""
        self.remember(log.done())
        self.settle(log.version())
        self.forget_copy(log.identity)

    def settle(self, version: Version) -> None:
        """There is nothing more to do about a file until it is written to."""
        self._settled.add(version)

    def settled(self, version: Version) -> bool:
        """Whether there is nothing to do about a file."""
        return version in self._settled

    def settled_marks(self, present: Iterable[Version]) -> Iterator[Mark]:
        """The marks of files that are there and of which nothing more is to be told."""
        latest = {mark.identity: mark for mark in self.marks}
        for version in present:
            if version in self._settled and version[:2] in latest:
                yield latest[version[:2]]

    def keep(self, present: set[Version]) -> None:
        """Forget what was told about files that are not there any more, or that have changed."""
        self._settled.intersection_update(present)
        there = {version[:2] for version in present}
        self._copies = {copy: original for copy, original in self._copies.items() if copy in there}

    def identified(self, log: LogFile) -> Mark | None:
        """The mark of this very file.

        Raises:
            OSError: the file cannot be read.
        """
        for mark in reversed(self.marks):
            if mark.identity == log.identity and (log.known(mark) or (mark.offset and log.fits(mark))):
                return mark
        return None

    def unread(self, log: LogFile) -> Mark | None:
        """The mark of a file with this identity of which nothing was read, so that it may also be another file."""
        found = (mark for mark in self.marks if mark.identity == log.identity and not (mark.offset or mark.packed))
        return next(found, None)

    def recognised(self, log: LogFile, bound: Sequence[Mark], *, whole: bool = True) -> Mark | None:
        """The mark of a file that *log* is a copy of, by what is in it.

        *bound* are the marks of files that are there; of these only a copy of the *whole* is looked for, if at all.

        Raises:
            OSError: the file cannot be read.
        """
        for mark in sorted(self.marks, key=lambda mark: -mark.offset):
            there = holds(bound, mark)
            if mark.offset and (whole or not there) and (log.ends_at(mark) or (not there and log.fits(mark))):
                return mark
        return None

    def forget_gone(self, present: Iterable[Version]) -> None:
        """Forget files that are not there any more, but for the latest: one may come again under another name."""
        there = {version[:2] for version in present}
        latest = max(0, len(self.marks) - MAX_GONE)
        self.marks = tuple(mark for n, mark in enumerate(self.marks) if n >= latest or mark.identity in there)

    def note_copy(self, log: LogFile, original: Lines) -> None:
        """*log* is a copy of an open file, which is read itself."""
        self._copies[log.identity] = original

    def original_of(self, copy: Identity) -> Lines | None:
        """The reading of the file that *copy* was seen to be a copy of."""
        return self._copies.get(copy)

    def forget_copy(self, copy: Identity) -> None:
        """It is told what *copy* holds."""
        self._copies.pop(copy, None)

    def is_shorter_copy(self, log: LogFile) -> bool:
        """Whether *log* was copied from a file that was then read further, so that it holds nothing new."""
        original, length = self._copies.get(log.identity), log.length()
        truncated = [*self.emptied, *([Emptied(original.mark, original.head)] if original else [])]
        return any(length <= one.mark.offset and one.begins_like(log) for one in truncated)


def holds(marks: Iterable[Mark], mark: Mark) -> bool:
    """Whether *mark* itself is among *marks*, not one that is equal."""
    return any(mark is other for other in marks)
