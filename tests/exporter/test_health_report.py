import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.errors import SourceMalformed
from exporter.sources.health_report import Readings, parse_resources, parse_status


@pytest.mark.parametrize(
    "document",
    [
        {"memory_percent": 75, "disk_percent": 84.0},
        {"memory_ratio": 0.75, "disk_used_ratio": 0.84},
        {"memory.percent": 75, "disk.percent": 84},
        {"memory": {"percent": 75}, "disk": {"used_percent": 84}},
        {"memory": {"ratio": 0.75}, "disk": {"usage_percent": 84}},
        {"memory": {"used": 3, "total": 4}, "disk": {"available": 16, "total": 100}},
        {"mem": {"percent_used": 75}, "disk_space": {"used_ratio": 0.84}},
        {"status": "ok", "resources": {"memory_usage_percent": 75, "disk_usage_percent": 84}},
        {"data": {"memory": {"percent": 75}, "storage": {"percent": 84}}},
    ],
)
def test_parse_resources_reads_the_common_shapes(document: dict[str, object]) -> None:
    """The ways in which services write their readings mean the same."""
    readings = parse_resources(json.dumps(document).encode(), "url")
    assert readings == Readings(0.75, pytest.approx(0.84))


def test_parse_resources_reads_the_processor_where_it_is_told() -> None:
    """Memory and disk are needed, the processor is welcome."""
    body = b'{"memory_percent": 1, "disk_percent": 2, "cpu": {"percent": 30}}'
    assert parse_resources(body, "url").cpu == 0.3


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "no JSON"),
        (b"<html>", "no JSON"),
        (b"\xff\xfe", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "a JSON object is expected, not list"),
        (b"{}", "says nothing of memory"),
        (b'{"memory_percent": 5}', "says nothing of disk: give e.g. disk_percent"),
        (b'{"memory_percent": 127.6, "disk_percent": 5}', "memory_percent is 127.6 %, outside"),
        (b'{"memory_ratio": 75, "disk_percent": 5}', "memory_ratio is 7500 %, outside"),
        (b'{"memory_percent": -1, "disk_percent": 5}', "memory_percent is -1 %"),
        (b'{"memory_percent": true, "disk_percent": 5}', "says nothing of memory"),
        (b'{"memory_percent": "75", "disk_percent": 5}', "says nothing of memory"),
        (b'{"memory": 0.75, "disk_percent": 5}', "says nothing of memory"),
        (b'{"memory": {"used": 5, "total": 4}, "disk_percent": 5}', "memory.used/total is 125 %"),
        (b'{"memory": {"used": 5, "total": 0}, "disk_percent": 5}', "says nothing of memory"),
        (b'{"memory_percent": 1' + b"0" * 400 + b', "disk_percent": 5}', "outside|no JSON"),
    ],
)
def test_parse_resources_refuses_what_cannot_be_true(body: bytes, message: str) -> None:
    """An answer without readings, or with impossible ones, is an error that says where."""
    with pytest.raises(SourceMalformed, match=message):
        parse_resources(body, "http://shop/health/resources")


@pytest.mark.parametrize(
    ("document", "status"),
    [
        ({"status": "healthy"}, "healthy"),
        ({"status": " OK "}, "healthy"),
        ({"overall_status": "WARNING"}, "warning"),
        ({"system": {"health": "degraded"}}, "degraded"),
        ({"state": "DOWN"}, "critical"),
        ({"status": "purple"}, "unknown"),
    ],
)
def test_parse_status_maps_words(document: dict[str, object], status: str) -> None:
    """Every service's word becomes one of five."""
    assert parse_status(json.dumps(document).encode(), "url") == status


def test_parse_status_without_a_word_is_an_error() -> None:
    """An answer that tells no status is malformed, and the message says what to give."""
    with pytest.raises(SourceMalformed, match="has no status: give one of status"):
        parse_status(b'{"status": 7}', "url")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.dictionaries(
        st.sampled_from(["memory", "disk", "percent", "ratio", "used", "total", "data"]), inner
    ),
    max_leaves=12,
)


@settings(deadline=None, max_examples=200)
@given(JSON)
def test_parse_resources_gives_ratios_or_an_error(document: dict[str, object]) -> None:
    """Whatever JSON comes, readings are within 0 to 1 or the answer is refused."""
    try:
        readings = parse_resources(json.dumps(document).encode(), "url")
    except SourceMalformed:
        return
    assert 0 <= readings.memory <= 1
    assert 0 <= readings.disk <= 1
