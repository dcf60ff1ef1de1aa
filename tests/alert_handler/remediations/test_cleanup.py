import contextlib
import errno
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alert_handler import process, rooted_files
from alert_handler.errors import RemediationRefused
from alert_handler.file_choice import Wanted
from alert_handler.model import Outcome, Plan
from alert_handler.remediation import Limits
from alert_handler.remediations import cleanup
from alert_handler.remediations.cleanup import Cleanup, CleanupConfig, size_text
from chassis import config_file
from tests.alert_handler.attack import swapping

NOW = 1_800_000_000.0


class Place:
    """A root below a temporary folder, with a cleanup that may work in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "root"
        self.root.mkdir()
        self.lock = folder / "lock"
        config = config_file.decode({"roots": {"shop-logs": {"path": str(self.root)}}}, CleanupConfig, "test")
        self.cleanup = Cleanup(config, clock=lambda: NOW)

    def file(self, path: str, age: float = 1000.0, content: bytes = b"a line of text\n" * 100) -> Path:
        """A file *age* seconds old."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
        os.utime(file, ns=(0, int((NOW - age) * 1e9)))
        return file

    def plan(self, *files: str, **params: object) -> Plan:
        """A plan for *files* (default: `*.log`), keeping none unless said otherwise."""
        options = {"root": "shop-logs", "files": files or ("*.log",), "keep_newest": 0} | params
        return self.cleanup.plan(msgspec.convert(options, Wanted))

    def run(self, plan: Plan, seconds: float = 60.0) -> Outcome:
        """The run of *plan*."""
        return self.cleanup.run(plan, Limits(seconds, self.lock))

    def left(self) -> list[str]:
        """What is left below the root."""
        return sorted(str(path.relative_to(self.root)) for path in self.root.rglob("*") if not path.is_dir())


@pytest.fixture
def place(tmp_path: Path) -> Place:
    """An empty root."""
    return Place(tmp_path)


def paths_of(plan: Plan) -> list[str]:
    """The files in a plan's payload."""
    return [item.path for item in msgspec.json.decode(plan.payload, type=cleanup.Payload).items]


def test_plan_lists_oldest_first_and_run_does_exactly_that(place: Place) -> None:
    """The dry run names what will go, and exactly that goes."""
    for age in (100, 300, 200, 10):
        place.file(f"a{age}.log", age)
    plan = place.plan("*.log", "**/*.log")
    assert paths_of(plan) == ["a300.log", "a200.log", "a100.log"]
    assert plan.steps[0] == "delete a300.log (1.5 kB, last changed 2027-01-15T07:55:00Z)"
    assert plan.summary == f"delete 3 files (4.5 kB) below {place.root}"
    outcome = place.run(plan)
    assert (outcome.status, outcome.figures, place.left()) == (
        "succeeded",
        {"files": 3.0, "bytes": 4500.0},
        ["a10.log"],
    )
    assert outcome.output.splitlines()[0] == "deleted a300.log: 1.5 kB"


def test_plan_keeps_the_newest_matching_file(place: Place) -> None:
    """The newest file, usually the one in use, stays by default, however old it is."""
    place.file("app.log", 5000)
    with pytest.raises(RemediationRefused, match=r"nothing older than 60 s matches \*.log in .*newest 1 are kept"):
        place.plan(keep_newest=1)
    place.file("app.1.log", 6000)
    assert paths_of(place.plan(keep_newest=1)) == ["app.1.log"]


def test_plan_of_nothing_is_refused_with_reason(place: Place) -> None:
    """The refusal names age, size, pattern and root."""
    words = r"nothing older than 60 s and larger than 10 B matches \*.log in /.*/root$"
    with pytest.raises(RemediationRefused, match=words):
        place.plan(larger_than_bytes=10)


