import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.sources.json_events import json_event
from exporter.sources.log_levels import Level


@pytest.mark.parametrize(
    ("fields", "level", "message"),
    [
        ({"level": "error", "msg": "boom"}, Level.ERROR, "boom"),
        ({"level": 50, "msg": "boom", "err": {"type": "TypeError", "message": "x"}}, Level.ERROR, "boom: TypeError: x"),
        ({"level": 400, "level_name": "ERROR", "message": "boom", "channel": "php"}, Level.ERROR, "boom"),
        ({"severity": "WARNING", "message": "hm"}, Level.WARNING, "hm"),
        ({"message": "no", "context": {"exception": {"class": "E", "message": "gone"}}}, Level.ERROR, "no: E: gone"),
        (
            {"levelname": "ERROR", "message": "x", "exc_info": "Traceback (most..):\n  f\nKeyError: 1"},
            Level.ERROR,
            "x: KeyError: 1",
        ),
        ({"level": "info", "msg": "fine"}, Level.INFO, "fine"),
        ({"msg": "connection refused"}, Level.ERROR, "connection refused"),
    ],
)
def test_json_event_reads_any_logger(fields: dict[str, object], level: Level, message: str) -> None:
    """Level and message are found, whatever they are called."""
    event = json_event(json.dumps(fields))
    assert event is not None
    assert (event.level, event.message) == (level, message)


def test_json_event_finds_stack_and_uri() -> None:
    """The stack is kept, and the address is looked at for attacks."""
    event = json_event('{"error":"x","stack_trace":"a\\nb","request_uri":"/?q=<script","context":{"trace":["c"]}}')
    assert event is not None
    assert event.stack == "a\nb"
    assert "<script" in event.seen


@pytest.mark.parametrize("line", ["{", '{"a":', "[1]", '"x"', '{"a":' * 5000, "{" * 100_000, '{"a":"\\ud800"}', "\0"])
def test_json_event_of_something_else_is_none(line: str) -> None:
    """Broken, deep and other JSON is no event, and no crash."""
    assert json_event(line) is None


def test_json_event_of_a_blank_error_has_the_other_fields() -> None:
    """An error field of white space alone says nothing, and does not end the reading of the log."""
    event = json_event('{"error":" \\n","message":"disk full","level":"error"}')
    assert event is not None
    assert event.message == "disk full"


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(max_size=9), lambda inner: st.lists(inner, max_size=3)
)
KEYS = st.sampled_from(
    ["level", "message", "error", "context", "exception", "stack", "log", "extra", "err", "severity"]
)


@settings(deadline=None, max_examples=300)
@given(st.dictionaries(KEYS, JSON | st.dictionaries(KEYS, JSON, max_size=3), max_size=5))
def test_json_event_takes_any_types(fields: dict[str, object]) -> None:
    """Fields of unexpected types are left out."""
    event = json_event(json.dumps(fields))
    assert event is None or len(event.message) <= 2048
