import pytest

from exporter.analysis import components
from exporter.analysis.components import LineCounts, Naming, largest


@pytest.mark.parametrize(
    ("path", "component"),
    [
        ("src/shop/cart/total.py", "shop"),
        ("./src/shop/app.py", "shop"),
        ("src\\shop\\app.py", "shop"),
        ("src/setup.py", "all"),
        ("setup.py", "all"),
        ("/srv/app/x.py", "srv"),
        ("src/shop/pay/card.py", "payment"),
        ("src/shop/cards.py", "payment"),
        ("", "all"),
    ],
)
def test_component_is_the_first_folder_or_named(path: str, component: str) -> None:
    """A folder names its files' component, unless the configuration does."""
    naming = Naming("all", strip="src/", named={"payment": ["shop/pay/", "shop/cards"]})
    assert naming.component(path) == component


def test_component_takes_as_many_folders_as_told() -> None:
    """Deeper trees are told apart by more folders."""
    assert Naming("all", depth=2).component("a/b/c/d.py") == "a/b"


def test_line_counts_add_up_and_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """A report with a folder per file cannot fill the memory."""
    monkeypatch.setattr(components, "_COUNTED", 2)
    counts = LineCounts(Naming("all"))
    for path in ("a/1", "a/2", "b/1", "c/1", "d/1", "a/3"):
        counts.tally(path, 1, 2)
    assert counts.counts == {"a": (3, 6), "b": (1, 2), "other": (2, 4)}


def test_largest_leaves_out_what_has_no_lines() -> None:
    """A folder of empty files has no ratio."""
    assert largest({"a": (0, 0), "b": (1, 1)}, 5) == {"b": (1, 1)}


def test_largest_adds_the_rest_to_other() -> None:
    """Also where a component is called so itself."""
    assert largest({"other": (5, 9), "b": (1, 3), "c": (1, 2)}, 1) == {"other": (7, 14)}
