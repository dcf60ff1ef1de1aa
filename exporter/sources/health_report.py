"""What a service says of itself at `/health/resources` and `/health/system`, in the shapes that are in use.

A ratio is found under any of these, at the top level or one level below `resources`, `system`, `metrics` or `data`:

    memory_percent  memory_usage_percent  memory_used_percent  "memory.percent"     0 to 100
    memory_ratio  memory_used_ratio  memory_usage_ratio                             0 to 1
    memory: {percent | used_percent | usage_percent | percent_used: 75.2}           0 to 100
    memory: {ratio | used_ratio | usage_ratio: 0.752}                               0 to 1
    memory: {used, total} or {available, total}                                     any unit

and the same for `disk` and `cpu` (`mem` stands for `memory`, `disk_space` and `storage` for `disk`). A bare
`memory: 0.9` could be either and is refused; so is a ratio outside 0 to 1 (a "memory efficiency" of 127.6 %).
The status word is `status`, `overall_status`, `health` or `state`.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec

from exporter.errors import SourceMalformed

STATUSES = ("healthy", "warning", "degraded", "critical", "unknown")

_RESOURCES = {"memory": ("memory", "mem"), "disk": ("disk", "disk_space", "storage"), "cpu": ("cpu",)}
_PERCENT = ("percent", "used_percent", "usage_percent", "percent_used")
_RATIO = ("ratio", "used_ratio", "usage_ratio")
_WRAPPERS = ("resources", "system", "metrics", "data")
_STATUS_KEYS = ("status", "overall_status", "health", "state")
_WORDS = {
    "healthy": ("healthy", "ok", "up", "pass", "good", "green", "operational"),
    "warning": ("warning", "warn", "yellow"),
    "degraded": ("degraded", "partial"),
    "critical": ("critical", "down", "fail", "failed", "error", "unhealthy", "red", "emergency"),
}
_STATUS_OF = {word: status for status, words in _WORDS.items() for word in words}

Document = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Readings:
    """Ratios 0 to 1; cpu is None where it is not told."""

    memory: float
    disk: float
    cpu: float | None = None


def parse_resources(body: bytes, where: str) -> Readings:
    """The readings in the body of `/health/resources`; *where* (the URL) opens every message.

    Raises:
        SourceMalformed: no JSON object, no memory or disk in a known shape, or a ratio outside 0 to 1.
    """
    documents = _documents(body, where)
    found = {name: _find(documents, name, where) for name in _RESOURCES}
    memory, disk = found["memory"], found["disk"]
    if memory is None or disk is None:
        missing = "memory" if memory is None else "disk"
        raise SourceMalformed(f"{where}: says nothing of {missing}: give e.g. {missing}_percent or {missing}_ratio")
    return Readings(memory, disk, found["cpu"])


def parse_status(body: bytes, where: str) -> str:
    """The status word in the body of `/health/system`, as one of `STATUSES`.

    Raises:
        SourceMalformed: no JSON object, or no status in it.
    """
    for document in _documents(body, where):
        for key in _STATUS_KEYS:
            word = document.get(key)
            if isinstance(word, str):
                return _STATUS_OF.get(word.strip().lower(), "unknown")
    raise SourceMalformed(f"{where}: has no status: give one of {', '.join(_STATUS_KEYS)}")


def _documents(body: bytes, where: str) -> list[Document]:
    """The JSON object and the objects under its wrapper keys."""
    try:
        document = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SourceMalformed(f"{where}: no JSON: {error}") from error
    if not isinstance(document, dict):
        raise SourceMalformed(f"{where}: a JSON object is expected, not {type(document).__name__}")
    inner = [document.get(key) for key in _WRAPPERS]
    return [document, *(value for value in inner if isinstance(value, dict))]


def _find(documents: list[Document], resource: str, where: str) -> float | None:
    for document in documents:
        for place, ratio in _candidates(document, resource):
            if not (math.isfinite(ratio) and 0 <= ratio <= 1):
                raise SourceMalformed(f"{where}: {place} is {ratio * 100:g} %, outside 0 to 100 %")
            return ratio
    return None


def _candidates(document: Document, resource: str) -> Iterator[tuple[str, float]]:
    """Every ratio of *resource* in *document*: where it stands, and its value."""
    for name in _RESOURCES[resource]:
        for separator in ("_", "."):
            yield from _scaled(document, f"{name}{separator}")
        nested = document.get(name)
        if isinstance(nested, dict):
            yield from ((f"{name}.{place}", ratio) for place, ratio in _scaled(nested, ""))
            yield from _of_total(nested, name)


def _scaled(document: Document, prefix: str) -> Iterator[tuple[str, float]]:
    for keys, scale in ((_PERCENT, 100), (_RATIO, 1)):
        for key in keys:
            value = _number(document.get(f"{prefix}{key}"))
            if value is not None:
                yield f"{prefix}{key}", value / scale


def _of_total(document: Document, name: str) -> Iterator[tuple[str, float]]:
    total, used, available = (_number(document.get(key)) for key in ("total", "used", "available"))
    if total is not None and total > 0:
        if used is not None:
            yield f"{name}.used/total", used / total
        elif available is not None:
            yield f"{name}.available/total", 1 - available / total


def _number(value: object) -> float | None:
    """A JSON number as a float (true and false are none; one that no float holds is infinite)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return math.inf