def test_plan_steps_are_at_most_200_and_tell_the_rest(place: Place) -> None:
    """A long plan is readable, and its payload complete."""
    for number in range(203):
        place.file(f"{number}.log")
    plan = place.plan()
    assert (len(plan.steps), plan.steps[-1], len(paths_of(plan))) == (201, "... and 3 more", 203)
    outcome = place.run(plan)
    assert (len(outcome.output.splitlines()), outcome.output.splitlines()[-1]) == (201, "... and 3 more")


def test_plan_shows_hostile_names_harmlessly_and_run_finds_them(place: Place) -> None:
    """Names with line ends, escapes, percent signs or bytes that are no text are shown escaped and really deleted."""
    for name in ("a\n.log", "b\x1b[31m.log", "c%41.log", os.fsdecode(b"d\xff.log"), "é📱.log"):
        place.file(name)
    plan = place.plan()
    assert all(step.isprintable() for step in plan.steps)
    assert place.run(plan).figures["files"] == 5
    assert not place.left()


def test_plan_tells_what_it_could_not_see(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Folders too deep and a cut walk are said in the summary."""
    place.file("x.log")
    place.file("y.log")
    place.file("deep/z.log")
    monkeypatch.setattr(rooted_files, "MAX_DEPTH", 0)
    assert place.plan("**/*.log").summary.endswith("; 1 folders cannot be entered")
    monkeypatch.setattr(rooted_files, "MAX_ENTRIES", 2)
    assert "only the first 200000 names were looked at" in place.plan("**/*.log").summary


@pytest.mark.parametrize("name", ["", "*", "shop-*", "..", "/", "other-logs", "shop-logs\n", "-shop", "\u0455hop-logs"])
def test_plan_undeclared_root_is_refused(place: Place, name: str) -> None:
    """Only a declared name is a target; empty and wildcard never mean all."""
    place.file("x.log")
    with pytest.raises(RemediationRefused, match="root"):
        place.plan(root=name)


def test_plan_names_the_nearest_declared_root(place: Place) -> None:
    """A typing mistake is answered with the known name."""
    with pytest.raises(RemediationRefused, match=r"no root 'shop-log' .* \(did you mean .shop-logs.\?\)"):
        place.plan(root="shop-log")


def test_plan_root_that_vanished_or_is_a_link_is_refused(place: Place) -> None:
    """The refusal says what is wrong with the folder."""
    place.root.rmdir()
    with pytest.raises(RemediationRefused, match=r"root 'shop-logs': .*/root does not exist"):
        place.plan()
    place.root.symlink_to("/etc")
    with pytest.raises(RemediationRefused, match="is a symbolic link; declare the real path /etc"):
        place.plan()


def test_plan_root_that_cannot_be_read_is_refused(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A read error of the root is a refusal, not a crash."""

    def broken(_tree: rooted_files.Tree) -> Iterator[rooted_files.Found]:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(rooted_files.Tree, "files", broken)
    with pytest.raises(RemediationRefused, match="'shop-logs' cannot be read: Input/output error"):
        place.plan()


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (("/etc/*",), "not relative"),
        (("../*.log",), "not relative"),
        (("a/../b.log",), "not relative"),
        (("a//b.log",), "not relative"),
        (("",), "not relative"),
        (("-rf",), "holds more than"),
        (("a b",), "holds more than"),
        (("{service}-*.log",), "holds more than"),
        (("$(id)",), "holds more than"),
        (("a\n",), "holds more than"),
        (("**",), r"\*\* stands for folders"),
        (("a**.log",), r"\*\* stands for folders"),
        (("**/**/**/x",), r"more than 2 \*\*"),
        (("x" * 300,), "holds more than"),
    ],
)
def test_pattern_unsafe_is_refused_by_config_and_by_plan(place: Place, files: tuple[str, ...], words: str) -> None:
    """A pattern that could leave the root, or holds anything unusual, is refused twice."""
    with pytest.raises(config_file.ConfigInvalid, match=words):
        config_file.decode({"root": "r", "files": list(files)}, Wanted, "playbook")
    smuggled = Wanted(root="shop-logs")
    msgspec.structs.force_setattr(smuggled, "files", files)
    with pytest.raises(RemediationRefused, match=words):
        place.cleanup.plan(smuggled)


