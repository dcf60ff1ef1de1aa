"""What one event of an error log says: its level, its message and its stack, in the language that wrote it."""

import re
from typing import NamedTuple

from exporter.sources.log_levels import Level, level_guessed, level_named
from exporter.sources.multi_line import EXCEPTION, NODE_PLACE, PYTHON_CHAIN, TRACEBACK, Block

#: A message is cut at so many characters, a stack at four times as many.
MAX_MESSAGE = 2048
MAX_STACK = 4 * MAX_MESSAGE


class Event(NamedTuple):
    """What one entry of a log says.

    Attributes:
        level: how bad it is.
        message: the text that tells errors apart, without time and level.
        stack: the lines that go on from it.
        seen: the text in which signs such as attacks are looked for.
    """

    level: Level
    message: str
    stack: str
    seen: str


_TIME = re.compile(
    r"\W{0,3}(?:\d{4}[-/]\d\d[-/]\d\d[T ]\d\d:\d\d:\d\d[\d.,]*+(?:Z|[+-]\d\d:?\d\d)?"
    r"|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \S+|\d\d:\d\d:\d\d[\d.,]*+)\W{0,3}"
)
_LEVEL = re.compile(r"[\[<(]?([A-Za-z]{3,9})[\])>]?(?::\s++|\s++|(?<=[\])>]))")

_PHP = re.compile(
    r"(?:NOTICE: )?(?:PHP message: )?(?:PHP )?(?P<kind>(?:(?:Recoverable |Catchable )?fatal|Parse|Core|Compile|User) "
    r"(?:error|warning|notice|deprecated)|Warning|Notice|Deprecated(?: function)?|Strict Standards):\s+(?P<text>.*)",
    re.IGNORECASE,
)
_PHP_PREFIX = re.compile(r"(?:NOTICE: )?(?:PHP message: )?(?:PHP )?")
_PHP_LEVELS = (("fatal", Level.CRITICAL), ("error", Level.ERROR), ("warning", Level.WARNING))
_UNCAUGHT = re.compile(r"(?:PHP )?(?:Uncaught|Unhandled) ")


def plain_event(block: Block) -> Event:
    """The event of a log in no particular format: its level by its words, with the exception that its stack names."""
    level = level_guessed(block.head)
    message = _without_head(block.head)
    exception = _exception_of(block)
    if exception:
        level = max(level, Level.ERROR)
        message = exception if _is_only_a_mark(block) else f"{message}: {exception}"
    return event(level, message, "\n".join(block.rest), block.head)


def event(level: Level, message: str, stack: str, seen: str) -> Event:
    """An event whose texts are cut."""
    return Event(level, message[:MAX_MESSAGE].strip(), stack[:MAX_STACK].rstrip(), seen)


def php_event(text: str, rest: str, seen: str, otherwise: Level = Level.UNKNOWN) -> Event:
    r"""The event of a message of PHP; a stack that was put into one line by `\n` is taken apart.

    *otherwise* is its level where it is a message that the application wrote itself.
    """
    first, _, more = text.partition("\\n")
    stack = "\n".join(part for part in (more.replace("\\n", "\n"), rest) if part)
    found = _PHP.match(first)
    if found is None:
        level = Level.ERROR if _UNCAUGHT.match(first) else max(level_guessed(first), otherwise)
        return event(level, _PHP_PREFIX.sub("", first, count=1), stack, seen)
    return event(php_level(found["kind"]), f"{found['kind']}: {found['text']}", stack, seen)


def php_level(kind: str) -> Level:
    """The level of what PHP calls *kind*, such as `Fatal error` or `Notice`."""
    kind = kind.lower()
    return next((level for word, level in _PHP_LEVELS if word in kind), Level.NOTICE)


def _without_head(line: str) -> str:
    """*line* without the time, and the level after it, that it begins with."""
    found = _TIME.match(line)
    if found is None:
        return line
    line = line[found.end() :]
    found = _LEVEL.match(line)
    return line[found.end() :] if found and level_named(found[1]) else line


def _is_only_a_mark(block: Block) -> bool:
    """Whether the first line says nothing itself: `Traceback (...)`, or the place that Node prints."""
    return TRACEBACK.match(block.head) is not None or NODE_PLACE.match(block.head) is not None


def _exception_of(block: Block) -> str:
    """The line that names the exception of a stack; empty where the first line does, or there is none."""
    if not block.rest:
        return ""
    lines = [line for line in block.rest if line and line[0] not in " \t#^})]"]
    if TRACEBACK.match(block.head) or any(TRACEBACK.match(line) for line in block.rest):
        raised = [line for line in lines if not TRACEBACK.match(line) and not PYTHON_CHAIN.match(line)]
        return raised[-1] if raised else ""
    return next((line for line in lines if EXCEPTION.match(line)), "")
