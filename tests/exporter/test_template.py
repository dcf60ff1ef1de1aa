from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.walks.message import StepFailed
from exporter.walks.template import as_text, fill, fill_tree, in_header, in_url, names, names_in


def test_names_finds_every_variable() -> None:
    """Two dollar signs are one and open no variable."""
    assert names("${a}/$${b}/$c/${d_1}") == {"a", "d_1"}


@pytest.mark.parametrize("text", ["${", "${}", "${a b}", "${1}", "x ${a"])
def test_names_refuses_a_broken_hole(text: str) -> None:
    """A hole without a name is a mistake, not a text."""
    with pytest.raises(ValueError, match="without a name"):
        names(text)


def test_names_in_looks_everywhere() -> None:
    """Lists and mappings are searched."""
    assert names_in({"x": ["${a}", 1, None], "y": {"z": "${b}"}}) == {"a", "b"}


def test_fill_puts_values_in() -> None:
    """Texts as they are, everything else as JSON, a doubled dollar sign as one."""
    assert fill("${a} ${b} ${c} $${a} $", {"a": "x", "b": 7, "c": True}) == "x 7 true ${a} $"


def test_fill_value_is_not_filled_again() -> None:
    """What a server gave cannot name another variable."""
    assert fill("${a}", {"a": "${b}", "b": "secret"}) == "${b}"


def test_fill_missing_value_fails() -> None:
    """A variable without a value fails the step."""
    with pytest.raises(StepFailed, match=r"\$\{a\} has no value"):
        fill("${a}", {})


def test_fill_tree_keeps_types() -> None:
    """A text that is one variable becomes the value; keys stay."""
    assert fill_tree({"id": "${id}", "t": "no ${id}", "l": ["${id}", 2]}, {"id": 7}) == {
        "id": 7,
        "t": "no 7",
        "l": [7, 2],
    }


@settings(deadline=None, max_examples=200)
@given(st.text())
def test_in_url_value_stays_in_its_place(value: str) -> None:
    """Whatever a value is, the URL around it keeps its shape, and the server reads the value."""
    if value in (".", ".."):
        return
    parts = urlsplit(fill("http://h/a/${x}/b?q=${x}", {"x": value}, in_url))
    assert (parts.netloc, parts.path.count("/"), parts.fragment) == ("h", 3, "")
    assert unquote(parts.query) == f"q={value}"


@settings(deadline=None, max_examples=200)
@given(st.text())
def test_in_header_is_one_line_or_refused(value: str) -> None:
    """No line break and no NUL passes."""
    try:
        sent = in_header(value)
    except StepFailed:
        sent = ""
    assert not {"\r", "\n", "\x00"} & set(sent)


def test_as_text_deep_value() -> None:
    """A value that cannot be written is told, not raised."""
    deep: list[object] = []
    for _ in range(100_000):
        deep = [deep]
    assert as_text(deep) == "(nested too deeply)"
    while deep:
        deep = deep.pop()  # type: ignore[assignment]