def test_plan_without_patterns_or_of_another_kind_is_refused(place: Place) -> None:
    """No pattern never means every file."""
    with pytest.raises(RemediationRefused, match="files: is empty"):
        place.cleanup.plan(Wanted(root="shop-logs"))
    with pytest.raises(RemediationRefused, match="not those of cleanup"):
        place.cleanup.plan(CleanupConfig())


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("/", "never a root"),
        ("//", "never a root"),
        ("/./", "never a root"),
        ("/etc/", "never a root"),
        ("/var", "never a root"),
        ("/proc/1/root/var/log", "never a root"),
        ("/var/log/../..", "no absolute path"),
        ("logs", "no absolute path"),
        ("", "no absolute path"),
        ("/a\0b", "no absolute path"),
    ],
)
def test_config_dangerous_root_is_refused(path: str, words: str) -> None:
    """The root of the machine, its system folders, relative and odd paths are configuration errors with their place."""
    with pytest.raises(config_file.ConfigInvalid, match=rf"handler.yml: roots\S*: .*{words}"):
        config_file.decode({"roots": {"x": {"path": path}}}, CleanupConfig, "handler.yml")


def test_config_odd_root_name_is_refused() -> None:
    """A name that no playbook could write is a mistake."""
    with pytest.raises(config_file.ConfigInvalid, match="the root name 'a b'"):
        config_file.decode({"roots": {"a b": {"path": "/srv/x"}}}, CleanupConfig, "handler.yml")


def test_run_skips_what_changed_since_the_plan(place: Place) -> None:
    """A file that grew, was replaced or vanished stays as it is; the others go."""
    for name in ("grown", "replaced", "gone", "linked", "same"):
        place.file(f"{name}.log")
    plan = place.plan()
    with (place.root / "grown.log").open("ab") as writer:
        writer.write(b"!")
    place.file("new.log", 5).rename(place.root / "replaced.log")
    (place.root / "gone.log").unlink()
    os.link(place.root / "linked.log", place.folder / "second")
    outcome = place.run(plan)
    assert place.left() == ["grown.log", "linked.log", "replaced.log"]
    assert (outcome.status, outcome.summary) == ("succeeded", "1 file cleaned up, 1.5 kB freed; 4 skipped")
    assert "skipped linked.log: it has a second name (hard link)" in outcome.output


def test_run_folder_that_became_a_link_is_skipped(place: Place) -> None:
    """A folder swapped for a link to the outside leads nowhere."""
    place.file("a/x.log")
    plan = place.plan("**/*.log")
    (place.root / "a").rename(place.folder / "moved")
    (place.root / "a").symlink_to(place.folder / "moved")
    assert place.run(plan).summary == "0 files cleaned up, 0 B freed; 1 skipped"
    assert (place.folder / "moved" / "x.log").exists()


