"""Reads XML of any size as a stream of elements, and refuses what makes a small file large: entities, depth, huge tags.

A DOCTYPE that only names a DTD is passed over, because real reports have one; nothing is ever fetched.
"""

from pathlib import Path
from typing import NoReturn, Protocol
from xml.parsers import expat

from exporter.errors import SourceMalformed
from exporter.sources import regular_files
from exporter.sources.regular_files import Stamp

#: Bytes of a file; more is a mistake, or takes longer to read than a report is fresh.
MAX_BYTES = 512 * 1024 * 1024
#: Bytes of one tag with its attributes.
MAX_TAG_BYTES = 1024 * 1024
MAX_DEPTH = 100
_CHUNK_BYTES = 64 * 1024
#: Others would be looked up among all of Python's codecs, some of which are none for text.
_ENCODINGS = ("utf-8", "utf-16", "us-ascii", "iso-8859-1", "iso-8859-15", "windows-1252")


class Visitor(Protocol):
    """Is told of every element; names are without namespace prefixes."""

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """An element begins."""

    def end(self, tag: str) -> None:
        """An element ends."""


def visit(path: Path, visitor: Visitor) -> Stamp:
    """Show *visitor* every element of the file at *path*, in their order; the stamp of the file.

    Raises:
        SourceUnavailable: the file cannot be read.
        SourceMalformed: it is no XML, or passes a bound; the message has file and line.
    """
    parser = expat.ParserCreate()
    try:
        with regular_files.opened(path) as (file, stamp):
            _attach(parser, visitor)
            fed = 0
            while chunk := file.read(_CHUNK_BYTES):
                fed += len(chunk)
                parser.Parse(chunk, False)
                _check_bounds(fed, parser.CurrentByteIndex)
            parser.Parse(b"", True)
    except (expat.ExpatError, _Refused) as error:
        line = parser.CurrentLineNumber
        problem = expat.ErrorString(error.code) if isinstance(error, expat.ExpatError) else str(error)
        raise SourceMalformed(f"{path}:{line}: {problem}") from error
    return stamp


class _Refused(Exception):
    """A bound was passed."""


def _check_bounds(fed: int, reached: int) -> None:
    if fed > MAX_BYTES:
        raise _Refused(f"is larger than {MAX_BYTES} bytes")
    if fed - max(reached, 0) > MAX_TAG_BYTES + _CHUNK_BYTES:
        raise _Refused(f"a tag is longer than {MAX_TAG_BYTES} bytes")


def _attach(parser: expat.XMLParserType, visitor: Visitor) -> None:
    """Let *parser* tell *visitor*, and stop at what is refused."""
    depth = 0

    def start(tag: str, attributes: dict[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > MAX_DEPTH:
            raise _Refused(f"elements are nested deeper than {MAX_DEPTH}")
        visitor.start(tag.rpartition(":")[2], attributes)

    def end(tag: str) -> None:
        nonlocal depth
        depth -= 1
        visitor.end(tag.rpartition(":")[2])

    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.XmlDeclHandler = _check_encoding
    parser.EntityDeclHandler = _refuse_entity
    parser.StartDoctypeDeclHandler = _refuse_subset


def _check_encoding(_version: str, encoding: str | None, _standalone: int) -> None:
    if encoding and encoding.lower() not in _ENCODINGS:
        raise _Refused(f"unknown encoding {encoding[:40]!r} (known: {', '.join(_ENCODINGS)})")


def _refuse_entity(name: str, *_: object) -> NoReturn:
    raise _Refused(
        f"declares the entity {name[:40]!r}: entities are refused, because a few lines of them fill all memory"
    )


def _refuse_subset(name: str, _system: str | None, _public: str | None, has_internal_subset: int) -> None:
    if has_internal_subset:
        raise _Refused(f"has a DTD of its own for {name[:40]!r}: remove it")


def expect(path: Path, root: str, known: tuple[str, ...]) -> None:
    """Check the outermost element of a report.

    Raises:
        SourceMalformed: it is none of *known*.
    """
    if root not in known:
        raise SourceMalformed(f"{path}: begins with <{root[:40]}>, not with <{'> or <'.join(known)}>")
