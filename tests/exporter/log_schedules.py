"""Random lives of log files on a real disk, and whether a follower that is restarted at will counts each line once.

A schedule is a `Setup` and a list of steps. A step that would lose lines by nature (see `exporter.sources.follow`) is
preceded by what saves them, or left out: nothing else is. What one process counted is what its last scrape saw.
"""

import gzip
import os
import random
import shutil
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from unittest import mock

from exporter.sources import log_file, packed_log
from exporter.sources.follow import Follower
from exporter.sources.log_position import Position

ACTIONS = (
    *("write", "write", "write", "begin_line", "reopen", "wait", "swap"),
    *("rename", "rename_late", "copy_truncate", "slow_copy", "delete", "truncate", "pack", "slow_pack", "prune"),
    *("read", "read", "read_some", "scrape", "scrape", "kill", "start", "start"),
)
#: Those that belong to a log that is no link, and the one that belongs to a link.
ROTATIONS = frozenset(ACTIONS[6:16])
#: What a log is started with: lines of rotated files and of the log itself.
EARLIER_LINES = 3


@dataclass(frozen=True)
class Setup:
    """What is the same during a whole schedule."""

    logs: int = 1
    glob: bool = False
    dated: bool = False
    linked: bool = False
    from_beginning: bool = True
    backlog: bool = False
    chunk: int = 64 * 1024


@dataclass(frozen=True)
class Step:
    """One action on one of the logs; *number* is how many lines or files."""

    action: str
    log: int = 0
    number: int = 1


def schedule(seed: int, length: int = 30) -> tuple[Setup, list[Step]]:
    """The random schedule of *seed*, of at most *length* steps."""
    dice = random.Random(seed)  # noqa: S311 -- a test
    backlog = dice.random() < 0.3
    setup = Setup(
        logs=dice.choice((1, 1, 2)),
        glob=dice.random() < 0.4,
        dated=dice.random() < 0.3,
        linked=dice.random() < 0.1,
        from_beginning=backlog or dice.random() < 0.7,
        backlog=backlog,
        chunk=dice.choice((50, 300, 64 * 1024)),
    )
    steps = [Step(dice.choice(ACTIONS), dice.randrange(2), dice.randint(1, 12)) for _ in range(dice.randint(3, length))]
    return setup, steps


class World:
    """A folder with logs, their writers and their rotation."""

    def __init__(self, folder: Path, setup: Setup) -> None:
        self.setup = setup
        self.expected: Counter[bytes] = Counter()
        self.numbers = count(1)
        self.logs = [Log(folder / f"log{number}.log", self) for number in range(setup.logs)]


