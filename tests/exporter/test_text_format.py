import contextlib
import math
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from exporter.families import series
from exporter.sources import text_format
from exporter.sources.text_format import Text, TextMalformed, TextReader

Read = Callable[[str], Text]

HISTOGRAM = """# HELP took_seconds How long.
# TYPE took_seconds histogram
took_seconds_bucket{le="1"} 2
took_seconds_bucket{le="+Inf"} 3
took_seconds_sum 4.5
took_seconds_count 3
"""


@pytest.fixture
def read() -> Read:
    """Reads a text with a reader that was never used."""
    return lambda text: TextReader(100).read(text.encode())


def samples(text: Text) -> dict[str, float]:
    """Every sample of a text."""
    return {prefix.rstrip(): value for block in text.blocks.values() for prefix, value in block.samples.items()}


def test_read_gives_families_with_kind_and_help(read: Read) -> None:
    """HELP and TYPE lines say what the samples are; a family without them is untyped."""
    text = read("# HELP a Some \\\\ A\\nhere.\n# TYPE a gauge\na 1\n# just a comment\n\nb 2\n# EOF\n")
    assert [(b.name, b.kind, b.help) for b in text.blocks.values()] == [
        ("a", "gauge", "Some \\ A\nhere."),
        ("b", "unknown", ""),
    ]


def test_read_gives_suffixed_samples_to_their_family(read: Read) -> None:
    """Buckets, sums and counts belong to the histogram or summary; without a TYPE line they stand alone."""
    assert list(read(HISTOGRAM).blocks) == ["took_seconds"]
    assert list(read('# TYPE s summary\ns{quantile="0.5"} 1\ns_sum 1\ns_count 1\n').blocks) == ["s"]
    assert list(read("s_sum 1\ns_count 1\n").blocks) == ["s_sum", "s_count"]


def test_read_brings_labels_into_one_form(read: Read) -> None:
    """Order, blanks, a last comma and empty labels make no other series; escapes are read and written."""
    text = read('a{ y = "2" , x="1",} 1\na\t{x="1",y="2",z=""}\t5\nb{x="\\"\\\\\\n é"} 3\n')
    assert samples(text) == {'a{x="1",y="2"}': 1, 'b{x="\\"\\\\\\n é"}': 3}
    assert (text.series, text.repeated) == (2, 1)


@pytest.mark.parametrize(
    ("word", "value"),
    [
        ("1", 1),
        ("-1.5e-3", -0.0015),
        (".5", 0.5),
        ("5.", 5),
        ("+Inf", math.inf),
        ("-inf", -math.inf),
        ("NaN", math.nan),
    ],
)
def test_read_value_is_read_as_go_reads_it(read: Read, word: str, value: float) -> None:
    """Numbers, infinities and NaN."""
    assert samples(read(f"a {word}\n"))["a"] == pytest.approx(value, nan_ok=True)


def test_read_skips_an_exemplar(read: Read) -> None:
    """What OpenMetrics writes behind a value is no timestamp."""
    text = read('# TYPE h histogram\nh_bucket{le="+Inf"} 5 # {trace_id="a 1"} 0.67 1520879607.789\n')
    assert samples(text) == {'h_bucket{le="+Inf"}': 5}


