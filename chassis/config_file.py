"""Strict YAML configuration: one file into one frozen msgspec struct, with errors that name the place.

Every message reads `FILE: path.in.it: what is wrong`, and an unknown key is answered with the nearest known one.
A key `name_file` beside a `name` field that is a secret is read by the owner of the struct, not here.
"""

import difflib
import types
import typing
from collections.abc import Hashable, Iterator
from pathlib import Path
from typing import Any, TypeVar, Union, get_args, get_origin

import msgspec
import yaml

Struct = TypeVar("Struct")

#: A configuration is written by people: beyond these bounds it is a mistake or an attack (alias bombs).
MAX_BYTES = 4 * 1024 * 1024
MAX_NODES = 200_000
MAX_DEPTH = 64


class ConfigInvalid(Exception):
    """A configuration that cannot be used; the message names file, path in it, value and remedy."""


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader that refuses duplicate keys and anchors: an alias bomb costs 3 ms to load and all memory to walk."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            event = self.peek_event()  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "aliases (*name) are not supported", event.start_mark)
        node: yaml.Node | None = super().compose_node(parent, index)
        return node

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 -- PyYAML's signature
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable) or key in seen:
                problem = f"the key {key!r} is given twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def load(path: Path, into: type[Struct]) -> Struct:
    """Read the YAML file at *path* as *into*; an empty file gives its defaults.

    Raises:
        ConfigInvalid: the file cannot be read, is no YAML, or does not fit *into*.
    """
    return decode(read(path), into, path.name)


def read(path: Path) -> Any:  # noqa: ANN401 -- YAML is untyped until it is converted
    """Read the YAML file at *path* as plain objects; an empty file gives an empty dict.

    Raises:
        ConfigInvalid: the file cannot be read or is no YAML.
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ConfigInvalid(f"{path}: cannot be read: {error.strerror}") from error
    if len(text) > MAX_BYTES:
        raise ConfigInvalid(f"{path.name}: is {len(text)} bytes; the limit is {MAX_BYTES}")
    try:
        document = yaml.load(text, Loader=_StrictLoader)  # noqa: S506 -- a SafeLoader
    except yaml.MarkedYAMLError as error:
        raise ConfigInvalid(f"{path.name}: {_yaml_problem(error)}") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigInvalid(f"{path.name}: not YAML: {error}") from error
    return {} if document is None else document


def _yaml_problem(error: yaml.MarkedYAMLError) -> str:
    mark = error.problem_mark or error.context_mark
    where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
    return f"{where}{error.problem or error.context or 'not YAML'}"


def decode(document: Any, into: type[Struct], name: str) -> Struct:  # noqa: ANN401 -- plain YAML objects
    """Convert plain YAML objects to *into*; *name* (of the file, or file and path) opens every message.

    Raises:
        ConfigInvalid: an unknown key (with the nearest known one), or a wrong type or value.
    """
    for path, key, known in unknown_keys(document, into):
        raise ConfigInvalid(f'{name}: {_place(path)}unknown key "{key}"{nearest(str(key), known)}')
    try:
        return msgspec.convert(document, into)
    except msgspec.ValidationError as error:
        raise ConfigInvalid(f"{name}: {_explain(error)}") from error


def nearest(word: str, known: typing.Iterable[str]) -> str:
    """` (did you mean "x"?)` for the known word closest to *word*, else the list of known words."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.6)
    if close:
        return f' (did you mean "{close[0]}"?)'
    return f" (known: {', '.join(names)})" if names else ""


def unknown_keys(document: Any, into: Any, path: str = "") -> Iterator[tuple[str, str, list[str]]]:  # noqa: ANN401
    """Every key of *document* that the type *into* does not have: (path of the mapping, key, known keys)."""
    struct = _struct_in(into)
    if struct is not None and isinstance(document, dict):
        fields = {field.encode_name: field.type for field in msgspec.structs.fields(struct)}
        for key, value in document.items():
            if key in fields:
                yield from unknown_keys(value, fields[key], f"{path}.{key}".lstrip("."))
            else:
                yield path, key, list(fields)
    elif isinstance(document, list) and (item := _argument(into, (list, tuple, set, frozenset), 0)):
        for index, value in enumerate(document):
            yield from unknown_keys(value, item, f"{path}[{index}]")
    elif isinstance(document, dict) and (item := _argument(into, (dict,), 1)):
        for key, value in document.items():
            yield from unknown_keys(value, item, f"{path}.{key}".lstrip("."))


def _members(into: Any) -> list[Any]:  # noqa: ANN401 -- a type expression
    """The alternatives of a union, or the type itself."""
    if get_origin(into) in (Union, types.UnionType):
        return list(get_args(into))
    return [into]


def _struct_in(into: Any) -> type[msgspec.Struct] | None:  # noqa: ANN401 -- a type expression
    structs = [t for t in _members(into) if isinstance(t, type) and issubclass(t, msgspec.Struct)]
    return structs[0] if structs else None


def _argument(into: Any, origins: tuple[type, ...], index: int) -> Any:  # noqa: ANN401 -- a type expression
    for member in _members(into):
        arguments = get_args(member)
        if get_origin(member) in origins and len(arguments) > index:
            return arguments[index]
    return None


def _explain(error: msgspec.ValidationError) -> str:
    """`path: problem` from msgspec's `problem - at `$.path``."""
    problem, _, place = str(error).partition(" - at `$")
    return f"{_place(place.rstrip('`').lstrip('.'))}{problem[:1].lower()}{problem[1:]}"


def _place(path: str) -> str:
    return f"{path}: " if path else ""
