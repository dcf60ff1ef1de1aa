"""Would the schedules notice a follower that is wrong? Seeds one bug after the other and plays them.

    python bench/follow_mutations.py                # every bug
    python bench/follow_mutations.py --only inode   # those whose name has this word

Each bug is a change of one place in a copy of the project. It is caught when a schedule loses a line or counts one
twice, or else when a test of the follower fails. Exit 1 if one is not caught, or if its place is not found any more.
"""

# ruff: noqa: E501 -- a bug stands on one line

import argparse
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("exporter", "chassis", "tests/exporter", "tests/conftest.py", "bench/follow_schedules.py", "pyproject.toml")
TESTS = [
    f"tests/exporter/test_{stem}.py" for stem in ("follow", "log_file", "log_position", "packed_log", "rotated_logs")
]


@dataclass(frozen=True)
class Bug:
    """In *file* below exporter/sources, *right* becomes *wrong*."""

    name: str
    file: str
    right: str
    wrong: str


BUGS = (
    Bug("partial line given", "log_file.py", 'end = data.rfind(b"\\n") + 1', "end = len(data)"),
    Bug("partial line lost", "log_file.py", "self._partial + data[begin:end]", "data[begin:end]"),
    Bug("offset counts the partial line", "log_file.py", "self._give(self.position + end,", "self._give(self.position + len(data),"),
    Bug("last line without end lost", "log_file.py", 'return rest + b"\\n" if rest else b""', 'return b""'),
    Bug("truncation by size only", "log_file.py", "return True\n        return os.pread", "return self.length() < lines.position\n        return False and os.pread"),
    Bug("no truncation noticed", "log_file.py", "        if self.length() < lines.position or", "        return False\n        if self.length() < lines.position or"),
    Bug("mark fits every longer file", "log_file.py", "== (mark.head, mark.tail)", "!= (-1, -1)"),
    Bug("tail is not compared", "log_position.py", "crc32(tail[-TAIL_BYTES:])", "0"),
    Bug("old file dropped at a rename", "followed_log.py", "        self._current = None\n        yield from self._read_on(log)", "        self._current = None\n        self._known.remember(self._older.pop().log.done())\n        yield from ()"),
    Bug("old files are not read on", "followed_log.py", "        surplus = self._surplus()\n", "        return\n        surplus = self._surplus()\n"),
    Bug("only one rotation between looks", "followed_log.py", "        yield from self._read_beside()\n", ""),
    Bug("rotated files newest first", "rotated_logs.py", "names[-MAX_ROTATED:]", "names[: -len(names) : -1]"),
    Bug("rotated files are listed once", "rotated_logs.py", "if changed != self._changed:", "if self._changed == -1 and not self.version:"),
    Bug("half compressed twin is read", "rotated_logs.py", "if not (name.endswith(PACKED) and name.removesuffix(PACKED) in names):", "if True:"),
    Bug("position forgets older files", "followed_log.py", "*[older.log.mark for older in self._older], *current", "*current"),
    Bug("position forgets closed files", "followed_log.py", "(*self._known.marks, *[", "(*["),
    Bug("position before the piece", "follow.py", "self._note(path, followed.marks)\n                yield Piece(data, self.position, path)", "yield Piece(data, self.position, path)\n                self._note(path, followed.marks)"),
    Bug("position is not resumed", "followed_log.py", "            log.start(mark.offset)\n            return True", "            return True"),
    Bug("inode alone identifies a file", "known_files.py", "(mark.offset and log.fits(mark))", "mark.offset"),
    Bug("empty mark identifies a file", "known_files.py", "(mark.offset and log.fits(mark))", "log.fits(mark)"),
    Bug("inode of compressed file alone", "packed_log.py", "mark.packed == self._size and mark.head == zlib.crc32(self._head)", "mark.packed > 0"),
    Bug("copies are not recognised", "known_files.py", "            if mark.offset and (whole", "            if not mark and (whole"),
    Bug("copy of an open file is read", "unread_files.py", "        if original is not None:", "        if False and original is not None:"),
    Bug("shorter copy is read", "known_files.py", "return any(length <= one.mark.offset and", "return any(False and"),
    Bug("every copy is a shorter one", "known_files.py", "return any(length <= one.mark.offset and", "return any("),
    Bug("reused inode of a copy", "known_files.py", "and one.begins_like(log) for", "for"),
    Bug("rest of a copy is not read", "followed_log.py", "        mark = found.mark\n", "        mark = found.mark\n        if mark is not None:\n            log.close()\n            return\n"),
    Bug("compressed file from its start", "packed_log.py", "new = data[skip:]", "new = data"),
    Bug("compressed file to its first member", "packed_log.py", "if not packed:\n                return\n", "return\n"),
    Bug("head of a compressed file too short", "packed_log.py", "            if len(head) >= HEAD_BYTES:\n                break", "            break"),
    Bug("compressed file is never done", "packed_log.py", "head=zlib.crc32(self._head), packed=self._size", "head=0, packed=0"),
    Bug("new file from its end", "followed_log.py", "elif log.identity == self._at_end_of:", "elif self._listed:"),
    Bug("fresh log from its beginning", "followed_log.py", "            self._current.start_at_end()\n", ""),
    Bug("backlog always", "followed_log.py", "if not (from_beginning and backlog):", "if False:"),
    Bug("given-up file is forgotten", "followed_log.py", "        self._known.remember(log.done() if whole and log.complete else log.mark)\n", ""),
    Bug("second path is not followed", "follow.py", "for pattern in self._patterns:", "for pattern in self._patterns[:1]:"),
    Bug("links are not resolved", "log_file.py", "self._name = os.path.realpath(path)", "self._name = path"),
    Bug("known path by content before identity", "unread_files.py", "identified = {path: mark for path in fresh if (mark := self._ask(path, self._known.identified))}", "identified: dict[str, Mark] = {}"),
    Bug("broken-off search is not repeated", "followed_log.py", "        self._unfinished = True\n        search =", "        self._unfinished = False\n        self._listed = listed\n        search ="),
    Bug("late start of the opened file", "followed_log.py", "if fresh and self._current is not None:", "if not self._placed and self._current is not None:"),
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> int:
    """Seed them all; 0 when every one was caught."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="bugs with this word in their names")
    parser.add_argument("--count", type=int, default=3000, help="schedules for each (default: %(default)s)")
    options = parser.parse_args(arguments)
    chosen = [bug for bug in BUGS if options.only in bug.name]
    caught = sum(try_out(bug, options.count) for bug in chosen)
    print(f"{caught} of {len(chosen)} caught")
    return 0 if caught == len(chosen) else 1


def try_out(bug: Bug, schedules: int) -> bool:
    """Whether the schedules catch *bug*; says so."""
    with tempfile.TemporaryDirectory(prefix="nightshift-mutant-") as name:
        folder = Path(name)
        for part in PARTS:
            (folder / part).parent.mkdir(parents=True, exist_ok=True)
            copy = shutil.copytree if (ROOT / part).is_dir() else shutil.copy
            copy(ROOT / part, folder / part)
        file = folder / "exporter" / "sources" / bug.file
        text = file.read_text()
        if text.count(bug.right) != 1:
            print(f"{bug.name}: its place is not found once in {bug.file}")
            return False
        file.write_text(text.replace(bug.right, bug.wrong))
        verdict = judged(folder, schedules)
    print(f"{bug.name}: {verdict or 'NOT CAUGHT'}", flush=True)
    return bool(verdict)


def judged(folder: Path, schedules: int) -> str:
    """What caught the bug in *folder*; empty if nothing did."""
    play = [sys.executable, "bench/follow_schedules.py", "--count", str(schedules)]
    test = [sys.executable, "-m", "pytest", "-x", "-q", "-n", "0", *TESTS]
    for argv, sign in ((play, " fails: "), (test, "FAILED ")):
        done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False)
        verdict = [line for line in done.stdout.splitlines() if sign in line]
        if verdict:
            return verdict[0][:110]
    return ""


if __name__ == "__main__":
    sys.exit(main())
