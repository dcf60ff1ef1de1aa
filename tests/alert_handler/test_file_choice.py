import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from alert_handler import file_choice
from alert_handler.file_choice import Item, Wanted, check_pattern, choose
from alert_handler.rooted_files import Identity, Tree, open_root

NOW = 1_800_000_000.0


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Tree]:
    """An empty, opened root."""
    (tmp_path / "root").mkdir()
    with open_root(tmp_path / "root") as opened:
        yield opened


def put(tree: Tree, path: str, age: float = 1000.0, content: bytes = b"x" * 200) -> Path:
    """A file *age* seconds old below the root."""
    file = tree.path / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    os.utime(file, ns=(0, int((NOW - age) * 1e9)))
    return file


def chosen(tree: Tree, **options: object) -> list[Item]:
    """What is chosen of `*.log`, keeping none unless *options* say otherwise."""
    wanted = msgspec.convert({"files": ("*.log",), "keep_newest": 0} | options, Wanted)
    return list(choose(tree, wanted, NOW))


def paths(tree: Tree, **options: object) -> list[str]:
    """The paths of what is chosen, in order."""
    return [item.path for item in chosen(tree, **options)]


def test_choose_takes_only_old_large_single_regular_files(tree: Tree) -> None:
    """Young, future, small, empty, linked and hidden files are not candidates; min_age is inclusive."""
    put(tree, "young.log", 59)
    put(tree, "future.log", -500)
    put(tree, "small.log", content=b"x" * 100)
    put(tree, "empty.log", content=b"")
    put(tree, ".hidden.log")
    os.link(put(tree, "linked.log"), tree.path / "second")
    (tree.path / "symlink.log").symlink_to("/etc/passwd")
    put(tree, "just.log", 60)
    assert paths(tree, larger_than_bytes=100) == ["just.log"]


def test_choose_gives_oldest_first_and_equal_ages_by_name(tree: Tree) -> None:
    """The order is the same at every look."""
    for name, age in (("b", 100), ("c", 300), ("a", 100), ("d", 200)):
        put(tree, f"{name}.log", age)
    assert paths(tree) == ["c.log", "d.log", "a.log", "b.log"]


@pytest.mark.parametrize(("keep", "left"), [(0, ["3.log", "2.log", "1.log"]), (2, ["3.log"]), (9, [])])
def test_choose_keeps_the_newest(tree: Tree, keep: int, left: list[str]) -> None:
    """The newest matching files stay, however old they are."""
    for number in (1, 2, 3):
        put(tree, f"{number}.log", 1000 * number)
    assert paths(tree, keep_newest=keep) == left


def test_choose_caps_files_and_bytes(tree: Tree) -> None:
    """Never more files or bytes than allowed; a file that does not fit does not stop smaller ones."""
    put(tree, "1.log", 900, b"x" * 5000)
    put(tree, "2.log", 800, b"x" * 100)
    put(tree, "3.log", 700, b"x" * 100)
    assert paths(tree, max_files=2) == ["1.log", "2.log"]
    assert paths(tree, max_bytes=150) == ["2.log"]


def test_choose_holds_no_more_than_the_oldest_candidates(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many files match, memory is bounded, and the oldest ones are chosen from."""
    monkeypatch.setattr(file_choice, "MAX_CANDIDATES", 2)
    for number in range(5):
        put(tree, f"{number}.log", 100 + number)
    assert paths(tree) == ["4.log", "3.log"]


def test_choose_for_compression_leaves_packed_and_open_files_alone(tree: Tree) -> None:
    """What is compressed by name or content, and what a program writes to, would gain nothing or lose lines."""
    put(tree, "a.log")
    put(tree, "b.log", content=b"\x1f\x8b" + b"x" * 500)
    put(tree, "c.log.gz")
    with put(tree, "d.log").open("ab"):
        assert paths(tree, files=("*.log", "*.gz"), action="compress") == ["a.log"]


def test_choose_for_compression_leaves_unreadable_files_alone(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file whose beginning cannot be read is no candidate."""

    def broken(_folder: int, _name: str) -> bool:
        raise PermissionError

    put(tree, "a.log")
    monkeypatch.setattr(file_choice, "is_compressed", broken)
    assert paths(tree, action="compress") == []


def test_choose_puts_old_leftovers_first_and_always_deletes_them(tree: Tree) -> None:
    """A copy that an interrupted compression left goes when it is an hour old, whatever else is done."""
    put(tree, "x.log", 90_000)
    put(tree, ".nightshift-00.tmp", 3600)
    put(tree, ".nightshift-01.tmp", 3599)
    found = chosen(tree, action="compress")
    assert [(item.path, item.action) for item in found] == [(".nightshift-00.tmp", "delete"), ("x.log", "compress")]


def test_item_keeps_what_it_was_and_any_name(tree: Tree) -> None:
    """Identity and native path find the same file again; what people see is one harmless line."""
    file = put(tree, os.fsdecode(b"a%41\n\xff.log"))
    (item,) = chosen(tree)
    assert item.identity == Identity.of(file.stat())
    assert (item.native_path, item.path) == (file.name, "a%2541%0A%FF.log")
    assert item.shown.isprintable()


@pytest.mark.parametrize("pattern", ["*.log", "a/b/*.log.[0-9]", "**/*.log", "a/**/b/**/c", "app~2026-01-01,1.log"])
def test_check_pattern_takes_what_stays_below_the_root(pattern: str) -> None:
    """Ordinary patterns are fine."""
    check_pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "words"),
    [
        ("/etc/*", "not relative"),
        ("a/../b.log", "not relative"),
        ("a/-rf", "holds more than"),
        ("a\n", "holds more than"),
        ("**", r"\*\* stands for folders"),
        ("**/**/**/x", r"more than 2 \*\*"),
    ],
)
def test_check_pattern_refuses_what_could_leave_it(pattern: str, words: str) -> None:
    """Each refusal says what is wrong."""
    with pytest.raises(ValueError, match=words):
        check_pattern(pattern)
