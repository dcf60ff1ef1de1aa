import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.errors import CollectorError, SourceMalformed, SourceUnavailable
from exporter.sources.git_commit import Checkout

#: Unix seconds at which everything in the tests' repositories happened.
WHEN = 1_700_000_000
Git = Callable[..., str]

pytestmark = pytest.mark.skipif(not shutil.which("git"), reason="needs git to make checkouts")


def git_in(folder: Path, *words: str) -> str:
    """Runs git, away from the settings of this machine."""
    moment = f"{WHEN} +0000"
    who = {f"GIT_{role}_{what}": "shop" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    apart = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null", "HOME": str(folder)}
    env = {"PATH": os.environ["PATH"], "GIT_COMMITTER_DATE": moment, "GIT_AUTHOR_DATE": moment, **who, **apart}
    return subprocess.run(
        ["git", *words], cwd=folder, env=env, check=True, capture_output=True, text=True
    ).stdout.strip()


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A checkout with two commits on the branch main."""
    folder = tmp_path / "shop"
    folder.mkdir()
    git_in(folder, "init", "-q", "-b", "main")
    for text in ("one", "two"):
        git_in(folder, "commit", "-q", "--allow-empty", "-m", text)
    return folder


def head_of(folder: Path) -> str:
    """What git says that HEAD is."""
    return git_in(folder, "rev-parse", "HEAD")


def test_read_branch(shop: Path) -> None:
    """The commit is what git says, its first letters are its version, and the reflog knows when it came."""
    commit = head_of(shop)
    assert Checkout(str(shop)).read() == (commit, commit[:12], float(WHEN))


@pytest.mark.parametrize("pack", [False, True])
@pytest.mark.parametrize("words", [("tag", "v1.10"), ("tag", "-a", "-m", "x", "v1.10")])
def test_read_tag(shop: Path, words: tuple[str, ...], pack: bool) -> None:  # noqa: FBT001 -- a parameter
    """Light and annotated tags, loose and packed; of several the highest; of another commit none."""
    git_in(shop, "tag", "v9", "HEAD~1")
    git_in(shop, "tag", "v1.9")
    git_in(shop, *words)
    if pack:
        git_in(shop, "pack-refs", "--all")
        assert not (shop / ".git/refs/tags/v1.10").exists()
    assert Checkout(str(shop)).read()[:2] == (head_of(shop), "v1.10")


def test_read_detached_prefers_the_tag_that_was_checked_out(shop: Path) -> None:
    """Of two tags on one commit it is the one that the deployment named."""
    git_in(shop, "tag", "blue/7")
    git_in(shop, "tag", "v1")
    git_in(shop, "checkout", "-q", "HEAD~1")
    git_in(shop, "checkout", "-q", "blue/7")
    assert Checkout(str(shop)).read().version == "blue/7"


def test_read_detached_at_an_untagged_commit(shop: Path) -> None:
    """HEAD may hold the commit itself."""
    git_in(shop, "checkout", "-q", "--detach", "HEAD~1")
    commit = head_of(shop)
    assert Checkout(str(shop)).read()[:2] == (commit, commit[:12])


def test_read_again_sees_what_has_changed(shop: Path) -> None:
    """A new commit and a new tag are seen by the same reader."""
    checkout = Checkout(str(shop))
    first = checkout.read()
    git_in(shop, "commit", "-q", "--allow-empty", "-m", "three")
    assert checkout.read().commit == head_of(shop) != first.commit
    git_in(shop, "tag", "v3")
    os.utime(shop / ".git/refs/tags", (WHEN, WHEN))
    assert checkout.read().version == "v3"


def test_read_worktree(shop: Path, tmp_path: Path) -> None:
    """A worktree has its own HEAD and the tags of its repository."""
    git_in(shop, "tag", "v1", "HEAD~1")
    git_in(shop, "worktree", "add", "-q", str(tmp_path / "tree"), "HEAD~1")
    found = Checkout(str(tmp_path / "tree")).read()
    assert found[:2] == (git_in(shop, "rev-parse", "HEAD~1"), "v1")


@pytest.mark.parametrize("pack", [False, True])
def test_read_branch_of_a_worktree(shop: Path, tmp_path: Path, pack: bool) -> None:  # noqa: FBT001 -- a parameter
    """Its branch lies in the repository, loose or packed."""
    git_in(shop, "worktree", "add", "-q", "-b", "fix/one", str(tmp_path / "tree"), "HEAD~1")
    if pack:
        git_in(shop, "pack-refs", "--all")
    assert Checkout(str(tmp_path / "tree")).read().commit == git_in(shop, "rev-parse", "HEAD~1")


def test_read_bare_repository_without_a_reflog(shop: Path, tmp_path: Path) -> None:
    """A mirror has no .git folder and no reflog: the time of the file that names the commit stands in."""
    git_in(tmp_path, "clone", "-q", "--bare", str(shop), "mirror")
    os.utime(tmp_path / "mirror/packed-refs", (WHEN + 5, WHEN + 5))
    assert Checkout(str(tmp_path / "mirror")).read() == (head_of(shop), head_of(shop)[:12], WHEN + 5)


def test_read_branch_without_a_reflog(shop: Path) -> None:
    """A pull moves the branch and leaves HEAD alone: the branch's own time stands in."""
    (shop / ".git/logs/HEAD").unlink()
    os.utime(shop / ".git/HEAD", (WHEN, WHEN))
    os.utime(shop / ".git/refs/heads/main", (WHEN + 9, WHEN + 9))
    assert Checkout(str(shop)).read().since == WHEN + 9


def test_read_sha256_repository(tmp_path: Path) -> None:
    """The longer hashes of newer repositories are read too."""
    git_in(tmp_path, "init", "-q", "--object-format=sha256", "-b", "main")
    git_in(tmp_path, "commit", "-q", "--allow-empty", "-m", "one")
    assert Checkout(str(tmp_path)).read().commit == head_of(tmp_path)


def test_read_unborn_branch_is_unavailable(tmp_path: Path) -> None:
    """A repository without a commit has no version."""
    git_in(tmp_path, "init", "-q", "-b", "main")
    with pytest.raises(SourceUnavailable, match="no commit yet"):
        Checkout(str(tmp_path)).read()


def test_read_nothing_there_is_unavailable(tmp_path: Path) -> None:
    """A folder without a repository is told, with its path."""
    with pytest.raises(SourceUnavailable, match=str(tmp_path)):
        Checkout(str(tmp_path)).read()


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"ref: ../../etc/passwd",
        b"ref: refs/heads/../../../secret",
        b"ref: refs/heads/.invalid",
        b"ref: refs/heads/a\nb",
        b"0123abc",
        b"\xff\xfe" * 10,
        b"g" * 40,
    ],
)
def test_read_garbage_in_head_is_malformed(shop: Path, head: bytes) -> None:
    """What is no commit and no ref is not followed anywhere."""
    (shop / ".git/HEAD").write_bytes(head)
    with pytest.raises(SourceMalformed):
        Checkout(str(shop)).read()


