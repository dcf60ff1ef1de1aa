"""The large hostile inputs: too big or too odd to be made by the thousand. Each fails by `assert`."""

import os
import resource
import signal
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from exporter.analysis.pattern_book import PatternBook
from exporter.errors import SourceMalformed, SourceUnavailable
from exporter.probing.attempt import ProbeFailed
from exporter.probing.http_response import Response
from exporter.sampler import Source
from exporter.sources import error_rules, junit
from exporter.sources.deploy_file import read_release
from exporter.sources.error_presets import PRESETS
from exporter.sources.follow import Follower
from exporter.sources.git_commit import Checkout
from exporter.sources.ledger import Ledger, Scheme
from exporter.sources.log_formats import format_named
from exporter.sources.routes import Routes
from exporter.sources.service_errors import ServiceErrors
from exporter.state import StateFile
from exporter.walks.client import _decoded
from exporter.walks.message import StepFailed
from tests.fuzzing.machine import memory

#: Bytes that any of them may take beyond what there was before.
MEMORY_BYTES = 48 * 1024 * 1024
YEAR = 365 * 86400.0
_ZEROS = bytes(1024 * 1024)

Bomb = Callable[[Path, float], None]


def _zeros(size: int, wbits: int = 31) -> bytes:
    """So many zeros, compressed; a thousandth of it."""
    compressor = zlib.compressobj(9, zlib.DEFLATED, wbits)
    return b"".join(compressor.compress(_ZEROS) for _ in range(size // len(_ZEROS))) + compressor.flush()


def log_of_zeros(folder: Path, scale: float) -> None:
    """A rotated log of 10 GB of zeros in 10 MB is given up, and the lines of the log itself are read."""
    member = _zeros(int(1e9 * scale))
    (folder / "access.log.2.gz").write_bytes(member * 10)
    (folder / "access.log").write_bytes(b"line\n")
    follower = Follower([str(folder / "access.log")], from_beginning=True, backlog=True)
    given = sum(len(piece.data) for _ in range(3) for piece in follower.read())
    follower.close()
    assert 0 < given < 1_000_000, f"{given} bytes of zeros were given as lines"


def log_line_of_a_gigabyte(folder: Path, scale: float) -> None:
    """A line of 1 GB (a hole in the file) is passed over; the lines around it count."""
    path = folder / "access.log"
    with path.open("wb") as file:
        file.write(b"first\n")
        file.truncate(int(1e9 * scale))
        file.seek(0, os.SEEK_END)
        file.write(b"\nlast\n")
    follower = Follower([str(path)], from_beginning=True)
    lines = b"".join(piece.data for _ in range(3) for piece in follower.read()).split(b"\n")
    follower.close()
    path.unlink()
    assert lines[0] == b"first"
    assert lines[-2] == b"last"
    assert sum(map(len, lines)) < 1_000_000, "the line was kept"


def response_of_zeros(_folder: Path, scale: float) -> None:
    """A response of 1 GB in 1 MB is given up at the limit, by probes and by journeys."""
    body = _zeros(int(1e9 * scale))
    response = Response("GET", 4_000_000, 64 * 1024, decompress=True)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
    _must_raise(ProbeFailed, lambda: response.feed(head + body))
    for encoding in ("gzip", "deflate"):
        _must_raise(StepFailed, lambda encoding=encoding: _decoded(body, encoding, 256 * 1024))


def text_of_entities(folder: Path, _scale: float) -> None:
    """Entities that grow to gigabytes, depth and a tag of megabytes are refused as what they are."""
    laughs = "".join(f"<!ENTITY l{n} '{f'&l{n - 1};' * 10}'>" for n in range(1, 12))
    attributes = " ".join(f"a{number}='1'" for number in range(400_000))
    texts = (
        f'<!DOCTYPE x [<!ENTITY l0 "ha">{laughs}]><testsuites>&l11;</testsuites>',
        "<testsuites>" * 100_000,
        f"<testsuites {attributes}>",
        f'<testsuites a="{"x" * 8_000_000}">',
    )
    for text in texts:
        (folder / "junit.xml").write_text(text)
        _must_raise(SourceMalformed, lambda: junit.read(folder / "junit.xml"))


def lines_of_full_length(_folder: Path, scale: float) -> None:
    """Lines without an end, quotes or blanks: every preset and format has read them in a second."""
    rules = error_rules.load()
    pieces = [
        b"a",
        b" ",
        b"\\",
        b'"',
        b"a.b-c/d=",
        b"((((",
        b"|",
        b"[",
        b"at x(",
        b'{"a":',
        b"%25",
        b"1 ",
        b"\xff",
        b"\xe2\x80\xae",
    ]
    lines = b"".join(piece * int(scale * 60_000 / len(piece)) + b"\n" for piece in pieces)
    for name, preset in PRESETS.items():
        _in_time(
            name,
            lambda preset=preset: ServiceErrors(PatternBook(rules.categorizer(), 50), rules.sign_reader(), preset).feed(
                lines
            ),
        )
    for name in ("combined", "common", "nginx_json", "caddy_json", "traefik_json"):
        ledger = Ledger(Scheme(format_named(name), Routes(()), (1.0,), 10), 0)
        _in_time(name, lambda ledger=ledger: ledger.feed(lines, 1))


def clock_that_jumps(folder: Path, _scale: float) -> None:
    """The wall clock goes back and forth by a year: first seen stays in the past, nothing is lost, ages are no lies."""
    now = [1.8e9]
    rules = error_rules.load()
    errors = ServiceErrors(
        PatternBook(rules.categorizer(), 50),
        rules.sign_reader(),
        PRESETS["plain"],
        clocks=(time.monotonic, lambda: now[0]),
    )
    source = Source("x", lambda: 1, lambda _: 1.0, wall=lambda: now[0])
    for step in (0.0, YEAR, -2 * YEAR, YEAR):
        now[0] += step
        errors.feed(b"ERROR disk full\n")
        source.turn()
        assert source.sample is not None
    (pattern,) = errors.book.patterns.values()
    assert pattern.count == 4, "an error was lost"
    again = PatternBook(rules.categorizer(), 50, errors.book.dump(), now[0] - YEAR)
    assert all(kept.first_seen <= now[0] - YEAR for kept in again.patterns.values()), "first seen lies in the future"
    _ = folder


def disk_that_is_full(folder: Path, _scale: float) -> None:
    """State that cannot be written is told by the result, and what was kept before stays whole."""
    file = StateFile(folder / "state" / "kept")
    assert file.save(b"good")
    with _no_room():
        assert not file.save(b"x" * 200_000)
    assert file.load() == b"good"
    assert file.save(b"better")


def folders_for_files(folder: Path, _scale: float) -> None:
    """Folders, loops of links, FIFOs and devices where files should be are errors of the source, at once."""
    (folder / "dir").mkdir()
    (folder / "loop").symlink_to("loop")
    os.mkfifo(folder / "fifo")
    (folder / "zero").symlink_to("/dev/zero")
    for name in ("dir", "loop", "fifo", "zero", "none"):
        path = folder / name
        _must_raise((SourceUnavailable, SourceMalformed), lambda path=path: junit.read(path))
        _must_raise((SourceUnavailable, SourceMalformed), lambda path=path: read_release(str(path)))
        _must_raise((SourceUnavailable, SourceMalformed), lambda path=path: Checkout(str(path)).read())
        StateFile(path).load()
        follower = Follower([str(path)], from_beginning=True)
        _in_time(name, lambda follower=follower: list(follower.read()))
        follower.close()


def threads_that_push(folder: Path, _scale: float) -> None:
    """Two threads feed one service while a third shows it: no line is lost."""
    rules = error_rules.load()
    errors = ServiceErrors(PatternBook(rules.categorizer(), 50), rules.sign_reader(), PRESETS["plain"])
    chunk = b"".join(b"ERROR no %d left\n" % number for number in range(50))
    threads = [threading.Thread(target=lambda: [errors.feed(chunk) for _ in range(40)]) for _ in range(2)]
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        errors.open_lines()
        errors.book.dump()
    assert errors.lines == 2 * 40 * 50
    _ = folder


BOMBS: tuple[Bomb, ...] = (
    log_of_zeros, log_line_of_a_gigabyte, response_of_zeros, text_of_entities, lines_of_full_length, clock_that_jumps,
    disk_that_is_full, folders_for_files, threads_that_push,
)  # fmt: skip


def _must_raise(errors: type[Exception] | tuple[type[Exception], ...], call: Callable[[], object]) -> None:
    try:
        call()
    except errors:
        return
    raise AssertionError("nothing was raised")


def _in_time(name: str, call: Callable[[], object], seconds: float = 2.0) -> None:
    """One call takes less than *seconds* of the processor."""
    began = time.process_time()
    call()
    assert time.process_time() - began < seconds, f"{name} takes {time.process_time() - began:.1f} s"


@contextmanager
def _no_room() -> Iterator[None]:
    """Within, no file of this process grows over 64 KiB, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def set_off(bomb: Bomb, folder: Path, scale: float) -> tuple[float, int]:
    """Seconds and bytes that a bomb took; what it finds out is an AssertionError."""
    folder.mkdir()
    before, began = memory("VmRSS"), time.monotonic()
    highest = [before]
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.01):
            highest[0] = max(highest[0], memory("VmRSS"))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        bomb(folder, scale)
    finally:
        over.set()
        watcher.join()
    return time.monotonic() - began, highest[0] - before
