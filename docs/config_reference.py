"""The tables of configuration keys: type, default and meaning of each, from the structs and their docstrings."""

import inspect
import json
import re
import types
import typing
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any

import msgspec

ROOT = Path(__file__).parents[1]
#: Words of YAML for the types of Python.
_WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false", Any: "anything", Path: "path"}
_ABSENT = (None, types.NoneType, msgspec.UnsetType)


class ConfigReference:
    """Sections of a page; a struct that several keys share has one section, to which the others link."""

    def __init__(self) -> None:
        self._places: dict[type[Any], str] = {}

    def section(self, place: str, struct: type[Any], heading: str = "") -> list[str]:
        """The section of *struct*, which is found at *place*, and those of the structs inside it."""
        title = heading or f"`{place}`"
        self._places[struct] = title
        fields = msgspec.structs.fields(struct)
        inner = list(self._enter(place, fields))
        meanings = _meanings(struct)
        rows = [
            row(f"`{field.encode_name}`", self._type(field.type), default(field), meanings.get(field.name, ""))
            for field in fields
        ]
        about = (inspect.cleandoc(struct.__doc__ or "")).partition("\n\n")[0].replace("\n", " ")
        lines = [f"### {title}", "", about, "", "| key | type | default | meaning |", "|---|---|---|---|", *rows, ""]
        for where, nested in inner:
            lines += self.section(where, nested)
        return lines

    def _enter(self, place: str, fields: Iterable[msgspec.structs.FieldInfo]) -> Iterator[tuple[str, type[Any]]]:
        """The structs of *fields* that have no section yet, with their places."""
        for field in fields:
            for where, struct in _structs_in(field.type, f"{place}.{field.encode_name}".lstrip(".")):
                if struct not in self._places:
                    self._places[struct] = f"`{where}`"
                    yield where, struct

    def _type(self, kind: Any) -> str:  # noqa: ANN401 -- a type expression
        """A type in words; a struct is a link to its section."""
        if kind in self._places:
            return f"[keys](#{anchor(self._places[kind])})"
        if inspect.isclass(kind) and issubclass(kind, StrEnum):
            return _choice(tuple(kind))
        if typing.get_origin(kind):
            return self._composed(typing.get_origin(kind), typing.get_args(kind))
        return _WORDS.get(kind, f"`{getattr(kind, '__name__', kind)}`")

    def _composed(self, origin: Any, arguments: tuple[Any, ...]) -> str:  # noqa: ANN401 -- a type expression
        """A type that is made of others in words."""
        if origin is typing.Annotated:
            return self._type(arguments[0]) + "".join(_limits(one) for one in arguments[1:])
        if origin is typing.Literal:
            return _choice(arguments)
        if origin in (typing.Union, types.UnionType):
            hidden = {*_ABSENT, int} if float in arguments else _ABSENT
            return " or ".join(self._type(one) for one in arguments if one not in hidden)
        if origin is dict:
            return f"NAME: {self._type(arguments[1])}"
        return f"list of {self._type(arguments[0])}"


def anchor(heading: str) -> str:
    """What a link to a heading is called."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def default(field: msgspec.structs.FieldInfo) -> str:
    """The default of a key as YAML writes it; nothing where leaving it out means nothing."""
    if field.required:
        return "required"
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory()  # type: ignore[operator]
    if isinstance(value, msgspec.Struct) or value is msgspec.UNSET or value in (None, "", (), [], {}, frozenset()):
        return ""
    plain = msgspec.to_builtins(value, str_keys=True)
    text = plain if isinstance(plain, str) else json.dumps(plain, default=str, ensure_ascii=False)
    return f"`{text}`".replace(f"{ROOT}/", "")


def row(*cells: str) -> str:
    """A line of a table."""
    return "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"


def _structs_in(kind: Any, place: str) -> list[tuple[str, type[Any]]]:  # noqa: ANN401 -- a type expression
    """The structs of a type with their places: NAME stands for a key of one's own, [] for an entry of a list."""
    if inspect.isclass(kind) and not typing.get_origin(kind):
        return [(place, kind)] if issubclass(kind, msgspec.Struct) else []
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    further = {dict: ".NAME", list: "[]", tuple: "[]"}.get(origin, "")  # type: ignore[arg-type]
    return [found for argument in arguments for found in _structs_in(argument, place + further)]


def _choice(words: Iterable[object]) -> str:
    return " or ".join(f"`{word}`" if str(word) else "empty" for word in words)


def _limits(bound: object) -> str:
    if not isinstance(bound, msgspec.Meta):
        return ""
    words = {"from": bound.ge, "above": bound.gt, "to": bound.le}
    return "".join(f" {word} {limit}" for word, limit in words.items() if limit is not None)


def _meanings(struct: type[Any]) -> dict[str, str]:
    """What the docstrings of a struct and of those that it extends say of each key."""
    found: dict[str, str] = {}
    for cls in reversed(struct.__mro__):
        _, _, attributes = inspect.cleandoc(cls.__dict__.get("__doc__") or "").partition("Attributes:\n")
        section = re.split(r"\n(?=\S)", attributes)[0]
        for names, text in re.findall(r"^    ([\w, ]+): (.*(?:\n {5,}.*)*)", section, re.MULTILINE):
            found |= dict.fromkeys(names.split(", "), re.sub(r"\s+", " ", text))
    return found
