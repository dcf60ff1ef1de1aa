import os
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alert_handler import rooted_files
from alert_handler.rooted_files import Changed, Identity, RootRefused, Tree, matches, open_root, remove
from tests.alert_handler.attack import swapping


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """An empty root with a neighbour that must never be touched."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "x.log").write_text("precious", encoding="ascii")
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


def files_of(root: Path) -> list[str]:
    """The paths that a walk of *root* finds."""
    with open_root(root) as tree:
        return sorted(found.path for found in tree.files())


def test_files_are_regular_ones_at_any_depth(root: Path) -> None:
    """Folders, symbolic links, sockets and FIFOs are not files."""
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "b" / "x.log").touch()
    (root / "y.log").touch()
    (root / "link").symlink_to("/etc/passwd")
    (root / "folder").symlink_to(root.parent / "outside")
    os.mkfifo(root / "pipe")
    assert files_of(root) == ["a/b/x.log", "y.log"]


def test_files_counts_what_it_cannot_enter(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that is too deep, or of another mount, is left out and counted."""
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "x.log").touch()
    (root / "a" / "b" / "y.log").touch()
    monkeypatch.setattr(rooted_files, "MAX_DEPTH", 1)
    with open_root(root) as tree:
        assert ([found.path for found in tree.files()], tree.unreadable) == (["a/x.log"], 1)
        with pytest.raises(Changed, match="too deep"), tree.folder_of("a/b/y.log"):
            pass


