"""Strict YAML configuration: one file into one frozen msgspec struct, with errors that name the place.

Every message reads `FILE: path.in.it: what is wrong`, and an unknown key is answered with the nearest known one.
A key `name_file` beside a `name` field that is a secret is read by the owner of the struct, not here.
"""

import difflib
import enum
import re
import types
import typing
from collections.abc import Collection, Hashable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

import msgspec
import yaml

Struct = TypeVar("Struct")

#: A configuration is written by people: beyond these bounds it is a mistake or an attack. PyYAML takes 20
#: microseconds a node.
MAX_BYTES = 4 * 1024 * 1024
MAX_NODES = 50_000
MAX_DEPTH = 64

_PLACE = re.compile(r"(?P<problem>.*) - at (?P<key>`key` in )?`\$(?P<path>.*)`", re.DOTALL)
_STEP = re.compile(r"\.[^.\[]+|\[[^\]]*\]")
_WRONG_WORD = re.compile(r"Invalid enum value '(?P<word>.*)'", re.DOTALL)
_OUT_OF_RANGE = re.compile(r"Expected `(?:int|float)` [<>]=? \S+|Number out of range")


class ConfigInvalid(Exception):
    """A configuration that cannot be used; the message names file, path in it, value and remedy."""


class _StrictLoader(yaml.SafeLoader):
    """SafeLoader that refuses duplicate keys, aliases, depth and crowds.

    An alias bomb costs 3 ms to load and all memory to walk. Every refusal has the place in the file.
    """

    def __init__(self, stream: bytes) -> None:
        super().__init__(stream)
        self._depth = 0
        self._nodes = 0

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
        if self.check_event(yaml.AliasEvent):
            raise yaml.composer.ComposerError(None, None, "aliases (*name) are not supported", mark)
        self._nodes += 1
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise yaml.composer.ComposerError(None, None, f"nested deeper than {MAX_DEPTH}", mark)
        if self._nodes > MAX_NODES:
            raise yaml.composer.ComposerError(None, None, f"more than {MAX_NODES} values", mark)
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:  # noqa: ANN401, FBT001, FBT002 -- PyYAML's
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError) as error:
            # PyYAML's own constructors stumble over `!!bool maybe`, `!!int ""` or a number of 5,000 digits.
            problem = f"no valid {node.tag.rpartition(':')[2]}"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark) from error

    def construct_scalar(self, node: yaml.ScalarNode | yaml.MappingNode) -> Any:  # noqa: ANN401 -- PyYAML's
        text = super().construct_scalar(node)
        if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
            problem = r"half of a pair of surrogates (such as \ud83d) is no character"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        if "\0" in text:
            problem = "the character NUL can be in no path, name or address"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        return text

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002 -- PyYAML's
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable) or key in seen:
                problem = f"the key {key!r} is given twice" if isinstance(key, Hashable) else "a key must be a word"
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
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ConfigInvalid(f"{path}: cannot be read: {error.strerror}") from error
    if len(text) > MAX_BYTES:
        raise ConfigInvalid(f"{path.name}: is larger than {MAX_BYTES} bytes")
    try:
        document = yaml.load(text, Loader=_StrictLoader)  # noqa: S506 -- a SafeLoader
    except yaml.MarkedYAMLError as error:
        raise ConfigInvalid(f"{path.name}: {_yaml_problem(error)}") from error
    except yaml.YAMLError as error:
        raise ConfigInvalid(f"{path.name}: not YAML: {' '.join(str(error).split())}") from error
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
        raise ConfigInvalid(f"{name}: {_explain(error, document, into)}") from error


def nearest(word: str, known: typing.Iterable[str]) -> str:
    """` (did you mean "x"?)` for the known word closest to *word*, else the list of known words."""
    names = sorted(known)
    close = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
    if close:
        return f' (did you mean "{close[0]}"?)'
    return f" (known: {', '.join(names)})" if names else ""


def unknown_keys(document: Any, into: Any, path: str = "") -> Iterator[tuple[str, str, list[str]]]:  # noqa: ANN401
    """Every key of *document* that the type *into* does not have: (path of the mapping, key, known keys)."""
    if isinstance(document, dict):
        fields = _fields(into, document)
        for key, value in document.items():
            if fields is not None and key not in fields:
                yield path, key, list(fields)
            else:
                yield from unknown_keys(value, fields[key] if fields else _value_type(into), _join(path, key))
    elif isinstance(document, list):
        for index, value in enumerate(document):
            yield from unknown_keys(value, _item_type(into, index), f"{path}[{index}]")


def _join(path: str, key: object) -> str:
    return f"{path}.{key}".lstrip(".")


def _members(into: Any) -> list[Any]:  # noqa: ANN401 -- a type expression
    """The alternatives of a union, or the type itself, without annotations."""
    if get_origin(into) in (Union, types.UnionType):
        return [member for alternative in get_args(into) for member in _members(alternative)]
    return _members(get_args(into)[0]) if get_origin(into) is Annotated else [into]