@pytest.mark.parametrize("content", [b"a\0b", b"x" * 4000])
def test_read_impossible_names_are_told(shop: Path, content: bytes) -> None:
    """A name that no system takes, in the place of the repository's, is a failure with the checkout's path."""
    (shop / ".git/commondir").write_bytes(content)
    with pytest.raises(CollectorError, match=str(shop)):
        Checkout(str(shop)).read()


def test_read_loop_of_refs_is_malformed(shop: Path) -> None:
    """A ref that leads to itself ends."""
    (shop / ".git/refs/heads/main").write_text("ref: refs/heads/main\n")
    with pytest.raises(SourceMalformed, match="without an end"):
        Checkout(str(shop)).read()


@pytest.mark.parametrize("name", ["HEAD", "refs/heads/main", "packed-refs"])
def test_read_fifo_and_huge_files_do_not_hold(shop: Path, name: str) -> None:
    """A FIFO and a file of 10 MB in the place of a ref are refused at once."""
    path = shop / ".git" / name
    path.unlink(missing_ok=True)
    if name == "packed-refs":
        (shop / ".git/refs/heads/main").unlink()
        with path.open("wb") as file:
            file.truncate(10_000_000)
    else:
        os.mkfifo(path)
    with pytest.raises(CollectorError):
        Checkout(str(shop)).read()


def test_read_garbage_beside_head_costs_the_version_only(shop: Path) -> None:
    """Tags and a reflog that nobody can read leave the commit."""
    commit = head_of(shop)
    (shop / ".git/refs/tags/v1").write_bytes(b"\0" * 50)
    (shop / ".git/packed-refs").write_bytes(b"\xff^\n^^\n \n" + commit.encode() + b" refs/tags/a b\n")
    (shop / ".git/logs/HEAD").write_bytes(b"nonsense\n")
    fake = shop / ".git/objects/aa" / ("a" * 38)
    fake.parent.mkdir(exist_ok=True)
    fake.write_bytes(b"not zlib")
    (shop / ".git/refs/tags/v2").write_text("a" * 40)
    assert Checkout(str(shop)).read()[:2] == (commit, commit[:12])


@settings(deadline=None, max_examples=80)
@given(st.sampled_from(["HEAD", "packed-refs", "commondir", "logs/HEAD", "refs/heads/main"]), st.binary(max_size=120))
def test_read_survives_anything(tmp_path_factory: pytest.TempPathFactory, name: str, content: bytes) -> None:
    """Whatever lies there, it is a commit or a failure that is told."""
    folder = tmp_path_factory.mktemp("any")
    for part in ("refs/heads", "refs/tags", "logs"):
        (folder / part).mkdir(parents=True)
    (folder / "HEAD").write_text("ref: refs/heads/main\n")
    (folder / "refs/heads/main").write_text("a" * 40)
    (folder / name).write_bytes(content)
    try:
        assert len(Checkout(str(folder)).read().commit) in (40, 64)
    except CollectorError as error:
        assert str(folder) in str(error)  # noqa: PT017 -- both ends are good
