import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.exposition import OPENMETRICS, TEXT, Format, merge, render
from exporter.families import Family, Metric
from exporter.sheets import Layout, Sheet, Sheets

HITS = Metric("hits_total", "counter", "Hits, in 100 % of cases.", ["page"])
LOAD = Metric("load1", "gauge", "Load.")
ROWS = [(LOAD, [()]), (HITS, [("/a%sb",), ("/{}",)])]


@pytest.mark.parametrize("form", [TEXT, OPENMETRICS])
@settings(deadline=None, max_examples=50)
@given(values=st.lists(st.floats() | st.integers(-(2**53), 2**53), min_size=3, max_size=3))
def test_sheet_renders_as_its_families(form: Format, values: list[float]) -> None:
    """The text with holes gives the same bytes as families of the same samples, whatever the values and labels."""
    sheet = Sheet(Layout(ROWS), values)
    assert render([sheet], form) == render(sheet.families(), form)


def test_sheet_names_are_those_with_samples() -> None:
    """A metric without series has no header and no name."""
    sheet = Sheet(Layout([(LOAD, [()]), (HITS, [])]), [0.5])
    assert sheet.names == ("load1",)
    assert b"hits" not in render([sheet], TEXT)


def test_merge_opens_sheets_whose_names_meet_others() -> None:
    """A sheet and a family of one name become one family, and the sheet's series are not repeated."""
    other = Family(HITS)
    other.add(9, "/{}")
    other.add(7, "/new")
    merged = merge([Sheet(Layout(ROWS), [1, 2, 3]), other])
    samples = {text: value for part in merged for family in part.families() for text, value in family.samples.items()}
    assert list(samples.values()) == [1, 2, 3, 7]
    assert [name for part in merged for name in part.names] == ["load1", "hits"]


def test_sheets_keep_the_layout_while_names_stay() -> None:
    """The text is joined again only when the source has other names."""
    sheets = Sheets(lambda pages: [(HITS, zip(pages))])
    first = sheets.sheet(["/"], [1])
    assert sheets.sheet(["/"], [2]).layout is first.layout
    assert sheets.sheet(["/", "/b"], [2, 3]).layout is not first.layout


@pytest.mark.parametrize("values", [[1, 2], [1, 2, 3, 4]])
def test_sheet_refuses_another_number_of_values(values: list[float]) -> None:
    """Values that belong to other series are an error of the collector, not a shifted exposition."""
    with pytest.raises(ValueError, match="values for 3 series of load1, hits"):
        Sheet(Layout(ROWS), values)
