"""Text formats of an exposition: Prometheus text 0.0.4 and OpenMetrics 1.0, chosen by the Accept header."""

import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from exporter.families import Family, go_float
from exporter.sheets import Part


@dataclass(frozen=True, slots=True)
class Format:
    """A text format: what the Content-Type header says, and whether it is OpenMetrics."""

    content_type: str
    openmetrics: bool


TEXT = Format("text/plain; version=0.0.4; charset=utf-8", openmetrics=False)
OPENMETRICS = Format("application/openmetrics-text; version=1.0.0; charset=utf-8", openmetrics=True)


def render(parts: Iterable[Part], form: Format) -> bytes:
    """The exposition of *parts* in *form*; a family without samples leaves no trace."""
    merged = merge(list(parts))
    text = _join(merged, form, str)
    if "nan\n" in text or "inf\n" in text:  # Python's words; nothing but a value ends a line of a sample
        text = _join(merged, form, go_float)
    return text.encode()


def _join(parts: Sequence[Part], form: Format, number: Callable[[float], str]) -> str:
    end = "# EOF\n" if form.openmetrics else ""
    return "".join([part.text(number, openmetrics=form.openmetrics) for part in parts]) + end


def merge(parts: Sequence[Part]) -> Sequence[Part]:
    """The parts with one family per name: both formats forbid a second one.

    The first sample of a series counts; a later family that has the name of another kind is left out.
    """
    names = [name for part in parts for name in part.names]
    if len(set(names)) == len(names):
        return parts
    first: dict[str, Family] = {}
    for family in [family for part in parts for family in part.families()]:
        name = family.metric.base_name
        if name not in first:
            first[name] = family
            continue
        if (family.metric.name, family.metric.kind) != (first[name].metric.name, first[name].metric.kind):
            continue
        joined = Family(first[name].metric)
        joined.samples = first[name].samples.copy()
        joined.exemplars = family.exemplars | first[name].exemplars
        for prefix, value in family.samples.items():
            joined.samples.setdefault(prefix, value)
        first[name] = joined
    return list(first.values())


@lru_cache(maxsize=64)
def negotiate(accept: str) -> Format:
    """The format that an Accept header prefers; text 0.0.4 unless it prefers OpenMetrics 1.x."""
    best = {TEXT: 0.0, OPENMETRICS: 0.0}
    for choice in accept.split(","):
        media, _, rest = choice.strip().partition(";")
        form = _format_of(media.strip().lower(), rest)
        if form is not None:
            best[form] = max(best[form], _quality(rest))
    return OPENMETRICS if best[OPENMETRICS] > 0 and best[OPENMETRICS] >= best[TEXT] else TEXT


def _format_of(media: str, parameters: str) -> Format | None:
    if media == "application/openmetrics-text":
        version = _parameter(parameters, "version") or "1"
        return OPENMETRICS if version.split(".")[0] == "1" else None
    return TEXT if media in ("text/plain", "text/*", "*/*") else None


def _parameter(parameters: str, name: str) -> str:
    for parameter in parameters.split(";"):
        key, _, value = parameter.partition("=")
        if key.strip().lower() == name:
            return value.strip().strip('"')
    return ""


def _quality(parameters: str) -> float:
    """The q value, 1 where there is none, 0 where it cannot be read."""
    text = _parameter(parameters, "q") or "1"
    try:
        quality = float(text)
    except ValueError:
        return 0.0
    return quality if 0 <= quality <= 1 else 0.0


@lru_cache(maxsize=64)
def wants_gzip(accept_encoding: str) -> bool:
    """Whether an Accept-Encoding header takes gzip."""
    qualities = {}
    for choice in accept_encoding.lower().split(","):
        coding, _, rest = choice.partition(";")
        qualities[coding.strip()] = _quality(rest)
    return qualities.get("gzip", qualities.get("*", 0.0)) > 0


def gzip(body: bytes) -> bytes:
    """*body* compressed at level 1: four times cheaper than the usual 9, and a scrape does not travel far."""
    compressor = zlib.compressobj(1, zlib.DEFLATED, 31)
    return compressor.compress(body) + compressor.flush()
