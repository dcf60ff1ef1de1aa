"""How bad a log line says it is: the words and numbers of many loggers on one scale."""

import re
from enum import IntEnum


class Level(IntEnum):
    """Severity, worse is higher; `UNKNOWN` is what says nothing."""

    UNKNOWN = 0
    DEBUG = 1
    INFO = 2
    NOTICE = 3
    WARNING = 4
    ERROR = 5
    CRITICAL = 6


_WORDS = {
    Level.DEBUG: "trace trace1 trace2 debug verbose fine finer finest config silly",
    Level.INFO: "info information informational ok success log default",
    Level.NOTICE: "notice deprecated strict note",
    Level.WARNING: "warning warn",
    Level.ERROR: "error err severe failure fail failed e",
    Level.CRITICAL: "critical crit fatal alert emergency emerg panic crash",
}
#: Every word for a level, in small letters.
LEVELS = {word: level for level, words in _WORDS.items() for word in words.split()}

#: A level in front of a message: in capitals (`ERROR`), in brackets (`[error]`, `[php7:error]`, `<warn>`), as
#: `level=error` or `"level":"error"`, or a word and a colon that open the line.
#: It looks at what stands before each, which is quicker than to look for each; so a line gets a blank before it.
_SHOWN = re.compile(
    r"\W(?:(?<=[\s\[(<|.:])(?P<capitals>TRACE|DEBUG|VERBOSE|INFO|NOTICE|WARN(?:ING)?|ERR(?:OR)?|SEVERE|CRIT(?:ICAL)?"
    r"|FATAL|ALERT|EMERG(?:ENCY)?|PANIC)(?=[\s\])>|:,.;-]|$)"
    r"|(?<=[\[<])(?:\w++:)?(?P<bracket>[A-Za-z]++)(?=[\]>])"
    r"|(?:level|lvl|severity|levelname|loglevel)[\"']?[=:]\s?[\"']?(?P<key>[A-Za-z]++)"
    r"|(?<=\A )(?P<opening>[A-Za-z]++)(?=:))"
)
#: Of a line, as many characters are searched for its level.
_HEAD = 160
#: And so many for words that look bad.
_SEARCHED = 4096

#: What an error looks like where no level is told.
_LOOKS_BAD = re.compile(
    r"\b(?i:(?<!\bno )(?<!\b0 )(?<!without ))(?<![/\w.-])"
    r"(?i:errors?|exception|fail(?:ed|ure)|fatal|panic|segfault|traceback|aborted|uncaught|unhandled|"
    r"out of memory|cannot|could not|unable to|denied|refused)\b(?!\.(?:log|php|html?)\b)"
    r"|\b\w++(?<=Error)\b|\b\w++(?<=Exception)\b|SQLSTATE\["
)


def level_named(word: str) -> Level:
    """The level that *word* means in any logger's language."""
    return LEVELS.get(word.lower(), Level.UNKNOWN)


def level_numbered(number: float) -> Level:
    """The level of a number: syslog 0 to 7 (low is bad), pino and bunyan 10 to 60, Monolog 100 to 600."""
    if number < 8:
        return syslog_level(int(number))
    scale = 10 if number < 100 else 100
    steps = {1: Level.DEBUG, 2: Level.DEBUG, 3: Level.INFO, 4: Level.WARNING, 5: Level.ERROR, 6: Level.CRITICAL}
    if scale == 100:
        steps = {1: Level.DEBUG, 2: Level.INFO, 3: Level.WARNING, 4: Level.ERROR, 5: Level.CRITICAL, 6: Level.CRITICAL}
    return steps.get(int(number // scale), Level.UNKNOWN)


def syslog_level(severity: int) -> Level:
    """The level of a syslog severity, 0 (emergency) to 7 (debug)."""
    if severity <= 2:
        return Level.CRITICAL
    return {3: Level.ERROR, 4: Level.WARNING, 5: Level.NOTICE, 6: Level.INFO}.get(severity, Level.DEBUG)


def level_shown(line: str) -> Level:
    """The level that a line shows before its message; unknown where it shows none."""
    for found in _SHOWN.finditer(f" {line[:_HEAD]}"):
        level = level_named(found[found.lastgroup or 0])
        if level:
            return level
    return Level.UNKNOWN


def level_guessed(line: str) -> Level:
    """The level that a line shows, else what its words are worth: an error, or unknown."""
    return level_shown(line) or (Level.ERROR if _LOOKS_BAD.search(line, 0, _SEARCHED) else Level.UNKNOWN)
