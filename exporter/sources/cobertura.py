"""Coverage in Cobertura's XML, as coverage.py, gcovr, Istanbul, Coverlet and PHPUnit write it."""

from collections.abc import Callable
from pathlib import Path

from exporter.sources import xml_reader
from exporter.sources.regular_files import Stamp

#: Is given the path of a source file, its covered lines and all its lines that count.
Tally = Callable[[str, int, int], None]


def read(path: Path, tally: Tally) -> Stamp:
    """Tell *tally* every class of the report at *path*; the stamp of the report.

    Raises:
        SourceUnavailable: the report cannot be read.
        SourceMalformed: it is no XML, or no coverage report.
    """
    visitor = _Classes(tally)
    stamp = xml_reader.visit(path, visitor)
    xml_reader.expect(path, visitor.root, ("coverage",))
    return stamp


class _Classes:
    """Counts the lines of each class; a method's lines stand below its class once more, so those are passed over."""

    def __init__(self, tally: Tally) -> None:
        self.root = ""
        self._tally = tally
        self._file = ""
        self._lines = 0
        self._covered = 0
        self._in_methods = False

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        """Note a line, or the file that the next lines are of."""
        if tag == "line":
            if not self._in_methods:
                self._lines += 1
                self._covered += attributes.get("hits", "0").strip("0 ") not in ("", "-1")
        elif tag == "class":
            self._file = attributes.get("filename") or attributes.get("name", "")
            self._lines = self._covered = 0
        elif tag == "methods":
            self._in_methods = True
        elif not self.root:
            self.root = tag

    def end(self, tag: str) -> None:
        """Tell the lines of a class that has ended."""
        if tag == "methods":
            self._in_methods = False
        elif tag == "class":
            self._tally(self._file, self._covered, self._lines)
            self._lines = self._covered = 0
