import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from chassis.plugins import load, name_of, plugin

HEAD = "from chassis.plugins import plugin\n"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    """An empty package whose modules a test writes."""
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "things").mkdir()
    (tmp_path / "things" / "__init__.py").write_text("")
    import things  # noqa: PLC0415 -- made by this fixture

    yield things
    for name in [name for name in sys.modules if name.split(".")[0] == "things"]:
        del sys.modules[name]


def write(package: ModuleType, name: str, text: str) -> None:
    """One module of the package."""
    (Path(package.__path__[0]) / f"{name}.py").write_text(HEAD + text)


def test_load_gives_the_kind_s_classes_by_name_sorted(package: ModuleType) -> None:
    """The folder is the registry: every marked class of the kind, and of no other kind."""
    write(package, "b", "@plugin('channel', 'zeta')\nclass Z: ...\n@plugin('other', 'o')\nclass O: ...\n")
    write(package, "a", "@plugin('channel', 'alpha')\nclass A: ...\nclass Unmarked: ...\n")
    found = load(package, "channel")
    assert list(found) == ["alpha", "zeta"]
    assert name_of(found["zeta"]) == "zeta"


def test_load_does_not_count_imported_or_inheriting_classes(package: ModuleType) -> None:
    """A class belongs to the module that defines it, and a subclass is no plug-in until it is marked itself."""
    write(package, "a", "@plugin('channel', 'alpha')\nclass A: ...\nAlias = A\n")
    write(package, "b", "from things.a import A\nclass Special(A): ...\n")
    assert [cls.__name__ for cls in load(package, "channel").values()] == ["A"]


def test_load_two_modules_with_one_name_are_refused(package: ModuleType) -> None:
    """Both modules are named, so that the copy is found at once."""
    write(package, "a", "@plugin('channel', 'same')\nclass A: ...\n")
    write(package, "b", "@plugin('channel', 'same')\nclass B: ...\n")
    with pytest.raises(ValueError, match=r"channel 'same' is defined by things\.a and things\.b"):
        load(package, "channel")


def test_load_empty_package_has_none(package: ModuleType) -> None:
    """No file, no plug-in, no error."""
    assert load(package, "channel") == {}


def test_plugin_leaves_the_class_as_it_is() -> None:
    """Marking gives the same class back."""

    class Thing:
        pass

    assert plugin("channel", "thing")(Thing) is Thing
