import gzip
import math
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client import Metric as ClientMetric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter import exposition
from exporter.exposition import OPENMETRICS, TEXT, Format, merge, negotiate, render, wants_gzip
from exporter.families import Exemplar, Family, Histogram, Metric

HITS = Metric("hits_total", "counter", "Hits of a page.", ["page"])
TEMPERATURE = Metric("temperature_ratio", "gauge", 'A "ratio" with \\ and\nlines.')
LABEL_TEXT = st.text(st.characters(exclude_categories=("Cs", "Cc")) | st.just("\n"), max_size=20)
VALUE = st.floats() | st.integers(min_value=-(2**53), max_value=2**53)


def samples(parsed: Iterable[ClientMetric]) -> dict[tuple[str, frozenset[tuple[str, str]]], float | str]:
    """Every sample of parsed families, comparable (NaN equals NaN)."""
    return {
        (s.name, frozenset(s.labels.items())): "NaN" if math.isnan(s.value) else s.value
        for f in parsed
        for s in f.samples
    }


@settings(deadline=None, max_examples=100)
@given(st.dictionaries(LABEL_TEXT, VALUE, min_size=1, max_size=5))
def test_render_text_is_read_back_by_the_client(values: dict[str, float]) -> None:
    """prometheus_client's parser finds every label and value in our text."""
    family = Family(Metric("g", "gauge", "G.", ["a"]))
    for label, value in values.items():
        family.add(value, label)
    wanted = {("g", frozenset({("a", label)})): "NaN" if value != value else value for label, value in values.items()}  # noqa: PLR0124
    assert samples(parse_text(render([family], TEXT).decode())) == wanted


@settings(deadline=None, max_examples=100)
@given(st.dictionaries(LABEL_TEXT, st.floats(min_value=0, allow_infinity=False), min_size=1, max_size=5))
def test_render_openmetrics_is_read_back_by_the_client(values: dict[str, float]) -> None:
    """prometheus_client's strict OpenMetrics parser finds every label and value in ours."""
    family = Family(HITS)
    for label, value in values.items():
        family.add(value, label)
    wanted = {("hits_total", frozenset({("page", label)})): value for label, value in values.items()}
    assert samples(parse_openmetrics(render([family], OPENMETRICS).decode())) == wanted


def test_render_text_writes_help_and_type() -> None:
    """Text 0.0.4 shows the full name and one-line help."""
    assert render([Family(TEMPERATURE, 0.5)], TEXT).decode().splitlines() == [
        '# HELP temperature_ratio A "ratio" with \\\\ and\\nlines.',
        "# TYPE temperature_ratio gauge",
        "temperature_ratio 0.5",
    ]


def test_render_openmetrics_writes_unit_and_end() -> None:
    """OpenMetrics shows the unit and ends with a mark."""
    lines = render([Family(TEMPERATURE, 0.5)], OPENMETRICS).decode().splitlines()
    assert lines[2:] == ["# UNIT temperature_ratio ratio", "temperature_ratio 0.5", "# EOF"]


def test_render_writes_what_is_no_number_as_prometheus_does() -> None:
    """NaN and the infinities have Go's names, also beside other values."""
    family = Family(HITS)
    for page, value in (("a", float("nan")), ("b", float("inf")), ("c", float("-inf")), ("d", 1.5)):
        family.add(value, page)
    lines = render([family], TEXT).decode().splitlines()
    assert [line.rpartition(" ")[2] for line in lines[2:]] == ["NaN", "+Inf", "-Inf", "1.5"]


def test_render_leaves_out_families_without_samples() -> None:
    """Nothing to report leaves no header behind."""
    assert render([Family(TEMPERATURE)], TEXT) == b""


def test_render_histogram_is_valid_openmetrics() -> None:
    """The strict parser accepts buckets, sum and count."""
    family = Family(Metric("t_seconds", "histogram", "T."))
    family.add_histogram(Histogram((0.1, 1)))
    assert len(samples(parse_openmetrics(render([family], OPENMETRICS).decode()))) == 5


