"""Plug-in folders: one file per thing, found by listing the folder.

A decorator marks a class with the name under which configuration knows it; `load` imports every module of a
package and returns the marked classes. There is no registry to edit and no entry point to declare.
"""

import importlib
import pkgutil
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import TypeVar

Plugin = TypeVar("Plugin")

_MARK = "__nightshift_plugin__"


def plugin(kind: str, name: str) -> Callable[[type[Plugin]], type[Plugin]]:
    """Mark a class as the plug-in *name* of *kind* ("collector", "notifier", ...)."""

    def mark(cls: type[Plugin]) -> type[Plugin]:
        setattr(cls, _MARK, (kind, name))
        return cls

    return mark


def name_of(cls: type[object]) -> str:
    """The name that a plug-in class was marked with."""
    name: str = getattr(cls, _MARK)[1]
    return name


def stems(package: ModuleType) -> list[str]:
    """The names of the modules directly below *package*, sorted; nothing is imported."""
    return sorted(info.name for info in pkgutil.iter_modules(package.__path__))


def load(package: ModuleType, kind: str, only: Iterable[str] | None = None) -> dict[str, type[object]]:
    """Every plug-in of *kind* defined in the modules directly below *package*, by name, sorted.

    *only* names the modules to look at, where the others' memory is to be saved.

    Raises:
        ValueError: two modules claim one name.
    """
    found: dict[str, type[object]] = {}
    for stem in stems(package) if only is None else only:
        module = importlib.import_module(f"{package.__name__}.{stem}")
        for cls in marked(module, kind):
            name = name_of(cls)
            if name in found:
                raise ValueError(f"{kind} {name!r} is defined by {found[name].__module__} and {module.__name__}")
            found[name] = cls
    return dict(sorted(found.items()))


def marked(module: ModuleType, kind: str) -> list[type[object]]:
    """The classes that *module* itself defines and marks; a subclass does not inherit the mark, an alias adds none."""
    classes = dict.fromkeys(member for member in vars(module).values() if isinstance(member, type))
    own = [cls for cls in classes if cls.__module__ == module.__name__]
    return [cls for cls in own if vars(cls).get(_MARK, ("", ""))[0] == kind]