@pytest.mark.parametrize(
    ("text", "line", "problem"),
    [
        ("a 1\nb", 2, "the last line has no end: half a file"),
        ("a 1 1520879607\n", 1, "a timestamp (1520879607) is not supported"),
        ("a 1\r\n", 1, "ends in a carriage return"),
        ("a\n", 1, "expected a number as value, got ''"),
        ("a 1_000\n", 1, "got '1_000'"),
        ("a 0x1\n", 1, "got '0x1'"),
        ("a \u0661\n", 1, "got '\u0661'"),
        ("1a 1\n", 1, "no name of a metric at '1a 1'"),
        ('a{b="c" 1\n', 1, 'expected label="value" or } at \'1\''),
        ("a{b=c} 1\n", 1, 'expected label="value"'),
        ('a{"b.c"} 1\n', 1, 'expected label="value"'),
        ('a{b="\\t"} 1\n', 1, r"unknown escape '\\t'"),
        ('a{b="1",b="2"} 1\n', 1, "the label b is given twice"),
        ('a{__name__="b"} 1\n', 1, "the label __name__ is reserved"),
        ("# TYPE a gauge\n# TYPE a gauge\n", 2, "a second TYPE line for a"),
        ("a 1\n# TYPE a gauge\n", 2, "TYPE of a after its samples"),
        ("# TYPE a gague\n", 1, "unknown type 'gague' (known: counter, gauge"),
        ("# TYPE a\n", 1, "unknown type ''"),
        ("# HELP a A.\n# HELP a A.\n", 2, "a second HELP line for a"),
        ("# HELP a C:\\temp\n", 1, r"unknown escape '\\t'"),
        ("# HELP a-b A.\n", 1, "'a-b' is no name of a metric"),
        ("# TYPE h histogram\nh 1\n", 2, "the histogram h has h_bucket, h_sum and h_count only"),
        ("# TYPE h histogram\nh_bucket 1\n", 2, "h_bucket needs the label le with a number"),
        ("# TYPE s summary\ns 1\n", 2, "s needs the label quantile"),
        ("# " + "a" * text_format.MAX_LINE_CHARACTERS + "\n", 1, "is longer than 65536 characters"),
        ("".join(f"a{n} 1\n" for n in range(101)), 101, "more than 100 series"),
    ],
)  # fmt: skip
def test_read_mistakes_name_the_line(read: Read, text: str, line: int, problem: str) -> None:
    """The line and what is wrong in it are told."""
    with pytest.raises(TextMalformed) as caught:
        read(text)
    assert caught.value.line == line
    assert problem in caught.value.problem


def test_read_bytes_that_are_no_utf8_name_the_line() -> None:
    """Latin-1 is found, not guessed."""
    with pytest.raises(TextMalformed, match="line 2: byte 0xe9 is not UTF-8"):
        TextReader(100).read(b'a 1\na{b="caf\xe9"} 1\n')


def test_reader_takes_new_values_of_known_series() -> None:
    """A second reading shows the new values, and refuses in known lines what it refuses in new ones."""
    reader = TextReader(100)
    reader.read(HISTOGRAM.encode())
    assert samples(reader.read(HISTOGRAM.replace("4.5", "9").encode()))["took_seconds_sum"] == 9
    for wrong in ("4_5", "4.5 7", "x", "", "4.5\r", "\u0664"):
        with pytest.raises(TextMalformed, match="line 5"):
            reader.read(HISTOGRAM.replace("4.5", wrong).encode())


def test_reader_forgets_what_a_changed_type_line_decided() -> None:
    """A series belongs where this reading's TYPE lines put it, not where the last one's did."""
    reader = TextReader(100)
    reader.read(HISTOGRAM.encode())
    bare = "".join(f"{line}\n" for line in HISTOGRAM.splitlines() if line[0] != "#")
    assert list(reader.read(bare.encode()).blocks) == ["took_seconds_bucket", "took_seconds_sum", "took_seconds_count"]


def test_reader_keeps_no_series_that_are_gone() -> None:
    """Series that change their labels at every writing do not fill the memory."""
    reader = TextReader(100)
    for number in range(500):
        reader.read(f'a{{run="{number}"}} 1\n'.encode())
    assert len(reader._known) < 10


LABELS = st.dictionaries(
    st.sampled_from(["x", "y", "z"]),
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=5),
)
NAMES = st.sampled_from(["a", "b_total", "c:d"])


@settings(deadline=None, max_examples=60)
@given(st.dictionaries(st.tuples(NAMES, LABELS.map(lambda labels: tuple(labels.items()))), st.integers(), max_size=8))
def test_read_agrees_with_prometheus_client(given_samples: dict[tuple[str, tuple[tuple[str, str], ...]], int]) -> None:
    """What is written in the format is read as the reference parser reads it, the second time as the first."""
    text = "".join(f"{series(name, labels)}{value}\n" for (name, labels), value in given_samples.items())
    families = list(text_string_to_metric_families(text))
    expected = {series(s.name, sorted(s.labels.items())).rstrip() for family in families for s in family.samples}
    reader = TextReader(100)
    first = reader.read(text.encode())
    assert set(samples(first)) == expected
    assert reader.read(text.encode()) == first


@settings(deadline=None, max_examples=200)
@given(st.one_of(st.binary(max_size=200), st.text('a{}="\\, \n#TYPEHLgauge1.5\t', max_size=80).map(str.encode)))
def test_read_of_anything_ends_in_families_or_a_complaint(content: bytes) -> None:
    """No input does anything else."""
    text = Text({}, 0, 0)
    with contextlib.suppress(TextMalformed):
        text = TextReader(100).read(content)
    assert text.series == len(samples(text))