class Log:
    """One log, the process that writes it, and its rotated files."""

    def __init__(self, path: Path, world: World) -> None:
        self.path = path
        self._world = world
        self._days = count(20260101)
        self._line = b""
        self._written = b""
        self.swaps = 0
        self._earlier()
        self._writer = self._new()
        self.late = False

    def _earlier(self) -> None:
        """What is there before the follower starts."""
        setup = self._world.setup
        if setup.linked:
            return
        for _ in range(EARLIER_LINES):
            self._writer = self._new()
            self.write(2, expected=setup.backlog)
            os.close(self._writer)
            self.path.rename(self._rotated())
        self._writer = self._new()
        self.write(2, expected=setup.from_beginning)
        os.close(self._writer)

    def _new(self) -> int:
        if self._world.setup.linked and not self.path.is_symlink():
            self.path.symlink_to(self.path.with_name(f"target-{self.path.stem}-0"))
        return os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def write(self, lines: int, *, expected: bool = True) -> None:
        """End the line that was begun, if any, and write more."""
        if self._line:
            lines -= 1
            os.write(self._writer, self._line)
            self._world.expected[self._written + self._line] += 1
            self._line = self._written = b""
        texts = [self._text() for _ in range(lines)]
        os.write(self._writer, b"".join(texts))
        if expected:
            self._world.expected.update(texts)

    def begin_line(self, _: int = 0) -> None:
        """Write half a line."""
        if not self._line:
            text = self._text()
            self._written, self._line = text[:7], text[7:]
            os.write(self._writer, self._written)

    def _text(self) -> bytes:
        number = next(self._world.numbers)
        return b"%06d %s\n" % (number, b"x" * (number * 37 % 90))

    def _tear(self) -> None:
        """The halves of a begun line come into different files."""
        if self._written:
            self._world.expected[self._written + b"\n"] += 1
            self._written = b""

    def end_line(self) -> None:
        """Finish what was begun."""
        if self._line:
            self.write(1)

    def reopen(self, _: int = 0) -> None:
        """The writer goes over to the file that the path means now."""
        self.end_line()
        os.close(self._writer)
        self._writer = self._new()
        self.late = False

    def _rotated(self) -> Path:
        """A free name for the newest rotated file; the numbered ones are moved up."""
        if self._world.setup.dated:
            return self.path.with_name(f"{self.path.name}-{next(self._days)}")
        for file in sorted(self.rotated(), key=_age, reverse=True):
            end = ".gz" if file.suffix == ".gz" else ""
            file.rename(f"{self.path}.{_age(file) + 1}{end}")
        return Path(f"{self.path}.1")

    def rotated(self) -> list[Path]:
        """The rotated files, in no order."""
        return [file for file in self.path.parent.iterdir() if file.name.startswith(self.path.name + self._mark())]

    def _mark(self) -> str:
        return "-" if self._world.setup.dated else "."

    def rename(self, _: int = 0) -> None:
        """Rotate by rename; the writer follows at once."""
        if self.late:
            self.reopen()
        self.path.rename(self._rotated())
        self.reopen()

    def rename_late(self, _: int = 0) -> None:
        """Rotate by rename; the writer keeps the old file for a while."""
        if self.late:
            self.reopen()
        self.path.rename(self._rotated())
        os.close(self._new())
        self.late = True

    def copy(self) -> None:
        """The first half of copytruncate."""
        shutil.copyfile(self.path, self._rotated())

    def truncate(self) -> None:
        """The second half of it."""
        self._tear()
        os.truncate(self.path, 0)

    def delete(self) -> None:
        """Delete and create."""
        self.end_line()
        self.path.unlink()
        self.reopen()

    def swap(self) -> None:
        """The link means another file."""
        self.end_line()
        self.swaps += 1
        fresh = self.path.with_name("fresh")
        fresh.symlink_to(self.path.with_name(f"target-{self.path.stem}-{self.swaps}"))
        fresh.rename(self.path)
        self.reopen()

    def unpacked(self) -> list[Path]:
        """The rotated files that nobody writes to and that are not compressed."""
        if self.late:
            return []
        return sorted(file for file in self.rotated() if file.suffix != ".gz")

    def oldest(self) -> Path | None:
        """The oldest rotated file."""
        files = sorted(self.rotated(), key=_age, reverse=not self._world.setup.dated)
        return files[0] if files and not self.late else None

    def close(self) -> None:
        """End the writer."""
        os.close(self._writer)


def _age(file: Path) -> int:
    """The number or date in a rotated file's name."""
    return int(file.name.removesuffix(".gz").replace("-", ".").rsplit(".", 1)[1])


