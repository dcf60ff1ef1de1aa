"""Coverage in the JSON of coverage.py (`coverage json`)."""

from pathlib import Path

import msgspec

from exporter.sources import json_reader
from exporter.sources.cobertura import Tally
from exporter.sources.regular_files import Stamp


class _Summary(msgspec.Struct):
    covered_lines: int
    num_statements: int


class _File(msgspec.Struct):
    summary: _Summary


class _Report(msgspec.Struct):
    files: dict[str, _File]


def read(path: Path, tally: Tally) -> Stamp:
    """Tell *tally* every file of the report at *path*; the stamp of the report.

    Raises:
        SourceUnavailable: the report cannot be read.
        SourceMalformed: it is no JSON, or no coverage report.
    """
    report, stamp = json_reader.read(path, _Report)
    for name, file in report.files.items():
        tally(name, file.summary.covered_lines, file.summary.num_statements)
    return stamp