def test_files_ends_early_in_an_endless_folder(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A walk looks at a bounded number of names and says that it was cut."""
    for number in range(5):
        (root / f"{number}.log").touch()
    monkeypatch.setattr(rooted_files, "MAX_ENTRIES", 3)
    with open_root(root) as tree:
        assert (len(list(tree.files())), tree.cut) == (3, True)


def test_another_mount_is_not_entered(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mount below the root ends the way, for the walk and for a path."""
    (root / "mounted").mkdir()
    (root / "mounted" / "x.log").touch()
    with open_root(root) as tree:
        monkeypatch.setattr(rooted_files, "_mount_of", lambda _descriptor: "mnt_id: another")
        assert (list(tree.files()), tree.unreadable) == ([], 1)
        with pytest.raises(Changed, match="another mount"), tree.folder_of("mounted/x.log"):
            pass


def test_mount_of_tells_mounts_apart() -> None:
    """Two mounts have different names; a device number alone would not tell a bind mount."""
    here, kernel = os.open("/", os.O_RDONLY), os.open("/proc", os.O_RDONLY)
    assert rooted_files._mount_of(here) != rooted_files._mount_of(kernel)
    os.close(here)
    os.close(kernel)


@pytest.mark.parametrize("path", ["../outside/x.log", "a/../../outside/x.log", "", "a/", "..", "."])
def test_folder_of_refuses_a_path_that_leaves_the_root(root: Path, path: str) -> None:
    """No path with `..` or without a name is walked."""
    with open_root(root) as tree, pytest.raises(Changed), tree.folder_of(path):
        pass


def test_folder_of_follows_no_link(root: Path) -> None:
    """A symbolic link in place of a folder is not entered."""
    (root / "a").symlink_to(root.parent / "outside")
    with open_root(root) as tree, pytest.raises(NotADirectoryError), tree.folder_of("a/x.log"):
        pass


def test_open_root_names_a_link_and_its_real_path(root: Path) -> None:
    """A linked root, or a link on the way to it, is refused with what to declare instead."""
    link = root.parent / "link"
    link.symlink_to(root)
    (root / "below").mkdir()
    for path in (link, link / "below"):
        with (
            pytest.raises(RootRefused, match=f"link is a symbolic link; declare the real path {root}$"),
            open_root(path),
        ):
            pass


def test_open_root_missing_or_no_folder_is_refused(root: Path) -> None:
    """The message names the part that is wrong."""
    (root / "file").touch()
    with pytest.raises(RootRefused, match="none does not exist"), open_root(root / "none" / "below"):
        pass
    with (
        pytest.raises(RootRefused, match="file cannot be opened as a folder: Not a directory"),
        open_root(root / "file"),
    ):
        pass


@pytest.mark.parametrize("change", ["content", "replaced", "linked", "symlink", "folder"])
def test_remove_touches_only_the_expected_file(root: Path, change: str) -> None:
    """Whatever became of the file since it was looked at: what is there now stays."""
    file, spare = root / "x.log", root / "spare"
    file.write_text("old", encoding="ascii")
    expected = Identity.of(file.stat())
    if change == "content":
        file.write_text("new content", encoding="ascii")
    elif change == "linked":
        os.link(file, spare)
    else:
        file.rename(spare)
        {"replaced": file.touch, "symlink": lambda: file.symlink_to(spare), "folder": file.mkdir}[change]()
    with open_root(root) as tree, tree.folder_of("x.log") as (folder, name), pytest.raises(Changed):
        remove(folder, name, expected)
    assert os.path.lexists(file)


def test_remove_unlinks_the_expected_file(root: Path) -> None:
    """The one that was meant is gone."""
    (root / "x.log").touch()
    with open_root(root) as tree, tree.folder_of("x.log") as (folder, name):
        remove(folder, name, Identity.of((root / "x.log").stat()))
    assert not (root / "x.log").exists()


def test_open_for_writing_sees_writers_only(root: Path) -> None:
    """A file that somebody writes is told, one that is read is not."""
    with (root / "w.log").open("w", encoding="ascii"), (root / "r.log").open("w+", encoding="ascii") as opened:
        opened.close()
        with (root / "r.log").open(encoding="ascii"):
            assert rooted_files.open_for_writing(root) == {"w.log"}


@pytest.mark.parametrize(
    ("path", "pattern", "expected"),
    [
        ("x.log", "*.log", True),
        ("a/x.log", "*.log", False),
        ("a/b/x.log", "**/*.log", True),
        ("x.log", "**/*.log", True),
        ("a/x.log", "a/*.log", True),
        ("a/b/c/x.log", "a/**/x.log", True),
        ("a/.b/x.log", "a/**/x.log", False),
        (".x.log", "*.log", False),
        (".x.log", ".*.log", True),
        ("x.log.1", "x.log.[0-9]", True),
        ("X.LOG", "*.log", False),
        ("x.log\n", "*.log", False),
        ("a", "a/b", False),
    ],
)
def test_matches_as_a_shell_would(path: str, pattern: str, *, expected: bool) -> None:
    """`*` stays within a name, `**/` spans folders, hidden names are meant only when said."""
    assert matches(path, pattern) is expected


@settings(deadline=None, max_examples=100)
@given(st.lists(st.text("ab*./", max_size=12), min_size=1, max_size=6), st.text("ab./", max_size=200))
def test_matches_always_answers(parts: list[str], path: str) -> None:
    """No pattern and path make it run away or raise."""
    assert matches(path, "/".join(parts)) in {True, False}


def test_swapped_folders_never_lead_outside(root: Path) -> None:
    """While a folder and a link to the outside change places, neither walk nor path ever reaches the outside.

    The same loop with plain paths does reach it, so the attack is a real one.
    """
    outside = root.parent / "outside"
    (root / "a").mkdir()
    (root / "a" / "x.log").touch()
    (root / "b").symlink_to(outside)
    precious, inside = (outside / "x.log").stat().st_ino, (root / "a" / "x.log").stat().st_ino
    reached: set[int] = set()
    naive = rounds = 0
    deadline = time.monotonic() + 20
    with swapping(root / "a", root / "b"), open_root(root) as tree:
        while rounds < 1000 or (naive < 20 and time.monotonic() < deadline):
            rounds += 1
            reached.update([found.identity.inode for found in tree.files()], _by_path(tree, "a/x.log"))
            naive += (root / "a" / "x.log").stat().st_ino == precious
    assert reached == {inside}
    assert naive >= 20


def _by_path(tree: Tree, path: str) -> list[int]:
    try:
        with tree.folder_of(path) as (folder, name):
            return [os.stat(name, dir_fd=folder, follow_symlinks=False).st_ino]
    except NotADirectoryError:
        return []
