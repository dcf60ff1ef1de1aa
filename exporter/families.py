"""Declared metrics and the samples of one scrape.

A `Metric` is declared once, at module level, and keeps the rendered text of every label set it has seen:
`nightshift_load1 ` or `nightshift_cpu_seconds_total{cpu="0",mode="user"} `. A `Family` is filled anew by each
scrape (what has vanished from the source vanishes from the exposition) and maps that text to a value. So a sample
costs one dictionary look-up, a series cannot occur twice, and rendering is joining.
"""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

Kind = Literal["counter", "gauge", "histogram", "info", "summary", "stateset", "gaugehistogram", "unknown"]

#: Label sets kept per metric; past it all are forgotten and rendered anew (a guard, not a limit on series).
KEPT_LABEL_SETS = 20_000

#: Seconds; from a cached answer to a request that people give up on.
DEFAULT_BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

#: What the names of these kinds end in, which the name of the family in OpenMetrics does not.
SUFFIXES: dict[Kind, str] = {"counter": "_total", "info": "_info"}
#: Kinds that text 0.0.4 does not have, and what stands for them there.
_TEXT_KINDS: dict[Kind, str] = {
    "info": "gauge",
    "stateset": "gauge",
    "gaugehistogram": "histogram",
    "unknown": "untyped",
}
_UNITS = ("seconds", "bytes", "ratio")
_WORD = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f]")


class Metric:
    """A declared metric: its name as exposed, kind, help (one line, says the unit) and label names.

    The unit is read off the name, as Prometheus spells it: `_seconds`, `_bytes` or `_ratio`, before `_total`.

    Raises:
        ValueError: the name or a label's name is not one that every Prometheus takes.
    """

    __slots__ = ("base_name", "help", "kind", "labels", "name", "openmetrics_header", "prefixes", "text_header", "unit")

    def __init__(self, name: str, kind: Kind, help_text: str, labels: Sequence[str] = ()) -> None:
        check_names(name, labels)
        self.name = name
        self.kind = kind
        self.help = readable(help_text)
        self.labels = tuple(labels)
        #: The name of the family in OpenMetrics.
        self.base_name = name.removesuffix(SUFFIXES.get(kind, ""))
        self.unit = next((unit for unit in _UNITS if self.base_name.endswith(f"_{unit}")), "")
        self.prefixes = LabelSets(name, self.labels)
        self.text_header = self._text_header()
        self.openmetrics_header = self._openmetrics_header()

    def _text_header(self) -> str:
        """The lines above the samples in text 0.0.4."""
        text = self.help.replace("\\", r"\\").replace("\n", r"\n")
        return f"# HELP {self.name} {text}\n# TYPE {self.name} {_TEXT_KINDS.get(self.kind, self.kind)}\n"

    def _openmetrics_header(self) -> str:
        """The lines above the samples in OpenMetrics."""
        name = self.base_name
        unit = f"# UNIT {name} {self.unit}\n" if self.unit else ""
        return f"# HELP {name} {escape(self.help)}\n# TYPE {name} {self.kind}\n{unit}"

    def __repr__(self) -> str:
        return f"Metric({self.name!r}, {self.kind!r}, labels={self.labels!r})"


class LabelSets(dict[tuple[str, ...], str]):
    """`name{labels} ` by label values, rendered at the first look-up.

    Raises:
        ValueError: a look-up with another number of values than there are label names.
    """

    def __init__(self, name: str, labels: tuple[str, ...]) -> None:
        super().__init__()
        self._name = name
        self._labels = labels

    def __missing__(self, values: tuple[str, ...]) -> str:
        if len(values) != len(self._labels):
            raise ValueError(f"{self._name} has the labels {self._labels}, not {len(values)} values: {values}")
        if len(self) >= KEPT_LABEL_SETS:
            self.clear()
        text = series(self._name, zip(self._labels, values, strict=True))
        self[values] = text
        return text


