import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.walks.findings import MAX_FOUND, Capture, Rule, as_number, json_path
from exporter.walks.message import Reply, StepFailed

DOCUMENT = {"total": 12.5, "open": True, "items": [{"id": 7, "name": "lamp"}, {"id": 8, "name": ""}], "none": None}
HEADERS = (("Content-Type", "application/json"), ("X-Count", "3"))
REPLY = Reply("http://h/", 200, HEADERS, json.dumps(DOCUMENT).encode())


def problem(rule: dict[str, Any], reply: Reply = REPLY) -> str:
    """What a rule has against a reply; empty for nothing."""
    try:
        msgspec.convert(rule, Rule).check(reply)
    except StepFailed as failed:
        return failed.detail
    return ""


def capture(document: dict[str, Any], reply: Reply = REPLY) -> object:
    """What a capture takes."""
    return msgspec.convert(document, Capture).take(reply)


@pytest.mark.parametrize("path", ["$[", "items", "$[?@.a ==]", "$[?@.a > 1e999]", f"$[{'9' * 5000}]"])
def test_json_that_is_no_path_is_refused(path: str) -> None:
    """A path that cannot be read is an error of the configuration, also one whose numbers are too large."""
    with pytest.raises(ValueError, match="is no JSONPath"):
        json_path(path)


@pytest.mark.parametrize("text", ["[1", "[1,2]", "a", '{"a":{"b":1}}', "9" * 5000, "[" * 100_000])
def test_json_of_a_text_is_the_text(text: str) -> None:
    """A body that is one text is no document to be read once more, whatever the text looks like."""
    reply = Reply("http://h/", 200, (), json.dumps(text).encode())
    assert problem({"json": "$", "equals": text}, reply) == ""
    assert problem({"json": "$[0]"}, reply) == "$[0] is not in the answer"


@pytest.mark.parametrize(
    "rule",
    [
        {"json": "$.total"},
        {"json": "$.total", "equals": 12.5},
        {"json": "$.total", "min": 12.5, "max": 12.5},
        {"json": "$.items[?@.id > 7].name", "equals": ""},
        {"json": "$.items[*]", "count": True, "equals": 2},
        {"json": "$.gone", "exists": False},
        {"json": "$.none", "equals": None},
        {"json": "$.open", "equals": True},
        {"json": "$.items", "not_empty": True},
        {"json": "$.items[0]", "matches": '"id":7'},
        {"header": "content-type", "matches": "json$"},
        {"header": "x-count", "equals": 3, "min": 3},
        {"regex": '"id": ([0-9]+)', "equals": 7},
        {"regex": "lamp"},
        {"regex": "id", "count": True, "min": 2},
    ],
)
def test_check_passes(rule: dict[str, Any]) -> None:
    """Each condition holds where it should."""
    assert problem(rule) == ""


@pytest.mark.parametrize(
    ("rule", "detail"),
    [
        ({"json": "$.gone"}, "$.gone is not in the answer"),
        ({"json": "$.total", "exists": False}, "$.total is there: 12.5"),
        ({"json": "$.total", "equals": "12.5"}, "$.total is 12.5, not '12.5'"),
        ({"json": "$.open", "equals": 1}, "$.open is true, not 1"),
        ({"json": "$.total", "min": 13}, "below the minimum 13"),
        ({"json": "$.total", "max": 12}, "above the maximum 12"),
        ({"json": "$.open", "min": 0}, "no number"),
        ({"json": "$.none", "not_empty": True}, "which is empty"),
        ({"json": "$.items[1].name", "not_empty": True}, "which is empty"),
        ({"header": "x-count", "matches": "[a-z]"}, "header x-count is '3', which does not match"),
        ({"json": "$.items[*]", "count": True, "min": 3}, "the count of $.items[*] is 2"),
        ({"regex": "nobody"}, "regex 'nobody' is not in the answer"),
    ],
)
def test_check_tells_what_is_wrong(rule: dict[str, Any], detail: str) -> None:
    """The message has the place, what is there, and what was wanted."""
    assert detail in problem(rule)


@pytest.mark.parametrize("body", [b"", b"<html>", b"\xff\xfe", b"[" * 100_000, b"1" * 5000, b"NaN", b'{"a":1}x'])
def test_check_body_that_is_no_json(body: bytes) -> None:
    """Whatever a server calls JSON, a rule fails with words."""
    assert "no usable JSON" in problem({"json": "$.a"}, Reply("http://h/", 200, (), body))


def test_check_long_value_is_cut() -> None:
    """A message stays short."""
    reply = Reply("http://h/", 200, (), b'"' + b"x" * 100_000 + b'"')
    assert len(problem({"json": "$", "equals": 1}, reply)) < 200


def test_values_of_a_crowd_are_bounded() -> None:
    """A path that matches everything stops at some point."""
    reply = Reply("http://h/", 200, (), json.dumps([0] * (3 * MAX_FOUND)).encode())
    assert capture({"json": "$[*]", "count": True}, reply) == MAX_FOUND


@pytest.mark.parametrize(
    ("document", "value"),
    [
        ({"json": "$.items[0].id"}, 7),
        ({"json": "$.total", "number": True}, 12.5),
        ({"header": "X-Count", "number": True}, "3"),
        ({"regex": '"name": "([a-z]+)"'}, "lamp"),
        ({"json": "$.items[*]", "count": True}, 2),
        ({"json": "$.items[1]"}, {"id": 8, "name": ""}),
    ],
)
def test_take_gives_the_value_with_its_type(document: dict[str, Any], value: object) -> None:
    """A captured value keeps its type, for bodies that need it."""
    assert capture(document) == value


@pytest.mark.parametrize("document", [{"json": "$.none"}, {"json": "$.open", "number": True}, {"header": "X-None"}])
def test_take_refuses_what_is_not_there(document: dict[str, Any]) -> None:
    """Null is no value, true is no number."""
    with pytest.raises(StepFailed) as caught:
        capture(document)
    assert caught.value.reason == "capture"


def test_capture_is_shown_or_hidden() -> None:
    """A secret number would be shown: refused."""
    with pytest.raises(msgspec.ValidationError, match="either shown"):
        msgspec.convert({"json": "$.a", "number": True, "secret": True}, Capture)


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=200))
def test_check_takes_any_body(body: bytes) -> None:
    """No body makes a rule raise anything but its own refusal."""
    reply = Reply("http://h/", 200, (("Content-Type", "text/html; charset=iso-8859-1"),), body)
    for rule in ({"json": "$..a", "min": 1}, {"regex": "(a)|b", "equals": "a"}):
        problem(rule, reply)


@settings(deadline=None, max_examples=100)
@given(st.one_of(st.text(), st.floats(), st.integers(), st.booleans(), st.none()))
def test_as_number_is_finite_or_none(value: object) -> None:
    """Neither NaN nor infinity reaches /metrics."""
    number = as_number(value)
    assert number is None or abs(number) < float("inf")
