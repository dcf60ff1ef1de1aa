from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft7Validator

from exporter.walks.message import StepFailed
from exporter.walks.schema import schema_check

CART = {
    "type": "object",
    "required": ["total", "items"],
    "properties": {
        "total": {"type": "number", "minimum": 0},
        "items": {"type": "array", "items": {"$ref": "#/definitions/item"}},
        "prefixItems": {"type": "string"},
    },
    "definitions": {"item": {"type": "object", "properties": {"id": {"type": "integer"}}}},
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-2, 2) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["total", "items", "id", "x"]), inner, max_size=4)
    ),
    max_leaves=8,
)


def fits(schema: object, document: object) -> bool:
    """Whether a document fits."""
    try:
        schema_check(schema)(document)
    except StepFailed:
        return False
    return True


@settings(deadline=None, max_examples=200)
@given(JSON)
def test_check_agrees_with_jsonschema(document: object) -> None:
    """The quick validator says what the reference says."""
    assert fits(CART, document) == Draft7Validator(CART).is_valid(document)


def test_check_names_the_place() -> None:
    """The message says where the document differs."""
    with pytest.raises(StepFailed, match=r"data\.items\[0\]\.id must be integer"):
        schema_check(CART)({"total": 1, "items": [{"id": "x"}]})


def test_check_changes_nothing() -> None:
    """Defaults of the schema are not put into the document."""
    document: dict[str, Any] = {}
    schema_check({"properties": {"a": {"default": 1}}})(document)
    assert document == {}


def test_check_recursive_schema_on_a_deep_document() -> None:
    """A document that is as deep as it may be makes no crash."""
    schema = {"$ref": "#/definitions/n", "definitions": {"n": {"properties": {"a": {"$ref": "#/definitions/n"}}}}}
    deep: dict[str, Any] = {}
    for _ in range(900):
        deep = {"a": deep}
    assert fits(schema, deep) in (True, False)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "objekt"},
        {"pattern": "("},
        {"$ref": "#/definitions/none"},
        {"$ref": "http://127.0.0.1:1/schema.json"},
        {"properties": {"a": {"$ref": "file:///etc/passwd"}}},
        {"allOf": [{"$ref": "other.json"}]},
        {"items": {"prefixItems": []}},
        {"unevaluatedProperties": False},
        {"required": 5},
    ],
)
def test_schema_that_cannot_be_used_is_refused(schema: dict[str, Any]) -> None:
    """Broken, of a later draft, or leading elsewhere: known before anything is checked, and nothing is fetched."""
    with pytest.raises(ValueError, match="the JSON Schema cannot be used"):
        schema_check(schema)


def test_schema_is_compiled_once() -> None:
    """A thousand endpoints with one schema share its function."""
    assert schema_check({"type": "array"}) is schema_check({"type": "array"})
