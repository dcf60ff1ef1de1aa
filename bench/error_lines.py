"""Error-log lines per CPU second through all that the collector `error_log` does with them, on made-up logs.

    python bench/error_lines.py --rounds 5

Each kind of log is fed in pieces of 64 KiB, as the follower gives them, to joining, levels, patterns, categories and
signs with the shipped rules. `repeated` are messages that differ in numbers, as most logs do; `varied` differ in
words; `flood` are all different patterns, the worst case. CPU is this process's; the median of the rounds is shown.
"""

import argparse
import json
import random
import statistics
import string
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from exporter.analysis.pattern_book import PatternBook
from exporter.sources import error_rules
from exporter.sources.error_presets import PRESETS, PresetName
from exporter.sources.service_errors import ServiceErrors

LINES = 100_000
PIECE_BYTES = 64 * 1024
RULES = error_rules.load()
MESSAGES = (
    "cart {0} not found for user {1}",
    "connection to 10.0.0.{2}:5432 refused after {0} ms",
    "payment {0} declined",
    "slow query took {0} ms in report {1}",
    "cannot open /srv/data/{0}/x.dat: attempt {1}",
)
RANDOM = random.Random(7)  # noqa: S311 -- the same log each time
WORDS = ["".join(RANDOM.choices(string.ascii_lowercase, k=8)) for _ in range(50_000)]


def stamp(number: int) -> str:
    """A time and a level; every other line is an error."""
    at = f"2026-11-21 02:{number // 60 % 60:02d}:{number % 60:02d},{number % 1000:03d}"
    return f"{at} {'ERROR' if number % 2 else 'INFO'}"


def message(number: int) -> str:
    """One of five messages, with numbers of its own."""
    return MESSAGES[number % 5].format(number * 17 % 99991, number, number % 250)


def words(number: int, *factors: int) -> list[str]:
    """Words that hardly ever come twice."""
    return [WORDS[number * factor % len(WORDS)] for factor in factors]


def repeated(number: int) -> str:
    """Differs in numbers."""
    return f"{stamp(number)} [worker-{number % 7}] shop: {message(number)}"


def varied(number: int) -> str:
    """Differs in words of one pattern."""
    name, folder = words(number, 1, 7)
    return f"{stamp(1)} shop: file {name}.txt of {folder} not found"


def flood(number: int) -> str:
    """A pattern of its own."""
    return f"{stamp(1)} {' '.join(words(number, 1, 3, 11))} broke"


def nginx(number: int) -> str:
    """An entry of nginx, with an address of its own."""
    return (
        f"2026/11/21 02:29:{number % 60:02d} [error] 7#7: *{number} connect() failed (111: Connection refused) while "
        f'connecting to upstream, client: 10.0.0.{number % 250}, request: "GET /{WORDS[number % 50_000]} HTTP/1.1"'
    )


def as_json(number: int) -> str:
    """An object, with an id of its own."""
    level = "error" if number % 2 else "info"
    return json.dumps({"level": level, "msg": message(number), "request_id": WORDS[number % 50_000]})


def traceback(number: int) -> str:
    """An error of Python over 19 lines, in the place of each 19th line."""
    frames = "\n".join(f'  File "/srv/a{frame}.py", line 3, in f\n    g()' for frame in range(8))
    text = f"{stamp(1)} app: job {number} failed\nTraceback (most recent call last):\n{frames}\nValueError: {number}"
    return text if number % 19 == 0 else ""


KINDS: dict[str, tuple[PresetName, Callable[[int], str]]] = {
    "repeated": ("plain", repeated),
    "repeated, auto": ("auto", repeated),
    "json": ("json", as_json),
    "nginx": ("nginx_error", nginx),
    "tracebacks": ("python", traceback),
    "varied": ("plain", varied),
    "flood": ("plain", flood),
}


def pieces(line: Callable[[int], str]) -> Iterator[bytes]:
    """A log of `LINES` lines as the follower gives it."""
    lines = "\n".join(filter(None, map(line, range(LINES)))).split("\n")
    piece: list[str] = []
    for text in lines:
        piece.append(f"{text}\n")
        if len(piece) * len(text) >= PIECE_BYTES:
            yield "".join(piece).encode()
            piece.clear()
    yield "".join(piece).encode()


def rate(preset: PresetName, log: list[bytes]) -> float:
    """Lines per CPU second of one run over *log*."""
    book = PatternBook(RULES.categorizer(), 100)
    errors = ServiceErrors(book, RULES.sign_reader(), PRESETS[preset])
    started = time.process_time()
    for piece in log:
        errors.feed(piece, "log")
    return errors.lines / (time.process_time() - started)


def main() -> None:
    """Measure every kind in turn and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    logs = {name: list(pieces(line)) for name, (_, line) in KINDS.items()}
    rates: dict[str, list[float]] = {name: [] for name in KINDS}
    for _ in range(rounds):
        for name, (preset, _) in KINDS.items():
            rates[name].append(rate(preset, logs[name]))
    for name, found in rates.items():
        print(f"{name:16} {statistics.median(found):10,.0f} lines per CPU second")


if __name__ == "__main__":
    main()
