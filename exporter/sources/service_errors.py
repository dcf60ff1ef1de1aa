"""What one service's error log and reports add up to, filled piece by piece and shown at each scrape."""

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

from exporter.analysis.log_signs import NO_SIGNS, SignReader, Signs
from exporter.analysis.pattern_book import OTHER, Pattern, PatternBook, without_numbers
from exporter.sources.error_presets import ErrorLog, Preset
from exporter.sources.error_report import Report
from exporter.sources.log_levels import Level
from exporter.sources.multi_line import Block

#: Kept texts of lines and what they meant; a full memory is emptied (a guard against invented lines).
KEPT_LINES = 2048
#: A longer line is not kept.
MAX_KEPT_LENGTH = 512
#: Logs of one service that are put together at once.
MAX_LOGS = 64
#: Users of one pattern that are told apart.
MAX_USERS = 100

_ESCAPES = re.compile(rb"\x1b\[[0-?]*+[ -/]*+[@-~]|\x1b\][^\x07\x1b\n]*+(?:\x07|\x1b\\)?|\x1b")


class Meaning(NamedTuple):
    """What a line means: its errors (message and stack), and its signs."""

    errors: Sequence[tuple[str, str]] = ()
    signs: Signs = NO_SIGNS


NOTHING = Meaning()


class ServiceErrors:
    """The sums of one service; *clocks* are monotonic and wall-clock seconds. Any thread may call.

    Attributes:
        book: the patterns of its errors.
        lines: lines read; the other sums have the names of their metrics.
    """

    def __init__(
        self,
        book: PatternBook,
        signs: SignReader,
        preset: Preset,
        least: Level | None = None,
        clocks: tuple[Callable[[], float], Callable[[], float]] = (time.monotonic, time.time),
    ) -> None:
        self.book = book
        self.lines = 0
        self.reports = 0
        self.last_line = 0.0
        self.failed_logins = 0
        self.suspicious: Counter[str] = Counter()
        self.business: Counter[tuple[str, str]] = Counter()
        self.users: dict[str, set[str]] = {}
        self.lock = threading.RLock()
        self._signs = signs
        self._preset = preset
        self._least = preset.least if least is None else least
        self._monotonic, self._wall = clocks
        self._logs: dict[str, ErrorLog] = {}
        self._known: dict[str, tuple[list[Pattern], Signs]] = {}

    def feed(self, data: bytes, path: str = "") -> None:
        """Add whole lines of the log *path*."""
        lines = lines_of(data)
        with self.lock:
            self.lines += len(lines)
            self.last_line = self._wall()
            self._sum(self._log(path).blocks(lines))

    def overdue(self) -> None:
        """Add the events that nothing followed for long enough."""
        with self.lock:
            for log in self._logs.values():
                self._sum(log.overdue())

    def open_lines(self) -> dict[str, list[str]]:
        """The lines, by log, of events that may go on: read, and not added yet."""
        with self.lock:
            return {path: lines for path, log in self._logs.items() if (lines := log.open_lines)}

    def reopen(self, lines: Mapping[str, list[str]]) -> None:
        """Go on with what `open_lines` gave before a restart."""
        with self.lock:
            for path, kept in lines.items():
                self._sum(self._log(path).blocks(kept))

    def report(self, report: Report, user: str) -> Pattern:
        """Add an error that was reported, not read; *user* is a pseudonym, empty for none."""
        with self.lock:
            now = self._wall()
            pattern = self._pattern(report.error, report.stack, now)
            _count(pattern, now)
            self.reports += 1
            self._add_signs(self._signs.read(f"{report.error} {report.uri}"))
            if pattern.fingerprint != OTHER:
                pattern.details = report.details
                self._add_user(pattern.fingerprint, user)
            return pattern

    def _add_user(self, fingerprint: str, user: str) -> None:
        users = self.users.setdefault(fingerprint, set())
        if user and len(users) < MAX_USERS:
            users.add(user)

    def _log(self, path: str) -> ErrorLog:
        """Where the lines of *path* are put together; logs that are complete are forgotten when there are many."""
        if path not in self._logs and len(self._logs) >= MAX_LOGS:
            self._logs = {name: log for name, log in self._logs.items() if log.open_lines}
            path = path if len(self._logs) < MAX_LOGS else next(iter(self._logs))
        if path not in self._logs:
            self._logs[path] = ErrorLog(self._preset, self._monotonic)
        return self._logs[path]

    def _sum(self, blocks: Iterable[Block]) -> None:
        """Add events; the loop that runs for nearly every line."""
        now = self._wall()
        known = self._known
        for block in blocks:
            head = block.head
            if block.rest or not self._by_words(head):
                self._add(self._meaning(block), now)
                continue
            key = without_numbers(head)
            found = known.get(key)
            if found is None:
                found = self._learn(key, block, now)
            for pattern in found[0]:
                _count(pattern, now)
            if found[1] is not NO_SIGNS:
                self._add_signs(found[1])

    def _by_words(self, head: str) -> bool:
        """Whether lines that differ from *head* in numbers mean the same: JSON, syslog have levels in numbers."""
        return self._signs.blind_to_numbers and head[0] not in "{<" and "|" not in head

    def _learn(self, key: str, block: Block, now: float) -> tuple[list[Pattern], Signs]:
        """What lines like *block* count under; remembered by *key*."""
        meaning = self._meaning(block)
        patterns = [self._pattern(message, stack, now) for message, stack in meaning.errors]
        if len(self._known) >= KEPT_LINES:
            self._known.clear()
        if len(key) <= MAX_KEPT_LENGTH:
            self._known[key] = (patterns, meaning.signs)
        return patterns, meaning.signs

    def _meaning(self, block: Block) -> Meaning:
        """What a block means, read in full."""
        errors: list[tuple[str, str]] = []
        seen: list[str] = []
        for level, message, stack, text in self._preset.read(block):
            seen.append(text)
            if level >= self._least and message:
                errors.append((message, stack))
        signs = self._signs.read(" ".join(seen))
        return Meaning(errors, signs) if errors or signs is not NO_SIGNS else NOTHING

    def _add(self, meaning: Meaning, now: float) -> None:
        for message, stack in meaning.errors:
            _count(self._pattern(message, stack, now), now)
        self._add_signs(meaning.signs)

    def _pattern(self, message: str, stack: str, now: float) -> Pattern:
        """The pattern of an error; lines that are known to count under a forgotten one are known no more."""
        forgotten = self.book.forgotten
        pattern = self.book.find(message, stack, now)
        if self.book.forgotten != forgotten:
            self._known.clear()
        return pattern

    def _add_signs(self, signs: Signs) -> None:
        self.failed_logins += signs.failed_login
        self.suspicious.update(signs.suspicious)
        self.business.update(signs.business)


def _count(pattern: Pattern, now: float) -> None:
    """One more error of *pattern*."""
    pattern.count += 1
    pattern.last_seen = now


def lines_of(data: bytes) -> list[str]:
    """The lines of *data*, each of which ends with a line feed, as text without what only terminals understand."""
    if b"\x1b" in data:
        data = _ESCAPES.sub(b"", data)
    text = data.decode("utf-8", "replace")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", " ")
    if "\0" in text:
        text = text.replace("\0", "\ufffd")
    lines = text.split("\n")
    lines.pop()
    return lines


def all_patterns(book: PatternBook) -> Iterator[Pattern]:
    """The patterns of *book*, then what is over its cap."""
    yield from book.patterns.values()
    yield from book.others.values()
