import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.sources import multi_line
from exporter.sources.multi_line import Assembler, Block
from tests.exporter.doubles import Clock

PYTHON = """\
2026-11-21 02:29:00 ERROR shop: checkout failed
Traceback (most recent call last):
  File "shop.py", line 3, in pay
    charge()
ValueError: no card

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "shop.py", line 9, in main
KeyError: 'card'"""
JAVA = """\
2026-11-21 02:29:00 ERROR [main] shop.Cart: cannot save
java.lang.IllegalStateException: no store
\tat shop.Cart.save(Cart.java:17)
Caused by: java.net.ConnectException: refused
\tat java.net.Socket.connect(Socket.java:1)
\t... 12 more"""
PHP = """\
PHP Fatal error:  Uncaught LogicException: no in /a.php:3
Stack trace:
#0 {main}

Next RuntimeException: worse in /a.php:4
Stack trace:
#0 {main}
  thrown in /a.php on line 4"""
NODE = """\
/srv/app.js:12
    throw new Error("no card")
    ^

Error: no card
    at pay (/srv/app.js:12:11) {
  code: 'E1'
}

Node.js v18.19.0"""
GO = """\
panic: runtime error: invalid memory address or nil pointer dereference
[signal SIGSEGV: segmentation violation code=0x1]

goroutine 1 [running]:
main.(*Cart).save(0x0)
\t/srv/main.go:9 +0x1d
main.main()
\t/srv/main.go:14 +0x2a
exit status 2"""


def joined(text: str, starts: re.Pattern[str] | None = None) -> list[str]:
    """The blocks of *text*, each as text."""
    assembler = Assembler(starts, Clock())
    blocks = [*assembler.feed(text.split("\n")), *assembler.feed(["", "2026-11-21 02:30:00 INFO the end"])]
    return ["\n".join((block.head, *block.rest)).rstrip("\n") for block in blocks]


@pytest.mark.parametrize("trace", [PYTHON, JAVA, PHP, NODE, GO], ids=["python", "java", "php", "node", "go"])
def test_feed_joins_a_stack_trace(trace: str) -> None:
    """What one error wrote is one block, with what stood before it left alone."""
    assert joined(f"2026-11-21 02:28:00 INFO before\n{trace}") == ["2026-11-21 02:28:00 INFO before", trace]


@pytest.mark.parametrize("trace", [PYTHON, JAVA, PHP, NODE, GO], ids=["python", "java", "php", "node", "go"])
def test_feed_tells_two_errors_apart(trace: str) -> None:
    """The same error twice is two blocks."""
    assert joined(f"{trace}\n2026-11-21 02:28:00 INFO between\n{trace}") == [
        trace,
        "2026-11-21 02:28:00 INFO between",
        trace,
    ]


def test_feed_traceback_does_not_belong_to_an_ordinary_line() -> None:
    """What printed a line of information before did not announce the error."""
    trace = 'Traceback (most recent call last):\n  File "a", line 1\nKeyError: 1'
    assert joined(f"INFO ready\n{trace}") == ["INFO ready", trace]


def test_feed_by_start_takes_everything_up_to_the_next() -> None:
    """Where every entry begins alike, anything else goes on."""
    assert joined("[1] a\nSELECT\nFROM b\n[2] c", re.compile(r"\[\d|2026")) == ["[1] a\nSELECT\nFROM b", "[2] c"]


def test_feed_bounds_lines_and_bytes() -> None:
    """A trace without end costs bounded memory, and stays one event."""
    assembler = Assembler(None, Clock())
    frames = ["    at f (x.js:1:1)"] * 5000
    assert list(assembler.feed(["Error: deep", *frames])) == []
    (block,) = assembler.feed(["2026 next"])
    assert len(block.rest) < multi_line.MAX_LINES
    assembler = Assembler(re.compile("never"), Clock())
    assert len(list(assembler.feed(["x" * 1000] * 1000))) > 50


def test_overdue_gives_what_nothing_followed(clock: Clock) -> None:
    """An event is over a second after its last line, by the clock that is given."""
    assembler = Assembler(None, clock)
    list(assembler.feed(["Error: a", "    at b"]))
    clock.now += 0.9
    assert list(assembler.overdue()) == []
    clock.now += 0.1
    assert list(assembler.overdue()) == [Block("Error: a", ("    at b",))]
    assert list(assembler.overdue()) == []


def test_overdue_survives_a_clock_that_goes_back(clock: Clock) -> None:
    """An event is not held for ever because the clock was set back."""
    assembler = Assembler(None, clock)
    list(assembler.feed(["Error: a"]))
    clock.now -= 5000
    assert list(assembler.overdue()) == [Block("Error: a")]


LINES = st.lists(st.sampled_from([*PYTHON.split("\n"), *GO.split("\n"), *NODE.split("\n"), *PHP.split("\n"), "a", ""]))


@settings(deadline=None, max_examples=200)
@given(LINES, st.integers(0, 20))
def test_feed_in_pieces_is_feed_at_once(lines: list[str], cut: int) -> None:
    """Where a piece of the log ends makes no difference, and no line but blank ones is lost."""
    whole, parts = Assembler(None, Clock()), Assembler(None, Clock())
    at_once = [*whole.feed(lines), *whole.feed(["0 end"])]
    assert [*parts.feed(lines[:cut]), *parts.feed(lines[cut:]), *parts.feed(["0 end"])] == at_once
    given_back = [line for block in at_once for line in (block.head, *block.rest) if line]
    assert given_back == [line for line in lines if line]
