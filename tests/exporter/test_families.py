import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter import families
from exporter.families import Exemplar, Family, Histogram, Metric, escape, go_float

HITS = Metric("hits_total", "counter", "Hits.", ["page"])


def test_metric_unit_is_read_off_the_name() -> None:
    """Seconds, bytes and ratio are units, before a counter's _total too; anything else is none."""
    names = ["a_seconds", "a_bytes", "a_ratio", "a_info"]
    assert [Metric(name, "gauge", "A.").unit for name in names] == ["seconds", "bytes", "ratio", ""]
    assert Metric("a_seconds_total", "counter", "A.").unit == "seconds"


def test_metric_base_name_drops_total_of_counters_only() -> None:
    """OpenMetrics names a counter's family without _total, a gauge keeps its name."""
    assert HITS.base_name == "hits"
    assert Metric("hits_total", "gauge", "Hits.").base_name == "hits_total"


@pytest.mark.parametrize("names", [("a.b", []), ("a b", []), ("", []), ("1a", []), ("a", ["b-c"]), ("a", [""])])
def test_metric_refuses_names_that_break_the_text(names: tuple[str, list[str]]) -> None:
    """A name outside letters, digits and underscores is found when it is declared."""
    with pytest.raises(ValueError, match="is no name"):
        Metric(names[0], "gauge", "A.", names[1])


def test_family_add_keeps_the_last_value_of_a_series() -> None:
    """A series occurs once however often its source names it."""
    family = Family(HITS)
    family.add(1, "/")
    family.add(2, "/")
    assert family.samples == {'hits_total{page="/"} ': 2}


def test_family_add_makes_numbers_of_truths() -> None:
    """True is shown as 1, never as a word."""
    assert str(Family(Metric("up", "gauge", "Up."), True).samples["up "]) == "1"


def test_family_add_refuses_another_number_of_labels() -> None:
    """A forgotten label is an error at the place of the mistake, not a broken exposition."""
    with pytest.raises(ValueError, match=r"hits_total has the labels \('page',\), not 2 values"):
        Family(HITS).add(1, "/", "GET")


def test_label_sets_are_rendered_once() -> None:
    """The text of a label set is the same object at the second look-up."""
    first = HITS.prefixes["/a",]
    assert HITS.prefixes["/a",] is first


def test_label_sets_stay_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Labels that keep changing do not fill the memory."""
    monkeypatch.setattr(families, "KEPT_LABEL_SETS", 3)
    metric = Metric("hits_total", "counter", "Hits.", ["page"])
    for number in range(10):
        assert metric.prefixes[str(number),] == f'hits_total{{page="{number}"}} '
    assert len(metric.prefixes) <= 3


def test_histogram_values_are_cumulative() -> None:
    """Each bucket counts the observations up to its limit, +Inf counts all."""
    histogram = Histogram((1, 2))
    for value in (0.5, 1, 1.5, 99):
        histogram.observe(value)
    assert histogram.values() == [2, 3, 4, 102, 4]


def test_family_add_histogram_shows_buckets_sum_and_count() -> None:
    """A histogram has one line per bucket, one for the sum and one for the count."""
    family = Family(Metric("t_seconds", "histogram", "T.", ["a"]))
    family.add_histogram(Histogram((0.5,)), "x")
    names = [text.rstrip() for text in family.samples]
    assert names == [
        't_seconds_bucket{a="x",le="0.5"}',
        't_seconds_bucket{a="x",le="+Inf"}',
        't_seconds_sum{a="x"}',
        't_seconds_count{a="x"}',
    ]


def test_family_add_histogram_refuses_another_number_of_labels() -> None:
    """A histogram's labels are checked as those of other samples."""
    with pytest.raises(ValueError, match="not 0 values"):
        Family(Metric("t_seconds", "histogram", "T.", ["a"])).add_histogram(Histogram())


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.5, "0.5"), (1, "1.0"), (1e6, "1e+06"), (12345678.0, "1.2345678e+07"), (float("inf"), "+Inf"),
     (float("-inf"), "-Inf"), (float("nan"), "NaN"), (-3.0, "-3.0")],
)  # fmt: skip
def test_go_float_prints_as_go_does(value: float, text: str) -> None:
    """Numbers look as Prometheus itself prints them."""
    assert go_float(value) == text


@settings(deadline=None, max_examples=200)
@given(st.text())
def test_escape_leaves_no_character_that_breaks_a_line(text: str) -> None:
    """Whatever a label holds, its text is one line of encodable characters without a bare quote."""
    shown = escape(text)
    shown.encode()
    assert not set(shown) & set("\n\r\0")
    assert '"' not in shown.replace("\\\\", "").replace('\\"', "")


def test_escape_replaces_what_no_parser_takes() -> None:
    """Undecodable bytes of a file name become the replacement character."""
    assert escape(b"a\xffb".decode(errors="surrogateescape")) == "a\ufffdb"
    assert escape("a\0b") == "a\ufffdb"


def test_add_histogram_shows_exemplars_of_their_buckets() -> None:
    """An exemplar stands with the bucket that it was counted in."""
    histogram = Histogram((0.1, 1))
    histogram.exemplars[1] = Exemplar((("trace_id", "ab"),), 0.5, 1000.25)
    family = Family(Metric("t_seconds", "histogram", "T."))
    family.add_histogram(histogram)
    assert family.exemplars == {'t_seconds_bucket{le="1.0"} ': ' # {trace_id="ab"} 0.5 1000.250'}