class Run:
    """A follower in a process that can be killed, and a scraper that knows of resets."""

    def __init__(self, folder: Path, setup: Setup) -> None:
        self.world = World(folder, setup)
        self.counted: Counter[bytes] = Counter()
        self._now = 1e9
        self._patterns = [str(folder / "*.log")] if setup.glob else [str(log.path) for log in self.world.logs]
        self._kept: bytes | None = None
        self._follower: Follower | None = None
        self._read: Counter[bytes] = Counter()
        self._scraped: Counter[bytes] = Counter()
        #: Lines are given that are on no disk any more.
        self._irreplaceable = False
        #: Logs that came or were replaced since the last look.
        self._unseen: set[Path] = set()
        #: Links that were swapped since the last kept position.
        self._unkept: set[Path] = set()
        self.start()

    def do(self, step: Step) -> None:
        """One step, with what must come before it."""
        log = self.world.logs[step.log % len(self.world.logs)]
        if self.world.setup.linked != (step.action == "swap") and step.action in ROTATIONS:
            return
        if step.action in {"write", "begin_line", "reopen"}:
            getattr(log, step.action)(step.number)
        elif step.action in ROTATIONS:
            getattr(self, f"_{step.action}")(log, step.number)
        else:
            getattr(self, step.action)()

    def _rename(self, log: Log, _: int) -> None:
        log.rename()
        self._unseen.add(log.path)

    def _rename_late(self, log: Log, _: int) -> None:
        log.rename_late()
        self._unseen.add(log.path)

    def _copy_truncate(self, log: Log, _: int) -> None:
        if log.late:
            log.reopen()
        log.copy()
        log.truncate()

    def _slow_copy(self, log: Log, lines: int) -> None:
        """Between copy and truncation more is written, which the follower sees."""
        if log.late:
            log.reopen()
        if self._follower is None:
            return
        log.copy()
        if lines % 2:
            log.end_line()
            log.write(lines)
            self._irreplaceable = True
        self.read()
        log.truncate()

    def _delete(self, log: Log, lines: int) -> None:
        """An open file's lines are not lost when it is deleted before they are read, unless the process is."""
        if log.late or self._follower is None:
            return
        if log.path in self._unseen:
            self.read()
        log.write(lines)
        log.delete()
        self._unseen.add(log.path)
        self._irreplaceable = True

    def _truncate(self, log: Log, _: int) -> None:
        """Truncation without a copy."""
        if log.late or self._follower is None:
            return
        log.end_line()
        self.read()
        log.truncate()
        self._irreplaceable = True

    def _swap(self, log: Log, _: int) -> None:
        """The second of two swaps would hide a file that no kept position knows."""
        if self._follower is not None:
            self.read()
            self.scrape()
        if log.path not in self._unkept:
            log.swap()
            self._unkept.add(log.path)
            self._unseen.add(log.path)

    def _pack(self, log: Log, _: int) -> None:
        for file in log.unpacked()[:1]:
            _pack(file)
            file.unlink()

    def _slow_pack(self, log: Log, _: int) -> None:
        """A look sees the compressed file half done."""
        for file in log.unpacked()[-1:]:
            packed = _pack(file)
            whole = packed.read_bytes()
            packed.write_bytes(whole[: len(whole) // 2])
            self.read()
            packed.write_bytes(whole)
            os.utime(packed, ns=(0, file.stat().st_mtime_ns))
            file.unlink()

    def _prune(self, log: Log, _: int) -> None:
        """The oldest rotated file is removed after it was read."""
        if self._follower is None:
            return
        self._now += 61
        self.settle()
        oldest = log.oldest()
        if oldest is not None:
            oldest.unlink()

    def settle(self) -> None:
        """Read and scrape until nothing is left, also of lines without an end."""
        self.start()
        for _ in range(3):
            self.wait()
            self.read()
        self.scrape()

    def wait(self) -> None:
        """More than the time for which renamed files are read on."""
        for log in self.world.logs:
            if log.late:
                log.reopen()
        self._now += 61

    def read(self) -> None:
        """One look."""
        self._take(None)
        self._unseen.clear()

    def read_some(self) -> None:
        """A look that is broken off."""
        self._take(2)

    def _take(self, pieces: int | None) -> None:
        if self._follower is not None:
            reading = self._follower.read()
            for piece in islice(reading, pieces):
                self._read.update(piece.data.splitlines(keepends=True))
            reading.close()

    def scrape(self) -> None:
        """The counters are shown, and the position that they stand for is kept."""
        if self._follower is not None:
            self._kept = self._follower.position.encode()
            self._scraped = self._read.copy()
            self._unkept &= self._unseen

    def kill(self) -> None:
        """The process ends without a word."""
        if self._follower is None:
            return
        if self._irreplaceable:
            self.settle()
            self._irreplaceable = False
        self.counted += self._scraped
        self._follower.close()
        self._follower = None
        self._read, self._scraped = Counter(), Counter()

    def start(self) -> None:
        """A new process goes on from what was kept."""
        if self._follower is not None:
            return
        setup = self.world.setup
        self._follower = Follower(
            self._patterns,
            from_beginning=setup.from_beginning,
            backlog=setup.backlog,
            resume=Position.decode(self._kept) if self._kept else None,
            wall=lambda: self._now,
        )
        self._follower.open()
        self._unseen.update(log.path for log in self.world.logs)
        self.scrape()

    def finish(self) -> Counter[bytes]:
        """What a scraper that knows of resets has counted in the end."""
        for log in self.world.logs:
            log.end_line()
        self.settle()
        self._irreplaceable = False
        self.kill()
        for log in self.world.logs:
            log.close()
        return self.counted


def _pack(file: Path) -> Path:
    """Compress as gzip does, which keeps the time."""
    packed = Path(f"{file}.gz")
    with gzip.open(packed, "wb") as out:
        out.write(file.read_bytes())
    status = file.stat()
    os.utime(packed, ns=(status.st_atime_ns, status.st_mtime_ns))
    return packed


@contextmanager
def chunks(size: int) -> Iterator[None]:
    """Files are read so many bytes at a time."""
    with mock.patch.object(log_file, "CHUNK_BYTES", size), mock.patch.object(packed_log, "CHUNK_BYTES", size):
        yield


def play(folder: Path, setup: Setup, steps: Sequence[Step]) -> tuple[Counter[bytes], Counter[bytes], int]:
    """Lines that were not counted, lines that were counted too often, and how many were written."""
    with chunks(setup.chunk):
        run = Run(folder, setup)
        for step in steps:
            run.do(step)
        counted = run.finish()
    expected = run.world.expected
    return expected - counted, counted - expected, expected.total()