@pytest.fixture
def traced() -> Family:
    """A histogram one of whose buckets has an exemplar."""
    histogram = Histogram((0.1, 1))
    histogram.observe(0.5)
    histogram.exemplars[1] = Exemplar((("trace_id", "ab"),), 0.5, 1000.25)
    family = Family(Metric("t_seconds", "histogram", "T."))
    family.add_histogram(histogram)
    return family


def test_render_shows_exemplars_in_openmetrics_only(traced: Family) -> None:
    """The strict parser reads the exemplar; text 0.0.4 has none."""
    (family,) = parse_openmetrics(render([traced], OPENMETRICS).decode())
    exemplar = family.samples[1].exemplar
    assert (exemplar.labels, exemplar.value, float(exemplar.timestamp)) == ({"trace_id": "ab"}, 0.5, 1000.25)
    assert b"trace_id" not in render([traced], TEXT)


def test_merge_keeps_exemplars(traced: Family) -> None:
    """A family that is joined with another of its name keeps them."""
    (joined,) = merge([Family(traced.metric), traced, traced])
    assert joined.families()[0].exemplars == traced.exemplars


@pytest.mark.parametrize("other", [Metric("a", "counter", "A."), Metric("a_total", "counter", "A.")])
def test_merge_leaves_out_a_name_of_another_kind(other: Metric) -> None:
    """A family that would stand under another one's TYPE line is left out; the first has the name."""
    families = [Family(Metric("a", "gauge", "A."), 1), Family(other, 2)]
    assert render(families, TEXT) == b"# HELP a A.\n# TYPE a gauge\na 1\n"


def test_merge_joins_families_of_one_name() -> None:
    """Two collectors with one metric make one family, and the first value of a series counts."""
    first, second = Family(HITS), Family(HITS)
    first.add(1, "/")
    second.add(2, "/")
    second.add(3, "/b")
    merged = merge([first, Family(TEMPERATURE, 1), second])
    assert [list(family.samples.values()) for family in merged] == [[1, 3], [1]]
    assert list(first.samples.values()) == [1]


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", TEXT),
        ("*/*", TEXT),
        ("text/plain;version=0.0.4", TEXT),
        ("application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1", OPENMETRICS),
        ("application/openmetrics-text", OPENMETRICS),
        ("application/openmetrics-text; version=1.0.0; escaping=allow-utf-8;q=0.6,text/plain;q=0.5", OPENMETRICS),
        ("application/openmetrics-text;q=0.2,text/plain;q=0.9", TEXT),
        ("application/openmetrics-text;version=0.0.1", TEXT),
        ("application/openmetrics-text;version=2.0.0", TEXT),
        ("application/openmetrics-text;q=0", TEXT),
        ("application/openmetrics-text;q=high", TEXT),
        ("application/openmetrics-text;q=7", TEXT),
        ("application/vnd.google.protobuf;q=0.9,image/png", TEXT),
        (";;;,=,\x00", TEXT),
    ],
)
def test_negotiate_follows_the_accept_header(accept: str, form: Format) -> None:
    """The preferred of our two formats is chosen, text where the header is of no use."""
    assert negotiate(accept) is form


@pytest.mark.parametrize(
    ("header", "wanted"),
    [
        ("gzip", True),
        ("deflate, GZIP;q=0.5", True),
        ("*", True),
        ("", False),
        ("gzip;q=0", False),
        ("br", False),
        ("*;q=0", False),
    ],
)
def test_wants_gzip_follows_the_header(header: str, *, wanted: bool) -> None:
    """Compression needs a coding that the header takes."""
    assert wants_gzip(header) is wanted


def test_gzip_is_read_back() -> None:
    """Any reader of gzip gets the body back."""
    assert gzip.decompress(exposition.gzip(b"a" * 1000)) == b"a" * 1000
