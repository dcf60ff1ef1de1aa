"""Error logs by the program that writes them: how entries begin, what wraps their lines, what they say.

A preset joins lines to blocks (`multi_line`) and reads events from blocks; `ErrorLog` is both for one log.
"""

import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal

from exporter.sources.error_events import Event, event, php_event, php_level, plain_event
from exporter.sources.json_events import json_event
from exporter.sources.log_levels import Level, level_guessed, level_named, syslog_level
from exporter.sources.multi_line import Assembler, Block

PresetName = Literal[
    "auto", "plain", "json", "drupal_syslog", "drupal_json", "php", "php_fpm", "nginx_error", "apache_error",
    "python", "java", "node", "go", "ddev",
]  # fmt: skip

#: Writers in one log whose lines are put together apart; further ones share a place.
MAX_WRITERS = 32

_NGINX = re.compile(r"\d{4}/\d\d/\d\d \d\d:\d\d:\d\d \[(?P<level>\w++)\] \d++#\d++: (?:\*\d++ )?(?P<text>.*)")
_NGINX_WHERE = re.compile(r", (?:client|server|request|upstream): ")
_STDERR = re.compile(r'FastCGI sent in stderr: "')
_STDERR_END = re.compile(r'"(?: while |, client: |$)')
_APACHE = re.compile(
    r"\[[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d [\d:.]++ \d{4}\] \[(?:[\w-]*+:)?(?P<level>\w++)\] "
    r"(?:\[pid [^\]]*+\] )?(?:\[(?:client|remote) [^\]]*+\] )?(?P<text>.*)"
)
_GOT_ERROR = re.compile(r"AH\d++: Got error '")
_PHP_HEAD = re.compile(r"\[\d[^\]]{9,40}\] (?P<text>.*)")
_FPM = re.compile(r"\[\d\d-[A-Z][a-z]{2}-\d{4} [^\]]{5,30}\] (?P<level>[A-Z]++): (?P<text>.*)")
_FPM_SAID = re.compile(
    r"\[[^\]]{5,40}\] [A-Z]++: \[pool [^\]]*+\] child \d++ said into std(?:err|out): \"(?P<text>.*?)"
    r"(?:\"(?:, pipe is closed)?|\.\.\.)?$"
)
_FPM_STARTS = re.compile(r"\[\d\d-[A-Z]|(?:NOTICE: )?PHP (?:message|Fatal|Parse|Warn|Notice|Deprec|Catch|Recov)")
_SYSLOG_STARTS = re.compile(r"<\d|[A-Z][a-z]{2} [ \d]\d \d\d:|\d{4}-\d\d-\d\dT")
_DRUPAL = re.compile(
    r"(?:<(?P<pri>\d{1,3})>)?[^|]{0,300}?https?://[^|\s]{0,300}\|\d++\|(?P<type>[^|]*+)\|(?P<ip>[^|]*+)"
    r"\|(?P<uri>[^|]*+)\|(?P<referer>[^|]*+)\|(?:(?P<severity>[0-7])\|(?=\d++\|))?\d*+\|[^|]*+\|(?P<message>.*)"
)
_DRUPAL_KIND = re.compile(r"(?P<kind>[A-Z][a-z]++(?: [a-z]++){0,2}): ")
_TAG = re.compile(r"<[/a-z][^<>]{0,100}>")
_WRITER = re.compile(r"(?:\x1b\[[\d;]*m)*+(?P<writer>[\w.-]{1,80})[ ]*+\| ?(?P<text>.*)")

Reading = Callable[[Block], Iterable[Event]]


