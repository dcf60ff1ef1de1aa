"""Families whose series stay the same from scrape to scrape, as one text with holes for the values.

Most of a machine's series never change: the same processors, disks, fields. Their names, labels and headers are
joined once into a `Layout`; a scrape then makes a `Sheet` of it, a list of numbers, and to render it is one
formatting operation. That halves the cost of a scrape. A collector that does not care yields `Family` objects.
"""

from collections.abc import Callable, Iterable, Sequence

from exporter.families import Family, Metric

Rows = Iterable[tuple[Metric, Iterable[tuple[str, ...]]]]


class Layout:
    """The text of some metrics with some label sets each, in both formats, a `%s` for each value."""

    __slots__ = ("names", "openmetrics", "series", "size", "text")

    def __init__(self, rows: Rows) -> None:
        self.series = [(metric, [metric.prefixes[labels] for labels in sets]) for metric, sets in rows]
        self.size = sum(len(prefixes) for _, prefixes in self.series)
        self.names = tuple(metric.base_name for metric, prefixes in self.series if prefixes)
        self.text = self._template(lambda metric: metric.text_header)
        self.openmetrics = self._template(lambda metric: metric.openmetrics_header)

    def _template(self, header: Callable[[Metric], str]) -> str:
        shown = [(metric, prefixes) for metric, prefixes in self.series if prefixes]
        parts = [piece for metric, prefixes in shown for piece in (header(metric), *(f"{p}\0" for p in prefixes))]
        return "".join(parts).replace("%", "%%").replace("\0", "%s\n")


class Sheet:
    """The values of a layout's series in one scrape, in their order.

    Raises:
        ValueError: there are not as many values as series.
    """

    __slots__ = ("layout", "values")

    def __init__(self, layout: Layout, values: Sequence[float]) -> None:
        if len(values) != layout.size:
            raise ValueError(f"{len(values)} values for {layout.size} series of {', '.join(layout.names)}")
        self.layout = layout
        self.values = values

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the families that have samples."""
        return self.layout.names

    def families(self) -> list[Family]:
        """The same as families, to be merged with others of their names."""
        values = iter(self.values)
        found = []
        for metric, prefixes in self.layout.series:
            family = Family(metric)
            family.samples = {prefix: next(values) for prefix in prefixes}
            found.append(family)
        return found

    def text(self, number: Callable[[float], str], *, openmetrics: bool) -> str:
        """The headers and lines, each value written by *number*."""
        template = self.layout.openmetrics if openmetrics else self.layout.text
        return template % tuple(self.values if number is str else map(number, self.values))


#: What a collector may give.
Part = Family | Sheet


class Sheets:
    """Makes sheets of one source: *rows* tells the layout for the names that the source has at the moment."""

    __slots__ = ("_kept", "_rows")

    def __init__(self, rows: Callable[[Sequence[str]], Rows]) -> None:
        self._rows = rows
        self._kept: tuple[Sequence[str], Layout] = ((), Layout(rows(())))

    def sheet(self, names: Sequence[str], values: Sequence[float]) -> Sheet:
        """The sheet of these values; the layout is made anew when the names are others than last time."""
        known, layout = self._kept  # one object, because parallel scrapes replace it under each other
        if names != known:
            layout = Layout(self._rows(names))
            self._kept = (names, layout)
        return Sheet(layout, values)
