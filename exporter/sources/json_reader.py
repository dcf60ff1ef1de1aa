"""Reads a JSON file of bounded size into a type; what the type does not have is passed over without being kept."""

from pathlib import Path
from typing import TypeVar

import msgspec

from exporter.errors import SourceMalformed
from exporter.sources import regular_files
from exporter.sources.regular_files import Stamp

Value = TypeVar("Value")

#: Bytes of a file, which is in memory while it is read.
MAX_BYTES = 16 * 1024 * 1024


def read(path: Path, into: type[Value]) -> tuple[Value, Stamp]:
    """The file at *path* as *into*, and its stamp.

    Raises:
        SourceUnavailable: it cannot be read, or is larger than `MAX_BYTES`.
        SourceMalformed: it is no JSON, nested too deep, or does not fit; the message has the file.
    """
    content, stamp = regular_files.read(path, MAX_BYTES)
    try:
        return msgspec.json.decode(content.removeprefix(b"\xef\xbb\xbf"), type=into), stamp
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SourceMalformed(f"{path}: {error}") from error
    except RecursionError as error:
        raise SourceMalformed(f"{path}: nested too deep") from error