class Family:
    """The samples of one metric in one scrape; the last value added for a label set counts.

    Attributes:
        metric: what is shown.
        samples: value by rendered name and labels.
        exemplars: rendered exemplars of samples that have one, by the same text; only OpenMetrics shows them.
    """

    __slots__ = ("exemplars", "metric", "samples")

    def __init__(self, metric: Metric, value: float | None = None) -> None:
        """A family of *metric*, with one sample without labels where a value is given."""
        self.metric = metric
        self.exemplars: dict[str, str] = {}
        self.samples: dict[str, float] = {} if value is None else {metric.prefixes[()]: +value}

    @property
    def names(self) -> tuple[str, ...]:
        """The name of the family in OpenMetrics, once it has samples."""
        return (self.metric.base_name,) if self.samples else ()

    def families(self) -> "list[Family]":
        """Itself, as the only one."""
        return [self]

    def text(self, number: Callable[[float], str], *, openmetrics: bool) -> str:
        """The headers and lines, each value written by *number*; nothing where there are no samples."""
        if not self.samples:
            return ""
        pieces = [self.metric.openmetrics_header if openmetrics else self.metric.text_header]
        if openmetrics and self.exemplars:
            for prefix, value in self.samples.items():
                pieces += (prefix, number(value), self.exemplars.get(prefix, ""), "\n")
            return "".join(pieces)
        for prefix, value in self.samples.items():
            pieces += (prefix, number(value), "\n")
        return "".join(pieces)

    def add(self, value: float, *labels: str) -> None:
        """Add the sample with these label values, in the order of the metric's label names.

        Raises:
            ValueError: the number of labels is not the metric's.
        """
        self.samples[self.metric.prefixes[labels]] = +value  # a plus sign makes True a 1

    def add_histogram(self, histogram: "Histogram", *labels: str) -> None:
        """Add the buckets, sum and count of *histogram* under these label values, with its exemplars.

        Raises:
            ValueError: the number of labels is not the metric's.
        """
        prefixes = histogram.prefixes(self.metric, labels)
        self.samples.update(zip(prefixes, histogram.values(), strict=True))
        for bucket, exemplar in histogram.exemplars.items():
            self.exemplars[prefixes[bucket]] = exemplar.text()


@dataclass(frozen=True, slots=True)
class Exemplar:
    """One observation by name: the labels that find its trace, its value, and when it was seen (Unix seconds).

    OpenMetrics allows 128 characters for the names and values of the labels together.
    """

    labels: tuple[tuple[str, str], ...]
    value: float
    timestamp: float

    def text(self) -> str:
        """What stands behind the value of a sample."""
        return f" # {series('', self.labels)}{go_float(self.value)} {self.timestamp:.3f}"


class Histogram:
    """Observations counted in buckets; *bounds* are the upper limits, ascending, without +Inf.

    `exemplars` has by the bucket's number one observation that is in that bucket.
    """

    __slots__ = ("_prefixes", "bounds", "counts", "exemplars", "total")

    def __init__(self, bounds: Sequence[float] = DEFAULT_BUCKETS) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(self.bounds) + 1)
        self.total = 0.0
        self.exemplars: dict[int, Exemplar] = {}
        self._prefixes: list[str] = []

    def observe(self, value: float) -> None:
        """Count one observation."""
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value

    def values(self) -> list[float]:
        """The cumulative bucket counts with +Inf last, then the sum, then the count."""
        cumulative = list(accumulate(self.counts))
        return [*cumulative, self.total, cumulative[-1]]

    def prefixes(self, metric: Metric, labels: tuple[str, ...]) -> list[str]:
        """The rendered names and labels of `values`; a histogram is always shown under the same ones."""
        if not self._prefixes:
            metric.prefixes[labels]  # checks the number of labels
            pairs = list(zip(metric.labels, labels, strict=True))
            limits = [go_float(bound) for bound in (*self.bounds, float("inf"))]
            self._prefixes = [series(f"{metric.name}_bucket", [*pairs, ("le", limit)]) for limit in limits]
            self._prefixes += [series(f"{metric.name}_sum", pairs), series(f"{metric.name}_count", pairs)]
        return self._prefixes


def check_names(name: str, labels: Iterable[str]) -> None:
    """Check the name of a metric and those of its labels.

    Raises:
        ValueError: one of them is not made of letters, digits and underscores.
    """
    for word in (name, *labels):
        if not _WORD.fullmatch(word):
            raise ValueError(f"{name}: {word!r} is no name: use letters, digits and underscores")


def series(name: str, labels: Iterable[tuple[str, str]]) -> str:
    """`name{label="value",...} `: the text of a sample up to its value."""
    inner = ",".join([f'{label}="{escape(value)}"' for label, value in labels])
    return f"{name}{{{inner}}} " if inner else f"{name} "


def escape(value: str) -> str:
    r"""A label value as both text formats write it: readable, and `\\`, `\"` and `\n` escaped."""
    return readable(value).replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def readable(text: str) -> str:
    """*text* with U+FFFD for what no parser takes: lone surrogates from undecodable file names, control characters."""
    if not text.isascii():
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text if text.isprintable() else _CONTROL.sub("\ufffd", text)


def go_float(value: float) -> str:
    """A bucket limit or value as Go prints it: `0.5`, `1.0`, `1e+06`, `+Inf`, `-Inf`, `NaN`."""
    if value != value:  # noqa: PLR0124 -- only NaN differs from itself
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "+Inf" if value > 0 else "-Inf"
    text = repr(float(value))
    dot = text.find(".")
    if value > 0 and dot > 6:
        mantissa = f"{text[0]}.{text[1:dot]}{text[dot + 1 :]}".rstrip("0.")
        return f"{mantissa}e+{dot - 1:02d}"
    return text
