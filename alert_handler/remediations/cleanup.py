"""Remediation `cleanup`: delete or compress old files below a declared root.

The plan lists every file with its inode, size and time of change; the run does exactly these files, oldest first, and
skips one that changed since, or that a program writes to: deleting it would lose what is written and free nothing
until the program closes it. Only programs that this user may see are known. Only regular files with one name on the
root's own mount count. Nothing is truncated.
"""

import re
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import ClassVar, Literal

import msgspec

from alert_handler.compression import OutOfTime, compress, is_temporary
from alert_handler.errors import RemediationRefused
from alert_handler.file_choice import Action, Item, Wanted, check_pattern, choose
from alert_handler.model import Outcome, Plan, Risk
from alert_handler.process import LockTaken, locked
from alert_handler.remediation import Limits
from alert_handler.rooted_files import MAX_ENTRIES, Changed, RootRefused, Tree, open_for_writing, open_root, remove
from chassis.config_file import nearest
from chassis.logs import clean
from chassis.plugins import plugin

NAME = "cleanup"

#: Lines in a plan and in an outcome; the rest is counted.
MAX_LINES = 200

_ROOT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
#: No root, whoever declares it: a mistake here ends the machine.
_FORBIDDEN = re.compile(r"/|/(?:bin|boot|dev|etc|home|lib|lib64|proc|root|run|sbin|sys|usr|var)|/(?:dev|proc|sys)/.*")


class Root(msgspec.Struct, frozen=True):
    """A folder below which files may be cleaned up."""

    path: str

    def __post_init__(self) -> None:
        """Refuse what must never be a root (ValueError)."""
        if not self.path.startswith("/") or not self.path.isprintable() or ".." in self.path.split("/"):
            raise ValueError(f"{self.path!r} is no absolute path without '..'")
        if _FORBIDDEN.fullmatch(str(self.folder)):
            raise ValueError(f"{self.path!r} is never a root for cleanup; declare the folder that holds the files")

    @property
    def folder(self) -> Path:
        """The path, normalised."""
        return Path("/", self.path.lstrip("/"))


class CleanupConfig(msgspec.Struct, frozen=True):
    """The declared roots by name."""

    roots: dict[str, Root] = {}

    def __post_init__(self) -> None:
        """Refuse names that a playbook could not write (ValueError)."""
        for name in self.roots:
            if not _ROOT_NAME.fullmatch(name):
                raise ValueError(f"the root name {name!r} is not of letters, digits and . _ -")


class Payload(msgspec.Struct, frozen=True):
    """Everything that the run needs: the root as it was found, and the files."""

    root: str
    path: str
    device: int
    inode: int
    items: tuple[Item, ...]


class _Void(Exception):
    """The plan cannot be run any more; the message says why."""


@plugin("remediation", NAME)
class Cleanup:
    """Deletes or compresses old files; a file that is gone is gone, so it may be repeated."""

    idempotent: ClassVar[bool] = True
    risk: ClassVar[Risk] = Risk.SAFE
    Params: ClassVar[type[msgspec.Struct]] = Wanted
    Config: ClassVar[type[msgspec.Struct]] = CleanupConfig

    def __init__(self, config: CleanupConfig, clock: Callable[[], float] = time.time) -> None:
        self._roots = config.roots
        self._clock = clock

    def plan(self, params: msgspec.Struct) -> Plan:
        """The files that `run` would delete or compress.

        Raises:
            RemediationRefused: the root is not declared or unusable, a pattern is unsafe, or nothing matches.
        """
        wanted = _checked(params)
        root = self._declared(wanted.root)
        try:
            with open_root(root.folder) as tree:
                items = choose(tree, wanted, self._clock())
        except RootRefused as error:
            raise RemediationRefused(f"root {wanted.root!r}: {error}") from error
        except OSError as error:
            raise RemediationRefused(f"root {wanted.root!r} cannot be read: {error.strerror}") from error
        if not items:
            raise RemediationRefused(_nothing(wanted, root, tree))
        payload = Payload(wanted.root, str(root.folder), tree.device, tree.inode, items)
        return _described(payload, wanted.action, tree).sealed()

    def _declared(self, name: str) -> Root:
        if not _ROOT_NAME.fullmatch(name):
            raise RemediationRefused(f"{clean(name[:80])!r} is no name of a root (letters, digits and . _ -)")
        if name not in self._roots:
            hint = nearest(name, self._roots)
            raise RemediationRefused(f"no root {name!r} is declared under remediations.cleanup.roots{hint}")
        return self._roots[name]

    def run(self, plan: Plan, limits: Limits) -> Outcome:
        """Delete or compress the planned files until done or out of time."""
        deadline = time.monotonic() + limits.deadline_seconds
        try:
            payload = self._payload(plan)
            with locked(limits.lock_file), open_root(Path(payload.path)) as tree:
                _same_root(tree, payload)
                return _Work(tree).through(payload.items, deadline)
        except (_Void, LockTaken, RootRefused) as error:
            return Outcome(status="failed", summary=str(error))
        except OSError as error:
            return Outcome(status="failed", summary=f"nothing was done: {error.strerror}")

    def _payload(self, plan: Plan) -> Payload:
        if plan.remediation != NAME or plan.sealed().digest != plan.digest:
            raise _Void("the plan is not one of cleanup, or was changed; nothing was done")
        try:
            payload = msgspec.json.decode(plan.payload, type=Payload)
        except msgspec.MsgspecError as error:
            raise _Void("the plan cannot be read; nothing was done") from error
        declared = self._roots.get(payload.root)
        if declared is None or str(declared.folder) != payload.path:
            raise _Void(f"root {payload.root!r} is no longer declared as {payload.path}; nothing was done")
        return payload


