"""docs/conventions.md has every convention, and a test that exists for each."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "conventions.md").read_text(encoding="utf-8")
WANTED = [f"C{number:02}" for number in range(1, 34)]


def rows() -> dict[str, list[str]]:
    """The rows of the tables by the convention's number: what it asks, how it is kept, proof, differs."""
    lines = re.findall(r"^\| (C\d\d) \| (.*) \|$", PAGE, re.MULTILINE)
    return {number: [cell.strip() for cell in f"{rest} ".split(" | ")] for number, rest in lines}


@cache
def functions_of(path: Path) -> frozenset[str]:
    """The names of the test functions in a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def proofs(number: str) -> list[tuple[str, str]]:
    """The tests that a row names: file and function."""
    return re.findall(r"`([\w/]+\.py)::(\w+)`", rows()[number][2])


def test_every_convention_has_one_row() -> None:
    """None is missing, none is there twice, none is left over."""
    assert re.findall(r"^\| (C\d\d) ", PAGE, re.MULTILINE) == WANTED


@pytest.mark.parametrize("number", WANTED)
def test_row_is_whole(number: str) -> None:
    """It says what is asked and how that is kept; only `differs` may be empty."""
    cells = rows()[number]
    assert len(cells) == 4
    assert all(cells[:3])


@pytest.mark.parametrize("number", WANTED)
def test_row_has_a_proof_that_exists(number: str) -> None:
    """Each test that it names is a function of the file that it names, and there is nothing else in the cell."""
    found = proofs(number)
    assert found
    assert len(found) == len(rows()[number][2].split(", "))
    assert [(path, name) for path, name in found if name not in functions_of(ROOT / path)] == []


def test_metrics_that_the_page_names_exist() -> None:
    """Whatever it calls by a whole name is in the golden exposition."""
    golden = (ROOT / "tests" / "golden" / "exporter_whole.prom").read_text(encoding="utf-8")
    named = {name for name in re.findall(r"`(nightshift_\w+)`", PAGE) if not name.endswith("_")}
    assert [name for name in sorted(named) if f"# TYPE {name} " not in golden] == []