def test_run_tells_failures(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """What cannot be deleted is told with the system's reason; a run that only failed has failed."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    place.file("x.log")
    plan = place.plan()
    monkeypatch.setattr(os, "unlink", refuse)
    outcome = place.run(plan)
    assert (outcome.status, outcome.output) == ("failed", "failed x.log: Permission denied")
    assert outcome.summary == "0 files cleaned up, 0 B freed; 1 failed"


def test_run_spares_what_a_program_writes_to(place: Place) -> None:
    """A file that is open for writing is neither deleted nor compressed, and people read so."""
    with place.file("x.log").open("ab"):
        outcome = place.run(place.plan())
    assert outcome.output == "skipped x.log: a program writes to it"
    assert place.left()


def test_run_honours_the_deadline_between_files(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Out of time: what was done is told, the rest stays."""
    for number in range(3):
        place.file(f"{number}.log", 900 - number)
    ticks = iter([0.0, 0.0, 1.0, 99.0])
    plan = place.plan()
    monkeypatch.setattr(cleanup.time, "monotonic", lambda: next(ticks))
    outcome = place.run(plan, seconds=10)
    assert (outcome.status, outcome.figures["files"], place.left()) == ("timed_out", 2.0, ["2.log"])
    assert outcome.summary == "2 files cleaned up, 3.0 kB freed; out of time"


def test_run_honours_the_deadline_within_a_file(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """A compression that takes too long is given up and leaves the original."""
    place.file("x.log")
    ticks = iter([0.0, 1.0, 99.0])
    plan = place.plan(action="compress")
    monkeypatch.setattr(time, "monotonic", lambda: next(ticks))
    assert (place.run(plan, seconds=10).status, place.left()) == ("timed_out", ["x.log"])


def test_run_compress_leaves_archives_and_open_files_alone(place: Place) -> None:
    """Plain files are packed; packed ones, those being written and those that became so are not."""
    place.file("a.log")
    place.file("b.log", content=b"\x1f\x8b" + b"x" * 500)
    place.file("c.log.gz")
    with place.file("d.log").open("ab"):
        plan = place.plan("*.log", "*.gz", action="compress")
        assert paths_of(plan) == ["a.log"]
    with (place.root / "a.log").open("ab"):
        assert "skipped a.log: a program writes to it" in place.run(plan).output
    outcome = place.run(plan)
    assert (outcome.status, outcome.output.partition(":")[0]) == ("succeeded", "compressed a.log")
    assert place.left() == ["a.log.gz", "b.log", "c.log.gz", "d.log"]


def test_plan_removes_leftovers_of_an_interrupted_compression(place: Place) -> None:
    """An old temporary copy is deleted first, also with the second name that a crash left; a young one stays."""
    old = place.file(".nightshift-00.tmp", 4000)
    os.link(old, place.root / "x.log.gz")
    place.file(".nightshift-01.tmp", 100)
    place.file("y.log")
    plan = place.plan(action="compress")
    assert plan.steps[0].startswith("delete .nightshift-00.tmp")
    place.run(plan)
    assert place.left() == [".nightshift-01.tmp", "x.log.gz", "y.log.gz"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"remediation": "restart"}, "not one of cleanup"),
        ({"payload": msgspec.Raw(b'{"root":"shop-logs"}')}, "was changed"),
        ({"target": "other"}, "was changed"),
        ({"digest": ""}, "was changed"),
    ],
)
def test_run_changed_plan_does_nothing(place: Place, change: dict[str, object], words: str) -> None:
    """A plan that is not sealed as it was made is void."""
    place.file("x.log")
    outcome = place.run(place.plan().evolve(**change))
    assert (outcome.status, place.left()) == ("failed", ["x.log"])
    assert words in outcome.summary


def test_run_sealed_nonsense_does_nothing(place: Place) -> None:
    """A payload that is none is told, not raised."""
    plan = Plan(remediation="cleanup", target="shop-logs", summary="", payload=msgspec.Raw(b"[]")).sealed()
    assert place.run(plan).summary == "the plan cannot be read; nothing was done"


def test_run_root_that_is_no_longer_the_same_does_nothing(place: Place) -> None:
    """Another folder under the same name, no folder, or another declaration void the plan."""
    place.file("x.log")
    plan = place.plan()
    assert "no longer declared" in Cleanup(CleanupConfig()).run(plan, Limits(5, place.lock)).summary
    place.root.rename(place.folder / "old")
    assert "does not exist" in place.run(plan).summary
    place.file("x.log")
    assert "another folder than when it was planned" in place.run(plan).summary
    assert place.left() == ["x.log"]


def test_run_holds_its_lock_and_gives_way_to_another(place: Place) -> None:
    """Two handlers never clean up under one lock."""
    place.file("x.log")
    plan = place.plan()
    with process.locked(place.lock):
        assert "another run still holds" in place.run(plan).summary
    assert place.run(plan).status == "succeeded"
    assert not process.still_running(place.lock)


