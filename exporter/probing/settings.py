"""Pieces that the options of several probers have in common: durations, regular expressions, secrets from files."""

import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from re import _compiler, _constants, _parser  # type: ignore[attr-defined]  # the only parser that agrees with `re`
from typing import Any

from chassis.secret_files import SecretUnusable, read_secret
from exporter.probing.attempt import ProbeFailed

_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?(?:(\d+)ms)?")
_UNITS = (3600.0, 60.0, 1.0, 0.001)
_HOST = re.compile(r"[A-Za-z0-9._:%-]{1,255}")
_REPEATS = (_constants.MAX_REPEAT, _constants.MIN_REPEAT)
_ENDS = (_constants.POSSESSIVE_REPEAT, _constants.ATOMIC_GROUP)
_SIZE = re.compile(r"(\d{1,12}) ?([KMG]?)i?B?")
_SHIFTS = {"": 0, "K": 10, "M": 20, "G": 30}


def seconds(value: float | str) -> float:
    """Seconds from a number or from text such as `5s`, `1m30s`, `500ms`.

    Raises:
        ValueError: it is neither.
    """
    if not isinstance(value, str):
        return float(value)
    match = _DURATION.fullmatch(value)
    if match is None or not any(match.groups()):
        raise ValueError(f"{value!r} is no duration: write seconds, or text such as 5s, 1m30s, 500ms")
    return sum(float(part) * unit for part, unit in zip(match.groups(), _UNITS, strict=True) if part)


def check_patterns(*patterns: str) -> None:
    """Check regular expressions.

    Raises:
        ValueError: one of them is none, or could take for ever on what a target sends; the message repeats it.
    """
    for pattern in patterns:
        try:
            compiled(pattern)
            explosive = _explodes(_parser.parse(pattern), within=False)
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(f"{pattern!r} is no regular expression: {error}") from error
        if explosive:
            raise ValueError(
                f"{pattern!r} repeats a repetition, which can take for ever; write possessive ones, (?:a+)++ for (a+)+"
            )


def _explodes(items: Iterable[tuple[Any, Any]], *, within: bool) -> bool:
    """Whether an unbounded repetition stands inside another one (*within*) that goes back."""
    for operation, argument in items:
        unbounded = operation in _REPEATS and argument[1] is _constants.MAXREPEAT
        if unbounded and within:
            return True
        inside = (within or unbounded) and operation not in _ENDS  # what goes back no more may go back within itself
        if any(_explodes(part, within=inside) for part in _parts(argument)):
            return True
    return False


def _parts(argument: object) -> Iterator[Iterable[tuple[Any, Any]]]:
    """The patterns inside an element of a pattern."""
    if isinstance(argument, _parser.SubPattern):
        yield argument
    elif isinstance(argument, list | tuple):
        for each in argument:
            yield from _parts(each)


@lru_cache(maxsize=1024)
def compiled(pattern: str) -> re.Pattern[str]:
    """*pattern*, ready to be searched for.

    Raises:
        re.error: it is no regular expression.
    """
    return re.compile(pattern)


def matches(pattern: str, text: str) -> bool:
    """Whether *pattern* is found in *text*.

    Raises:
        re.error: it is no regular expression.
    """
    return _finder(pattern).search(text) is not None


@lru_cache(maxsize=1024)
def _finder(pattern: str) -> re.Pattern[str]:
    """*pattern* as far as a yes or no needs it: `shop` for `.*shop.*`, which costs one pass and not one a character.

    On a page of 1 MiB without a line break, that is a millisecond instead of eight minutes for the whole process.
    """
    parsed = _parser.parse(pattern)
    if "GROUPREF" in repr(parsed.data):
        return compiled(pattern)
    _trim(parsed, 0)
    _trim(parsed, -1)
    made: re.Pattern[str] = _compiler.compile(parsed)
    return made


def _trim(items: Any, end: int) -> None:  # noqa: ANN401 -- the parser is untyped
    """Let what stands at an *end* (0 or -1) of a pattern be repeated no more often than it must be."""
    items.width = None  # a memory of how long a match is, which may now be shorter
    while len(items):
        operation, argument = items[end]
        if operation in _REPEATS and not argument[0]:
            del items[end]
            continue
        if operation in _REPEATS:
            items[end] = operation, (argument[0], argument[0], argument[2])
        elif operation in (_constants.SUBPATTERN, _constants.BRANCH):
            for part in _parts(argument):
                _trim(part, end)
        return


def secret(path: str) -> str:
    """The secret in the file *path*, read again when it has changed.

    Raises:
        ProbeFailed: it cannot be used (`secret`).
    """
    try:
        return _secret(path, Path(path).stat().st_mtime_ns)
    except (SecretUnusable, OSError) as error:
        raise ProbeFailed("secret", str(error)) from error


def known_secret(path: str) -> str:
    """The secret in the file *path*; empty where there is none that can be used, or no path."""
    try:
        return secret(path) if path else ""
    except ProbeFailed:
        return ""


@lru_cache(maxsize=256)
def _secret(path: str, _changed: int) -> str:
    text = read_secret(path)
    if not text.isprintable():
        raise SecretUnusable(f"the secret file {path} has more than one line, or control characters")
    return text


def size(value: int | str) -> int:
    """Bytes from a number or from text such as `10MB`, `512KB`; the units are powers of 1024.

    Raises:
        ValueError: it is neither.
    """
    match = _SIZE.fullmatch(str(value))
    if match is None:
        raise ValueError(f"{value!r} is no size: write bytes, or text such as 512KB, 10MB")
    return int(match[1]) << _SHIFTS[match[2]]


def host_and_port(target: str, default_port: int = 0) -> tuple[str, int]:
    """Host and port of `HOST:PORT`, `[::1]:PORT`, or of a host alone where there is a *default_port*.

    Raises:
        ValueError: it is neither.
    """
    bare = target.count(":") != 1 and not target.startswith("[")
    host, colon, port = (target, "", "") if bare else target.rpartition(":")
    if target.startswith("[") and target.endswith("]"):
        host, colon, port = target, "", ""
    if not colon and default_port:
        port = str(default_port)
    name = host.removeprefix("[").removesuffix("]")
    if not _HOST.fullmatch(name) or not (port.isdecimal() and port.isascii() and 0 < int(port[:6]) < 65536):
        raise ValueError(f"{target[:200]!r} is no target: write HOST:PORT, e.g. mail.example:25")
    return name, int(port)