def read_nginx(block: Block) -> Iterator[Event]:
    """Entries of nginx's error log; what PHP wrote there becomes events of its own."""
    found = _NGINX.match(block.head)
    if found is None:
        yield plain_event(block)
    elif _STDERR.match(found["text"]):
        text = "\n".join((found["text"], *block.rest))
        inner = _STDERR_END.split(_STDERR.sub("", text, count=1), maxsplit=1)[0]
        yield from _php_messages(inner, block.head, level_named(found["level"]))
    else:
        message = _NGINX_WHERE.split(found["text"], maxsplit=1)[0]
        yield event(level_named(found["level"]), message, "\n".join(block.rest), block.head)


def read_apache(block: Block) -> Iterator[Event]:
    """Entries of Apache's error log, with what PHP wrote there by mod_php or by proxy."""
    found = _APACHE.match(block.head)
    if found is None:
        yield plain_event(block)
        return
    level = level_named(found["level"])
    text = found["text"].split(", referer: ", 1)[0]
    if _GOT_ERROR.match(text):
        inner = "\n".join((_GOT_ERROR.sub("", text, count=1).removesuffix("'"), *block.rest))
        yield from _php_messages(inner, block.head, level)
    elif text.startswith("PHP "):
        yield php_event(text, "\n".join(block.rest), block.head, level)
    else:
        yield event(level, text, "\n".join(block.rest), block.head)


def _php_messages(text: str, seen: str, level: Level) -> Iterator[Event]:
    """The events of what PHP wrote to its standard error, which a web server logs in one piece."""
    for number, part in enumerate(part for part in text.split("PHP message: ") if part.strip()):
        first, _, rest = part.strip().removesuffix(";").partition("\n")
        yield php_event(first, rest, seen if number == 0 else "", level)


def read_php(block: Block) -> Iterator[Event]:
    """Entries of PHP's `error_log`."""
    found = _PHP_HEAD.match(block.head)
    yield php_event(found["text"] if found else block.head, "\n".join(block.rest), block.head)


def read_fpm(block: Block) -> Iterator[Event]:
    """Entries of PHP-FPM's own log, and of its children."""
    found = _FPM.match(block.head)
    if found is None:
        yield from read_php(block)
    else:
        yield event(level_named(found["level"]), found["text"], "\n".join(block.rest), block.head)


def read_drupal(block: Block) -> Iterator[Event]:
    """Entries of Drupal's watchdog in syslog's standard format."""
    found = _DRUPAL.match(block.head)
    if found is None:
        yield plain_event(block)
        return
    message, mark, frames = _TAG.sub("", found["message"]).partition("#0 ")
    stack = "\n".join((f"{mark}{frames}", *block.rest)) if mark or block.rest else ""
    seen = " ".join((message, found["uri"], found["referer"]))
    yield event(_drupal_level(found, message), message, stack, seen)


def _drupal_level(found: re.Match[str], message: str) -> Level:
    """The level that syslog or Drupal tells, else that of what PHP calls it, else what the words are worth."""
    told = found["severity"] or found["pri"]
    if told:
        return syslog_level(int(told) & 7)
    if found["type"] in ("page not found", "access denied"):
        return Level.NOTICE
    if found["type"] != "php":
        return level_guessed(message)
    kind = _DRUPAL_KIND.match(message)
    return php_level(kind["kind"]) if kind and kind["kind"] != "Error" else Level.ERROR


def read_json(block: Block) -> Iterator[Event]:
    """Entries of a log of JSON objects; another line among them is a plain one."""
    found = json_event(block.head) if block.head.startswith("{") else None
    yield found or plain_event(block)


def read_plain(block: Block) -> Iterator[Event]:
    """Entries of any log, by their words."""
    yield plain_event(block)


def read_any(block: Block) -> Iterable[Event]:
    """Entries of whichever kind they look like."""
    head = block.head
    if head.startswith("{"):
        return read_json(block)
    if head.startswith("["):
        return read_apache(block) if _APACHE.match(head) else _read_bracketed(block)
    if head[4:5] == "/" and _NGINX.match(head):
        return read_nginx(block)
    if "|" in head and _DRUPAL.match(head):
        return read_drupal(block)
    return read_php(block) if head.startswith(("PHP ", "NOTICE: PHP ")) else read_plain(block)