def test_run_out_of_descriptors_is_an_outcome(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """What goes wrong before the first file is told too."""

    def broken(_self: object, _tree: object) -> None:
        raise OSError(errno.EMFILE, "Too many open files")

    place.file("x.log")
    plan = place.plan()
    monkeypatch.setattr(cleanup._Work, "__init__", broken)
    assert place.run(plan).summary == "nothing was done: Too many open files"


def test_run_is_idempotent(place: Place) -> None:
    """The same plan again does nothing more and is a success."""
    place.file("x.log")
    plan = place.plan()
    assert [place.run(plan).figures["files"] for _ in range(2)] == [1.0, 0.0]
    assert place.run(plan).status == "succeeded"


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1500, "1.5 kB"), (2e6, "2.0 MB"), (3e9, "3.0 GB"), (5e13, "50.0 TB")],
)
def test_size_text_is_for_people(size: float, text: str) -> None:
    """Decimal units, one digit."""
    assert size_text(size) == text


FILES = st.lists(
    st.tuples(st.sampled_from("abc"), st.integers(-100, 300), st.integers(0, 50), st.booleans()), max_size=12
)


@settings(deadline=None, max_examples=80)
@given(FILES, st.integers(0, 200), st.integers(1, 5), st.integers(1, 120), st.integers(0, 3))
def test_caps_age_and_newest_always_hold(
    files: list[tuple[str, int, int, bool]], min_age: int, max_files: int, max_bytes: int, keep: int
) -> None:
    """Whatever lies there: never more files or bytes than allowed, never a young one, never the newest."""
    with temporary_place() as place:
        ages = {}
        for number, (folder, age, size, linked) in enumerate(files):
            file = place.file(f"{folder}/{number}.log", age, b"x" * size)
            if linked:
                os.link(file, place.folder / str(number))
            else:
                ages[f"{folder}/{number}.log"] = (age, number)
        before = set(place.left())
        with contextlib.suppress(RemediationRefused):
            limits = {"min_age_seconds": min_age, "max_files": max_files, "max_bytes": max_bytes}
            assert place.run(place.plan("**/*.log", keep_newest=keep, **limits)).status == "succeeded"
        gone = before - set(place.left())
        assert len(gone) <= max_files
        assert sum(files[ages[path][1]][2] for path in gone) <= max_bytes
        assert all(ages[path][0] >= min_age for path in gone)
        assert not gone & set(sorted(ages, key=lambda path: (-ages[path][0], path))[max(0, len(ages) - keep) :])


@contextlib.contextmanager
def temporary_place() -> Iterator[Place]:
    """A place of one example."""
    with tempfile.TemporaryDirectory() as folder:
        yield Place(Path(folder))


@pytest.mark.parametrize("action", ["delete", "compress"])
def test_cleanup_survives_200_runs_against_a_swapping_attacker(place: Place, action: str) -> None:
    """A process inside the root swaps a folder with a link to the outside during every plan and run.

    The outside stays untouched in 200 of 200 runs, while cleanups really happen.
    """
    outside, real = place.folder / "outside", place.root / "a"
    outside.mkdir()
    real.mkdir()
    (place.root / "b").symlink_to(outside)
    precious = write_old(outside / "x.log")
    before, cleaned = precious.stat(), 0.0
    folder = os.open(real, os.O_RDONLY)
    with swapping(real, place.root / "b"):
        for _ in range(200):
            write_old(Path(f"/proc/self/fd/{folder}/x.log"))
            with contextlib.suppress(RemediationRefused):
                cleaned += place.run(place.plan("**/*.log", action=action)).figures["files"]
            Path(f"/proc/self/fd/{folder}/x.log.gz").unlink(missing_ok=True)
    os.close(folder)
    assert precious.stat()[:8] == before[:8]
    assert [path.name for path in outside.iterdir()] == ["x.log"]
    assert cleaned > 20


def write_old(file: Path) -> Path:
    """*file* with some text, old enough to go."""
    file.write_bytes(b"precious text\n" * 100)
    os.utime(file, ns=(0, int((NOW - 1000) * 1e9)))
    return file
