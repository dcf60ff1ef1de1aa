from exporter.answers import html_answer, json_answer, not_allowed, text_answer


def test_text_answer_is_one_line() -> None:
    """A message ends with a line feed, and what is no text becomes a question mark."""
    assert text_answer("200 OK", "well \ud800").body == b"well ?\n"


def test_json_answer_is_indented_json() -> None:
    """People read it too."""
    answer = json_answer({"a": [1]})
    assert answer.body == b'{\n  "a": [\n    1\n  ]\n}\n'
    assert ("Content-Type", "application/json") in answer.headers


def test_html_answer_may_load_nothing() -> None:
    """A page cannot be framed, run a script or load from elsewhere."""
    assert "default-src 'none'" in dict(html_answer("<p>").headers)["Content-Security-Policy"]


def test_not_allowed_says_what_is() -> None:
    """405 has an Allow header."""
    assert dict(not_allowed("/x", ("GET", "HEAD")).headers)["Allow"] == "GET, HEAD"
