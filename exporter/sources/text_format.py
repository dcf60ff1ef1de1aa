r"""Reads Prometheus' text exposition format 0.0.4, as scripts write it into files.

A `TextReader` reads the same source again and again: it remembers the text before each value, so that a series seen
before costs a search for the last blank, a look-up and a conversion. Only new lines are taken apart.

What is refused is what Prometheus' own parser refuses; exemplars, which belong to OpenMetrics, are skipped.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import cast

from exporter.errors import SourceMalformed
from exporter.families import Kind, series

#: The words after `# TYPE`, and what they are called here.
KINDS: dict[str, Kind] = {
    "counter": "counter",
    "gauge": "gauge",
    "histogram": "histogram",
    "summary": "summary",
    "untyped": "unknown",
}
#: What a family of this kind adds to its name in its samples.
_SUFFIXES: dict[Kind, tuple[str, ...]] = {"histogram": ("_bucket", "_sum", "_count"), "summary": ("_sum", "_count")}
#: Characters; a longer line is no metric but a mistake.
MAX_LINE_CHARACTERS = 64 * 1024

_HEADER = re.compile(r"#[ \t]*(?P<word>HELP|TYPE)[ \t]+(?P<name>[^ \t]+)[ \t]*(?P<text>.*)")
_NAME = re.compile(r"[ \t]*([a-zA-Z_:][a-zA-Z0-9_:]*)[ \t]*")
_LABEL = re.compile(r'[ \t]*([a-zA-Z_][a-zA-Z0-9_]*)[ \t]*=[ \t]*"((?:[^"\\]|\\.)*+)"[ \t]*')
_ESCAPE = re.compile(r"\\(.?)")
_NUMBER = re.compile(r"[+-]?(?:[0-9]++\.?[0-9]*+|\.[0-9]++)(?:[eE][+-]?[0-9]++)?|[+-]?(?i:inf|infinity|nan)")
_UNPRINTABLE = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


class TextMalformed(SourceMalformed):
    """A text that is no exposition; *line* counts from 1, *problem* says what is wrong there and what to write."""

    def __init__(self, line: int, problem: str) -> None:
        super().__init__(f"line {line}: {problem}")
        self.line = line
        self.problem = problem


@dataclass(slots=True)
class Block:
    """A family as a text has it; *samples* maps `name{labels} ` with sorted labels to the value."""

    name: str
    kind: Kind = "unknown"
    help: str = ""
    typed: bool = False
    helped: bool = False
    samples: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Text:
    """What a text said: its families with samples by name, and how many samples repeated a series; the first counts."""

    blocks: dict[str, Block]
    series: int
    repeated: int


class TextReader:
    """Reads one source; more than *max_series* series are refused."""

    def __init__(self, max_series: int) -> None:
        self._max_series = max_series
        self._headers: list[str] = []
        #: The text before a value -> the family it belongs to, and the name and labels in normal form.
        self._known: dict[str, tuple[str, str]] = {}

    def read(self, content: bytes) -> Text:
        """The families of *content*.

        Raises:
            TextMalformed: it is no exposition, or larger than allowed.
        """
        lines = _lines(content)
        headers = [line for line in lines if line[:1] == "#"]
        if headers != self._headers or len(self._known) > 2 * len(lines):
            self._headers = headers  # a TYPE decides to which family a sample belongs
            self._known = {}
        return self._text(lines)

    def _text(self, lines: Iterable[str]) -> Text:
        known = self._known
        blocks: dict[str, Block] = {}
        count = 0
        for number, line in enumerate(lines, 1):
            cut = line.rfind(" ") + 1
            value = line[cut:]
            found = known.get(line[:cut])
            if found is not None and value.isascii() and value.isprintable() and "_" not in value:
                name, prefix = found
                block = blocks.get(name) or blocks.setdefault(name, Block(name))
                try:
                    block.samples.setdefault(prefix, float(value))
                except ValueError as error:
                    raise _no_number(number, value) from error
                count += 1
            else:
                count += self._slowly(number, line, blocks)
            if count > self._max_series:
                raise TextMalformed(number, f"more than {self._max_series} series: write fewer, or raise max_series")
        return _finished(blocks, count)

    def _slowly(self, number: int, line: str, blocks: dict[str, Block]) -> int:
        """Take apart a line that was not seen before; how many samples it has, 0 or 1."""
        if len(line) > MAX_LINE_CHARACTERS:
            raise TextMalformed(number, f"is longer than {MAX_LINE_CHARACTERS} characters")
        text = line.lstrip(" \t")
        if not text:
            return 0
        if text[0] == "#":
            _read_header(number, text, blocks)
            return 0
        name, labels, end = _read_series(number, line)
        block = _owner(number, name, labels, blocks)
        prefix = series(name, sorted((label, value) for label, value in labels.items() if value))
        value = _read_value(number, line[end:])
        block.samples.setdefault(prefix, value)
        self._remember(line, end, block.name, prefix)
        return 1

    def _remember(self, line: str, end: int, name: str, prefix: str) -> None:
        """Keep where the sample of *line* belongs, if nothing but one blank and the value follows its labels."""
        cut = line.rfind(" ") + 1
        if cut and not line[end:cut].strip(" \t") and cut < len(line):
            key = line[:cut]
            self._known[prefix if key == prefix else key] = (name, prefix)


def _lines(content: bytes) -> list[str]:
    """The lines of *content*, which is whole, UTF-8 and has Unix line ends."""
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise TextMalformed(line, f"byte {content[error.start]:#04x} is not UTF-8") from error
    lines = text.split("\n")
    if lines.pop():
        problem = "the last line has no end: half a file? write it under another name, then rename it"
        raise TextMalformed(len(lines) + 1, problem)
    return lines


def _finished(blocks: dict[str, Block], count: int) -> Text:
    full = {name: block for name, block in blocks.items() if block.samples}
    series_count = sum(len(block.samples) for block in full.values())
    return Text(full, series_count, count - series_count)


def _read_header(number: int, text: str, blocks: dict[str, Block]) -> None:
    """Note what a HELP or TYPE line says; any other comment says nothing."""
    header = _HEADER.fullmatch(text)
    if header is None:
        return
    name = header["name"]
    if not _is_name(name):
        raise TextMalformed(number, f"{name!r} is no name of a metric")
    block = blocks.setdefault(name, Block(name))
    if header["word"] == "HELP":
        _read_help(number, block, header["text"])
    else:
        _read_type(number, block, header["text"].rstrip(" \t"))


def _is_name(name: str) -> bool:
    found = _NAME.fullmatch(name)
    return found is not None and found[1] == name


def _read_help(number: int, block: Block, text: str) -> None:
    if block.helped:
        raise TextMalformed(number, f"a second HELP line for {block.name}")
    block.helped = True
    block.help = _UNPRINTABLE.sub("\ufffd", _unescape(number, text, "\\n"))


def _read_type(number: int, block: Block, word: str) -> None:
    if block.typed or block.samples:
        problem = f"a second TYPE line for {block.name}" if block.typed else f"TYPE of {block.name} after its samples"
        raise TextMalformed(number, problem)
    if word not in KINDS:
        raise TextMalformed(number, f"unknown type {word!r} (known: {', '.join(KINDS)})")
    block.typed = True
    block.kind = KINDS[word]


def _read_series(number: int, line: str) -> tuple[str, dict[str, str], int]:
    """The name and labels that *line* begins with, and where they end."""
    found = _NAME.match(line)
    if found is None:
        raise TextMalformed(number, f"no name of a metric at {_near(line, 0)}")
    if line[found.end() : found.end() + 1] != "{":
        return found[1], {}, found.end()
    labels, end = _read_labels(number, line, found.end() + 1)
    return found[1], labels, end


def _read_labels(number: int, line: str, position: int) -> tuple[dict[str, str], int]:
    """The labels from *position*, just behind the opening brace, and where the closing one ends."""
    labels: dict[str, str] = {}
    while (found := _LABEL.match(line, position)) is not None:
        name, value = found[1], _unescape(number, found[2], '\\"n')
        if name in labels or name == "__name__":
            raise TextMalformed(number, f"the label {name} is {'given twice' if name in labels else 'reserved'}")
        labels[name] = value
        position = found.end()
        if line[position : position + 1] != ",":
            break
        position += 1
    rest = line[position:].lstrip(" \t")
    if rest[:1] != "}":
        raise TextMalformed(number, f'expected label="value" or }} at {_near(line, position)}')
    return labels, len(line) - len(rest) + 1


def _owner(number: int, name: str, labels: dict[str, str], blocks: dict[str, Block]) -> Block:
    """The family to which a sample of this name and these labels belongs."""
    for kind, suffixes in _SUFFIXES.items():
        for suffix in suffixes if name not in blocks else ():
            block = blocks.get(name.removesuffix(suffix))
            if block is not None and block.kind == kind:
                if suffix == "_bucket":
                    _need_number(number, name, labels, "le")
                return block
    block = blocks.setdefault(name, Block(name))
    if block.kind == "histogram":
        raise TextMalformed(number, f"the histogram {name} has {name}_bucket, {name}_sum and {name}_count only")
    if block.kind == "summary":
        _need_number(number, name, labels, "quantile")
    return block


def _need_number(number: int, name: str, labels: dict[str, str], label: str) -> None:
    if not _NUMBER.fullmatch(labels.get(label, "")):
        raise TextMalformed(number, f"{name} needs the label {label} with a number")


def _read_value(number: int, text: str) -> float:
    """The value behind name and labels; an exemplar behind it is skipped, a timestamp refused."""
    if text.endswith("\r"):
        raise TextMalformed(number, "ends in a carriage return: write Unix line ends")
    words = [word for word in text.partition(" # ")[0].replace("\t", " ").split(" ") if word]
    if not words or not _NUMBER.fullmatch(words[0]):
        raise _no_number(number, text.strip(" \t"))
    if len(words) > 1:
        raise TextMalformed(number, f"a timestamp ({words[1][:40]}) is not supported: Prometheus sets the time")
    return float(words[0])


def _unescape(number: int, text: str, known: str) -> str:
    r"""*text* without its escapes, which are a backslash and one of *known*."""
    if "\\" not in text:
        return text

    def plain(found: re.Match[str]) -> str:
        if not found[1] or found[1] not in known:
            raise TextMalformed(number, rf"unknown escape {found[0]!r}: write \\ for a backslash")
        return "\n" if found[1] == "n" else cast("str", found[1])

    return _ESCAPE.sub(plain, text)


def _no_number(number: int, text: str) -> TextMalformed:
    return TextMalformed(number, f"expected a number as value, got {text[:40]!r}")


def _near(line: str, position: int) -> str:
    return repr(line[position : position + 40]) if position < len(line) else "the end of the line"
