"""JSON Schema, drafts 4 to 7, as functions that are compiled once.

fastjsonschema does the work; what it would skip in silence (words of later drafts) or fetch (references to other
files and servers) is refused when the configuration is read.
"""

import re
from collections.abc import Callable, Iterator
from functools import lru_cache

import fastjsonschema
import msgspec

from exporter.walks.message import StepFailed

SchemaCheck = Callable[[object], None]

#: Words of the drafts 2019-09 and 2020-12, which would not be looked at.
_LATER = frozenset(
    (
        "prefixItems",
        "unevaluatedItems",
        "unevaluatedProperties",
        "dependentRequired",
        "dependentSchemas",
        "minContains",
        "maxContains",
        "$dynamicRef",
        "$recursiveRef",
    )
)
#: Words whose value maps names to schemas, and words whose value is no schema at all.
_NAMED = frozenset(("properties", "patternProperties", "definitions", "$defs", "dependencies"))
_PLAIN = frozenset(("enum", "const", "default", "examples"))
_UNUSABLE = (
    fastjsonschema.JsonSchemaException,
    re.error,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    SyntaxError,
    RecursionError,
)


def schema_check(schema: object) -> SchemaCheck:
    """What raises StepFailed (reason `assertion`, with the place) for a document that *schema* does not allow.

    Raises:
        ValueError: the schema cannot be used.
    """
    return _compiled(msgspec.json.encode(schema))


@lru_cache(maxsize=4096)
def _compiled(encoded: bytes) -> SchemaCheck:
    schema = msgspec.json.decode(encoded)
    try:
        for word, value in _words(schema):
            _refuse(word, value)
        validate = fastjsonschema.compile(schema, use_default=False)
    except _UNUSABLE as error:
        raise ValueError(f"the JSON Schema cannot be used: {type(error).__name__}: {error}") from error

    def check(document: object) -> None:
        try:
            validate(document)
        except fastjsonschema.JsonSchemaValueException as error:
            raise StepFailed("assertion", f"the body does not fit the schema: {error.message}"[:500]) from error
        except RecursionError as error:
            raise StepFailed("assertion", "the body is nested too deeply for the schema") from error

    return check


def _words(schema: object) -> Iterator[tuple[str, object]]:
    """Every word of *schema* and the schemas inside it, with its value."""
    if isinstance(schema, list):
        for item in schema:
            yield from _words(item)
    if not isinstance(schema, dict):
        return
    for word, value in schema.items():
        yield word, value
        if word in _NAMED and isinstance(value, dict):
            yield from _words(list(value.values()))
        elif word not in _PLAIN:
            yield from _words(value)


def _refuse(word: str, value: object) -> None:
    if word in _LATER:
        raise ValueError(f"{word!r} is of a later draft than 7 and would not be checked")
    if word == "$ref" and not str(value).startswith("#"):
        raise ValueError(f"the reference {value!r} leads out of the schema; copy its target below `definitions`")
