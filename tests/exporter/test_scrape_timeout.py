import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.scrape_timeout import scrape_seconds


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("", 9.5), ("10", 9.5), ("5.5", 5.0), ("0.2", 0.1), ("0", 9.5), ("-3", 9.5), ("nan", 9.5), ("inf", 9.5),
     ("1e9", 120.0), ("ten", 9.5), ("1" * 5000, 9.5)],
)  # fmt: skip
def test_scrape_seconds_reads_the_header(header: str, seconds: float) -> None:
    """Half a second before Prometheus gives up; a useless header is as good as none."""
    assert scrape_seconds(header) == seconds


@settings(deadline=None, max_examples=100)
@given(st.text())
def test_scrape_seconds_is_always_usable(header: str) -> None:
    """Whatever is sent, a scrape has between 0.1 and 120 s."""
    assert 0.1 <= scrape_seconds(header) <= 120