def _read_bracketed(block: Block) -> Iterable[Event]:
    """Entries that begin with a time in brackets: PHP-FPM's, PHP's, or somebody's."""
    if _FPM.match(block.head):
        return read_fpm(block)
    found = _PHP_HEAD.match(block.head)
    return read_php(block) if found and found["text"].startswith("PHP ") else read_plain(block)


def unwrap_fpm(line: str) -> str:
    """What a child said, without the words around it that PHP-FPM puts on every line."""
    found = _FPM_SAID.match(line) if " said into std" in line else None
    return found["text"] if found else line


@dataclass(frozen=True, slots=True)
class Preset:
    """How the error log of one kind of program is read.

    Attributes:
        read: the events of a block.
        least: the level from which an event is an error, unless the user says otherwise.
        starts: what an entry begins with; None: blocks are told by shape.
        unwrap: a line without what was put around it.
        joins: whether lines are put together at all.
        writers: whether lines begin with the name of a writer and a bar.
    """

    read: Reading
    least: Level = Level.ERROR
    starts: re.Pattern[str] | None = None
    unwrap: Callable[[str], str] | None = None
    joins: bool = True
    writers: bool = False


PRESETS: dict[PresetName, Preset] = {
    "auto": Preset(read_any, unwrap=unwrap_fpm),
    "plain": Preset(read_plain, joins=False),
    "json": Preset(read_json, joins=False),
    "drupal_syslog": Preset(read_drupal, Level.WARNING, _SYSLOG_STARTS),
    "drupal_json": Preset(read_json, Level.WARNING, joins=False),
    "php": Preset(read_php, Level.WARNING, re.compile(r"\[\d")),
    "php_fpm": Preset(read_fpm, Level.WARNING, _FPM_STARTS, unwrap_fpm),
    "nginx_error": Preset(read_nginx, Level.WARNING, re.compile(r"\d{4}/\d\d/\d\d ")),
    "apache_error": Preset(read_apache, Level.WARNING, re.compile(r"\[[A-Z][a-z]{2} ")),
    "python": Preset(read_plain),
    "java": Preset(read_plain),
    "node": Preset(read_plain),
    "go": Preset(read_plain),
    "ddev": Preset(read_any, Level.WARNING, unwrap=unwrap_fpm, writers=True),
}


class ErrorLog:
    """Puts the lines of one log together; *monotonic* is the clock of patience, in seconds."""

    def __init__(self, preset: Preset, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._preset = preset
        self._monotonic = monotonic
        self._assemblers: dict[str, Assembler] = {}

    @property
    def open_lines(self) -> list[str]:
        """The lines of events that may go on, as they may be fed again."""
        return [
            f"{writer} | {line}" if writer else line
            for writer, assembler in self._assemblers.items()
            for line in assembler.open_lines
        ]

    def blocks(self, lines: Iterable[str]) -> Iterator[Block]:
        """The blocks that *lines* complete."""
        if not self._preset.joins:
            yield from (Block(line) for line in lines if line and not line.isspace())
        elif self._preset.writers:
            for line in lines:
                found = _WRITER.match(line)
                yield from self._feed(found["writer"] if found else "", [found["text"] if found else line])
        else:
            yield from self._feed("", lines)

    def overdue(self) -> Iterator[Block]:
        """The blocks that nothing followed for long enough."""
        for assembler in self._assemblers.values():
            yield from assembler.overdue()

    def _feed(self, writer: str, lines: Iterable[str]) -> Iterator[Block]:
        known = self._assemblers
        if writer not in known and len(known) >= MAX_WRITERS:
            writer = next(iter(known))
        if writer not in known:
            known[writer] = Assembler(self._preset.starts, self._monotonic)
        unwrap = self._preset.unwrap
        return known[writer].feed(map(unwrap, lines) if unwrap else lines)
