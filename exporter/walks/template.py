"""`${name}` in URLs, headers and bodies, each filled in as the place demands; `$$` is a dollar sign."""

import re
from collections.abc import Callable, Mapping
from urllib.parse import quote

import msgspec

from exporter.walks.message import StepFailed

#: What a variable can hold: a word of the configuration, or what a reply gave.
Variables = Mapping[str, object]

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_HOLE = re.compile(rf"\$\$|\$\{{({NAME.pattern})\}}")
_BROKEN = re.compile(r"\$\{")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def names(text: str) -> set[str]:
    """The names of the variables in *text*.

    Raises:
        ValueError: a `${` opens no name.
    """
    if _BROKEN.search(_HOLE.sub("", text)):
        raise ValueError(f"{text!r} has a ${{ without a name; write ${{name}}, or $$ for a dollar sign")
    return {found[1] for found in _HOLE.finditer(text) if found[1]}


def names_in(tree: object) -> set[str]:
    """The names of the variables in every text of a JSON value.

    Raises:
        ValueError: a `${` opens no name.
    """
    if isinstance(tree, str):
        return names(tree)
    children = tree.values() if isinstance(tree, dict) else tree if isinstance(tree, list) else ()
    return {name for child in children for name in names_in(child)}


def fill(text: str, variables: Variables, encode: Callable[[str], str] = str) -> str:
    """*text* with its variables, each passed through *encode*.

    Raises:
        StepFailed: a variable has no value, or one that *encode* refuses.
    """
    return _HOLE.sub(lambda hole: encode(as_text(_value(hole[1], variables))) if hole[1] else "$", text)


def fill_tree(tree: object, variables: Variables) -> object:
    """A JSON value with its variables; a text that is one variable and nothing else becomes the value with its type.

    Raises:
        StepFailed: a variable has no value.
    """
    if isinstance(tree, str):
        whole = _HOLE.fullmatch(tree)
        return _value(whole[1], variables) if whole and whole[1] else fill(tree, variables)
    if isinstance(tree, dict):
        return {key: fill_tree(value, variables) for key, value in tree.items()}
    return [fill_tree(item, variables) for item in tree] if isinstance(tree, list) else tree


def in_url(value: str) -> str:
    """*value* percent-encoded: it cannot leave its place in a path or query.

    Raises:
        StepFailed: it is `.` or `..`, which servers read as another path whichever way they are written.
    """
    if value in (".", ".."):
        raise StepFailed("variable", f"the value {value!r} would change the path of the URL")
    return quote(value, safe="", errors="replace")


def in_header(value: str) -> str:
    """*value* as it is.

    Raises:
        StepFailed: it holds a control character, which could begin a header of its own.
    """
    if _CONTROL.search(value):
        raise StepFailed("variable", "a value for a header holds a line break or another control character")
    return value


def as_text(value: object) -> str:
    """A variable as text: JSON for what is no text."""
    if isinstance(value, str):
        return value
    try:
        return msgspec.json.encode(value).decode()
    except RecursionError:
        return "(nested too deeply)"


def _value(name: str, variables: Variables) -> object:
    if name not in variables:
        raise StepFailed("variable", f"${{{name}}} has no value")
    return variables[name]
