"""Coverage in LCOV's tracefile format, as lcov, Istanbul, coverage.py and llvm-cov write it."""

import io
from pathlib import Path

from exporter.errors import SourceMalformed
from exporter.sources import regular_files
from exporter.sources.cobertura import Tally
from exporter.sources.regular_files import Stamp

#: Bytes of a line that are looked at.
_LINE_BYTES = 64 * 1024


def read(path: Path, tally: Tally) -> Stamp:
    """Tell *tally* every source file of the report at *path*; the stamp of the report.

    Raises:
        SourceUnavailable: the report cannot be read.
        SourceMalformed: it has no record of a source file.
    """
    records = 0
    name, lines, covered = "", 0, 0
    with regular_files.opened(path) as (file, stamp):
        reader = io.BufferedReader(file)  # type: ignore[type-var] # the descriptor is a raw one
        while line := reader.readline(_LINE_BYTES):
            if line.startswith(b"DA:"):
                lines += 1
                covered += line[3:].split(b",")[1:2] not in ([], [b"0"], [b"0\n"], [b"0\r\n"])
            elif line.startswith(b"SF:"):
                name, lines, covered = line[3:].strip().decode("utf-8", "replace"), 0, 0
            elif line.startswith(b"end_of_record"):
                tally(name, covered, lines)
                records += 1
    if not records:
        raise SourceMalformed(f"{path}: neither Cobertura XML, nor coverage.py's JSON, nor an LCOV tracefile")
    return stamp
