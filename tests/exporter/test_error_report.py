import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.sources.error_report import ReportInvalid, pseudonym, read_report

SEED = {
    "timestamp": 1795220940,
    "error": "Call to undefined function f()",
    "stack_trace": "#0 a.php(3): f()\n#1 {main}",
    "context": {"order": 17, "password": "hunter2secret"},
    "user_id": 42,
    "request_uri": "/checkout?card=4111111111111111",
    "git_commit": "4f2a9c1",
    "service": "shop",
    "unknown": [1],
}


def test_read_report_takes_the_whole_form() -> None:
    """Every field is read; the address loses its query and the context its password."""
    report = read_report(json.dumps(SEED).encode())
    assert (report.error, report.service, report.user_id) == ("Call to undefined function f()", "shop", "42")
    assert report.stack.startswith("#0 a.php")
    assert report.details["request_uri"] == "/checkout"
    assert report.details["git_commit"] == "4f2a9c1"
    assert "hunter2secret" not in str(report)
    assert "4111111111111111" not in str(report.details)


def test_read_report_needs_an_error_only() -> None:
    """Everything else may be missing or null."""
    report = read_report(b'{"error":"x","user_id":null,"context":[],"stack_trace":["a","b"]}')
    assert report == ("x", "a\nb", "", "", {}, "")


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"error": ""}, "error is ''"),
        ({}, "error is None"),
        ({"error": 7}, "error is 7: write a text"),
        ({"error": "x", "stack_trace": [1]}, "stack_trace holds 1"),
        ({"error": "x", "stack_trace": {}}, "stack_trace is an object"),
        ({"error": "x", "context": 3}, "context is 3"),
        ({"error": "x", "user_id": [1]}, "user_id is no text or number"),
        ({"error": "x", "user_id": True}, "user_id is no text or number"),
        ({"error": "x", "timestamp": "soon"}, "timestamp is 'soon'"),
        ({"error": "x", "timestamp": -1}, "timestamp is -1"),
        ({"error": "x", "git_commit": "a b"}, "git_commit is 'a b'"),
        ({"error": "x", "service": "../../etc"}, r"service is '\.\./"),
        ({"error": "x", "request_uri": 1}, "request_uri is 1"),
    ],
)
def test_read_report_names_field_and_value(fields: dict[str, object], problem: str) -> None:
    """Whoever sends something wrong is told which field, and what stands there."""
    with pytest.raises(ReportInvalid, match=problem):
        read_report(json.dumps(fields).encode())


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'"x"', b"\xff", b'{"error":"x","context":' + b"[" * 50 + b"]" * 50 + b"}", b"[" * 200_000,
     b'{"error":NaN}', b'{"error":"\\ud800"}', b'{"error":"x","user_id":' + b"9" * 5000 + b"}"],
    ids=["empty", "broken", "list", "text", "no utf-8", "deep", "very deep", "nan", "surrogate", "huge number"],
)  # fmt: skip
def test_read_report_refuses_hostile_json(body: bytes) -> None:
    """What breaks JSON parsers is a refusal."""
    with pytest.raises(ReportInvalid):
        read_report(body)


def test_read_report_message_holds_no_secret() -> None:
    """A refusal shows the value, but no secret in it."""
    with pytest.raises(ReportInvalid) as caught:
        read_report(b'{"error":"x","git_commit":"token=hunter2secret yes"}')
    assert "hunter2secret" not in str(caught.value)


def test_pseudonym_needs_the_key() -> None:
    """The same user has the same name, another key makes another, and the id is not in it."""
    assert pseudonym(b"k", "42") == pseudonym(b"k", "42") != pseudonym(b"j", "42")
    assert len(pseudonym(b"k", "42")) == 16


VALUE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
)


@settings(deadline=None, max_examples=400)
@given(
    st.binary(max_size=60) | st.dictionaries(st.sampled_from(sorted(SEED)), VALUE).map(lambda f: json.dumps(f).encode())
)
def test_read_report_takes_or_refuses(body: bytes) -> None:
    """Any body is a report or a refusal."""
    try:
        told = read_report(body).error
    except ReportInvalid as error:
        told = str(error)
    assert 0 < len(told) < 3000