def _fields(into: Any, document: Mapping[Any, Any]) -> dict[str, Any] | None:  # noqa: ANN401 -- a type expression
    """Keys and their types that *document* may have; None when *into* is no struct or its tag decides wrongly."""
    structs = [t for t in _members(into) if isinstance(t, type) and issubclass(t, msgspec.Struct)]
    if len(structs) > 1:
        structs = [s for s in structs if document.get(s.__struct_config__.tag_field) == s.__struct_config__.tag]
    if not structs:
        return None
    fields = {field.encode_name: field.type for field in msgspec.structs.fields(structs[0])}
    tag_field = structs[0].__struct_config__.tag_field
    return {tag_field: str, **fields} if tag_field else fields


def _value_type(into: Any) -> Any:  # noqa: ANN401 -- a type expression
    """The type of a mapping's values; None when it is not known."""
    for member in _members(into):
        origin, arguments = get_origin(member), get_args(member)
        if isinstance(origin, type) and issubclass(origin, Mapping) and arguments:
            return arguments[1]
    return None


def _item_type(into: Any, index: int) -> Any:  # noqa: ANN401 -- a type expression
    """The type of the item at *index* of a list; None when it is not known."""
    for member in _members(into):
        origin, arguments = get_origin(member), get_args(member)
        if origin is tuple and arguments and arguments[-1] is not Ellipsis:
            return arguments[index] if index < len(arguments) else None
        if isinstance(origin, type) and issubclass(origin, Collection) and arguments:
            return arguments[0]
    return None


def _explain(error: msgspec.ValidationError, document: Any, into: Any) -> str:  # noqa: ANN401 -- a type expression
    """`path: problem` from msgspec's `problem - at `$.path``."""
    text = str(error)
    found = _PLACE.fullmatch(text)
    problem, path = (found["problem"], found["path"]) if found else (text, "")
    in_key = "key: " if found and found["key"] else ""
    place, wanted, value = _found_at(path, document, into)
    if _OUT_OF_RANGE.fullmatch(problem) and not in_key:
        problem = _range_problem(value, wanted) or problem
    word = _WRONG_WORD.fullmatch(problem)
    hint = nearest(word["word"], _words(wanted)) if word else ""
    return f"{_place(place)}{in_key}{lower_first(problem)}{hint}"


def _range_problem(value: Any, into: Any) -> str:  # noqa: ANN401 -- a number, and a type expression
    """`is 0; write 1 to 100` for a number that is not in the range of the type *into*; empty where that has none."""
    bounds = next(_bounds(into), None)
    if bounds is None or (bounds.ge, bounds.gt) == (None, None):
        return ""
    least = f"{bounds.ge:.12g}" if bounds.ge is not None else f"more than {bounds.gt:.12g}"
    most = f" to {bounds.le:.12g}" if bounds.le is not None else "" if bounds.ge is None else " or more"
    # What is not shown has hundreds of digits, or is no number at all (.nan).
    shown = f"is {value}" if -1e15 < value < 1e15 else "is out of range"
    return f"{shown}; write {least}{most}"


def _bounds(into: Any) -> Iterator[msgspec.Meta]:  # noqa: ANN401 -- a type expression
    """The annotations of a type, or of the alternatives of a union."""
    if get_origin(into) is Annotated:
        yield from (one for one in into.__metadata__ if isinstance(one, msgspec.Meta))
    elif get_origin(into) in (Union, types.UnionType):
        for alternative in get_args(into):
            yield from _bounds(alternative)


def _found_at(path: str, document: Any, into: Any) -> tuple[str, Any, Any]:  # noqa: ANN401 -- a type expression
    """*path* with the keys for which msgspec writes `[...]`, the type that is wanted there and what is there.

    Both are None where they are not known.
    """
    place = ""
    for step in _STEP.findall(path):
        if step == "[...]":
            into = _value_type(into)
            key = _wrong_key(document, into)
            if key is None:
                return f"{place}{step}".lstrip("."), None, None
            place, document = f"{place}.{key}", document[key]
        elif step.startswith("["):
            index = int(step[1:-1])
            place, document, into = place + step, document[index], _item_type(into, index)
        else:
            into = (_fields(into, document) or {}).get(step[1:])
            place, document = place + step, document.get(step[1:])
    return place.lstrip("."), into, document


def _wrong_key(document: Any, into: Any) -> Hashable:  # noqa: ANN401 -- a type expression
    """The first key of the mapping *document* whose value is no *into*."""
    for key, value in document.items() if into is not None else ():
        try:
            msgspec.convert(value, into)
        except msgspec.ValidationError:
            return typing.cast("Hashable", key)
    return None


def _words(into: Any) -> list[str]:  # noqa: ANN401 -- a type expression
    """The words that the type *into* allows, if it is one of words."""
    found: list[str] = []
    for member in _members(into):
        if get_origin(member) is typing.Literal:
            found += [str(word) for word in get_args(member)]
        elif isinstance(member, type) and issubclass(member, enum.Enum):
            found += [str(word.value) for word in member]
    return found


def lower_first(text: str) -> str:
    """*text* as the second half of a message: its first letter small, unless it opens an abbreviation."""
    return text if text[:2].isupper() else text[:1].lower() + text[1:]


def _place(path: str) -> str:
    return f"{path}: " if path else ""