def _same_root(tree: Tree, payload: Payload) -> None:
    if (tree.device, tree.inode) != (payload.device, payload.inode):
        raise _Void(f"{payload.path} is another folder than when it was planned; nothing was done")


def _checked(params: msgspec.Struct) -> Wanted:
    if not isinstance(params, Wanted):
        raise RemediationRefused(f"the parameters are not those of {NAME}")
    if not params.files:
        raise RemediationRefused("files: is empty; name the files to clean up, e.g. '*.log.*'")
    try:
        for pattern in params.files:
            check_pattern(pattern)
    except ValueError as error:
        raise RemediationRefused(str(error)) from error
    return params


def _described(payload: Payload, action: Action, tree: Tree) -> Plan:
    total = size_text(sum(item.size for item in payload.items))
    steps = [_line(item) for item in payload.items[:MAX_LINES]]
    if len(payload.items) > MAX_LINES:
        steps.append(f"... and {len(payload.items) - MAX_LINES} more")
    return Plan(
        remediation=NAME,
        target=payload.root,
        summary=f"{action} {_files(len(payload.items))} ({total}) below {clean(payload.path)}{_limits_of(tree)}",
        steps=tuple(steps),
        payload=msgspec.Raw(msgspec.json.encode(payload)),
    )


def _line(item: Item) -> str:
    changed = datetime.fromtimestamp(item.mtime_ns // 10**9, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return f"{item.action} {item.shown} ({size_text(item.size)}, last changed {changed})"


def _limits_of(tree: Tree) -> str:
    """What the walk did not see."""
    notes = [f"{tree.unreadable} folders cannot be entered"] * bool(tree.unreadable)
    notes += [f"only the first {MAX_ENTRIES} names were looked at"] * tree.cut
    return f"; {', '.join(notes)}" if notes else ""


def _nothing(wanted: Wanted, root: Root, tree: Tree) -> str:
    larger = f" and larger than {size_text(wanted.larger_than_bytes)}" if wanted.larger_than_bytes else ""
    kept = f" (the newest {wanted.keep_newest} are kept)" if wanted.keep_newest else ""
    which = f"nothing older than {wanted.min_age_seconds:g} s{larger} matches {', '.join(wanted.files)}"
    return f"{which} in {clean(str(root.folder))}{kept}{_limits_of(tree)}"


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count} files"


def size_text(size: float) -> str:
    """A size for people: `512 B`, `1.5 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"


class _Work:
    """The run of a plan: what was done, what was skipped, what failed."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._busy = open_for_writing(tree.path)
        self._lines: list[str] = []
        self._counts = {"done": 0, "skipped": 0, "failed": 0}
        self._freed = 0

    def through(self, items: Iterable[Item], deadline: float) -> Outcome:
        """Do *items* one after the other until *deadline* (monotonic)."""
        for item in items:
            if time.monotonic() >= deadline or not self._one(item, deadline):
                return self._outcome("timed_out")
        return self._outcome("failed" if self._counts["failed"] and not self._counts["done"] else "succeeded")

    def _one(self, item: Item, deadline: float) -> bool:
        """Do one item and note its ending; False when time ran out in the middle of it."""
        try:
            gained = self._act(item, deadline)
        except OutOfTime:
            return False
        except (Changed, FileNotFoundError, NotADirectoryError) as error:
            self._note("skipped", item, str(error) if isinstance(error, Changed) else "it is gone")
        except OSError as error:
            self._note("failed", item, error.strerror or "")
        else:
            self._freed += gained
            self._note("done", item, size_text(gained))
        return True

    def _act(self, item: Item, deadline: float) -> int:
        """Delete or compress; gives the bytes gained."""
        with self._tree.folder_of(item.native_path) as (folder, name):
            if item.native_path in self._busy:
                raise Changed("a program writes to it")
            if item.action == "delete":
                remove(folder, name, item.identity, max_links=2 if is_temporary(name) else 1)
                return item.size
            return compress(folder, name, item.identity, deadline)

    def _note(self, ending: str, item: Item, why: str) -> None:
        self._counts[ending] += 1
        if len(self._lines) < MAX_LINES:
            done = {"delete": "deleted", "compress": "compressed"}[item.action]
            self._lines.append(f"{done if ending == 'done' else ending} {item.shown}: {why}")

    def _outcome(self, status: Literal["succeeded", "failed", "timed_out"]) -> Outcome:
        counts = self._counts
        parts = [f"{_files(counts['done'])} cleaned up, {size_text(self._freed)} freed"]
        parts += [f"{counts[key]} {key}" for key in ("skipped", "failed") if counts[key]]
        parts += ["out of time"] * (status == "timed_out")
        more = sum(counts[key] for key in ("done", "skipped", "failed")) - len(self._lines)
        output = "\n".join([*self._lines, *([f"... and {more} more"] if more else [])])
        figures = {"files": float(counts["done"]), "bytes": float(self._freed)}
        return Outcome(status=status, summary="; ".join(parts), output=output, figures=figures)
