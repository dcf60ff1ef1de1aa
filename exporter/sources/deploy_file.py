"""What a release file says: JSON, YAML, lines of `KEY=VALUE`, or only a version or commit."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec
import yaml

from exporter.errors import SourceMalformed
from exporter.sources import regular_files

#: A release file is a few lines; PyYAML takes 0.1 s for this much.
MAX_BYTES = 8 * 1024
#: More brackets are no release file; PyYAML takes a second for thousands.
_MAX_BRACKETS = 50
#: What a version may be, wherever it comes from: it is a label.
VERSION = r"[A-Za-z0-9][A-Za-z0-9_.+/@~:-]{0,99}"

_KEYS = {
    "version": ("version", "tag", "release"),
    "commit": ("commit", "revision", "sha", "git_commit", "git_sha"),
    "time": ("time", "deployed_at", "timestamp", "date"),
}
_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_SHORT = 12


class Release(NamedTuple):
    """What is deployed.

    Attributes:
        version: never empty.
        commit: empty where the file does not tell it.
        since: Unix time in seconds of the deployment.
    """

    version: str
    commit: str
    since: float


def read_release(path: str) -> Release:
    """What the release file at *path* says; its own time stands in where it tells none.

    Raises:
        SourceUnavailable: it cannot be read.
        SourceMalformed: it names neither version nor commit.
    """
    raw, stamp = regular_files.read(Path(path), MAX_BYTES)
    words = _words(raw.decode("utf-8", "replace"), path)
    found = {name: next((words[key] for key in keys if words.get(key)), "") for name, keys in _KEYS.items()}
    version, commit = found["version"] or found["commit"][:_SHORT], found["commit"]
    if not re.fullmatch(VERSION, version):
        raise SourceMalformed(f"{path}: names no version; write e.g. {{version: 1.2.3, commit: 0123abc}}")
    if commit and not _COMMIT.fullmatch(commit):
        raise SourceMalformed(f"{path}: the commit {commit!r:.80} is no hash")
    since = parse_time(found["time"]) if found["time"] else stamp.modified_seconds
    return Release(version, commit, since)


def parse_time(text: str) -> float:
    """Unix time in seconds of a number of them, or of an ISO 8601 time (UTC where it names no zone).

    Raises:
        SourceMalformed: it is neither, or lies outside of the years 1970 to 9999.
    """
    try:
        if re.fullmatch(r"[0-9]{1,12}(\.[0-9]{1,9})?", text):
            return float(text)
        moment = datetime.fromisoformat(text[:64])
        seconds = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        seconds = -1.0
    if seconds < 0:
        raise SourceMalformed(f"{text!r:.60} is no time; write Unix seconds or e.g. 2026-01-31T12:00:00Z")
    return seconds


def _words(text: str, path: str) -> dict[str, str]:
    """The top-level keys of *text*, in small letters, with their words."""
    pairs = _json_pairs(text)
    if pairs is None:
        pairs = _yaml_pairs(text, path)
    return {key.lower(): value.strip() for key, value in pairs}


def _json_pairs(text: str) -> list[tuple[str, str]] | None:
    """The pairs of a JSON object; None where it is none."""
    try:
        document = msgspec.json.decode(text, type=dict[str, object])
    except (msgspec.MsgspecError, RecursionError):
        return None
    return [(key, str(value)) for key, value in document.items() if isinstance(value, str | int | float)]


def _yaml_pairs(text: str, path: str) -> list[tuple[str, str]]:
    """The pairs of a YAML mapping as they are written (1.10 stays 1.10), of `KEY=VALUE` lines, or of one word."""
    if text.count("[") + text.count("{") > _MAX_BRACKETS:
        raise SourceMalformed(f"{path}: is nested too deeply for a release file")
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise SourceMalformed(f"{path}: can be read neither as JSON nor as YAML nor as a word") from error
    if isinstance(node, yaml.MappingNode):
        scalars = [(key, value) for key, value in node.value if isinstance(value, yaml.ScalarNode)]
        return [(str(key.value), value.value) for key, value in scalars]
    lines = [line.partition("=") for line in text.splitlines()]
    pairs = [(key.strip().removeprefix("export "), value.strip().strip("\"'")) for key, sign, value in lines if sign]
    return pairs or [_only_word(text.strip())]


def _only_word(word: str) -> tuple[str, str]:
    """A file of one word: a whole commit, else a version."""
    whole = re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", word)
    return ("commit" if whole else "version", word)
