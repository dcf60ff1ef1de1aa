"""What a git checkout stands at, read from its files: no git process, no objects but loose tags.

Reads HEAD, loose and packed refs, worktrees and submodules (`.git` is a file there), bare repositories, and the
reflog, which tells when HEAD came to where it is. A checkout in the reftable format cannot be read.
"""

import re
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from exporter.errors import SourceMalformed, SourceUnavailable
from exporter.sources import regular_files

_SMALL = 4096
_PACKED_REFS = 8 * 1024 * 1024
#: More loose tags than this are not looked through.
MAX_TAGS = 5000
_MAX_HOPS = 5
#: Letters of a commit that stand for its version where it has no tag.
SHORT = 12

_COMMIT = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")
#: What git allows in the name of a ref, and no more than a label should hold.
_REF = re.compile(r"refs/(?!.*\.\.)[\w./+@#%,=-]{1,200}")
_TAG_OBJECT = re.compile(rb"tag \d+\0object ([0-9a-f]{40,64})\ntype commit\n")
_REFLOG = re.compile(rb"[0-9a-f]+ ([0-9a-f]+) .*> (\d{1,12}) [+-]\d{4}(?:\t(.*))?")
_MOVED = re.compile(r"checkout: moving from \S+ to (\S+)")


class GitCommit(NamedTuple):
    """Where a checkout stands.

    Attributes:
        commit: the whole hash.
        version: the tag that names it, else its first letters.
        since: Unix time in seconds at which HEAD came there.
    """

    commit: str
    version: str
    since: float


class Checkout:
    """The checkout (or bare repository) in the folder *path*."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._tagged: tuple[object, str] = (None, "")

    def read(self) -> GitCommit:
        """Where it stands now.

        Raises:
            SourceUnavailable: there is no repository, or it cannot be read.
            SourceMalformed: its files are not what git writes.
        """
        try:
            return self._read()
        except (OSError, ValueError) as error:  # its files hold names that no system takes
            raise SourceUnavailable(f"{self._path}: cannot be read: {error}") from error

    def _read(self) -> GitCommit:
        git = self._git_folder()
        common = git / _text(git / "commondir") if (git / "commondir").exists() else git
        commit, place = _resolve(git, common)
        since, name = _arrival(git, commit) or (regular_files.stamp_of(place).modified_seconds, "")
        return GitCommit(commit, self._version(common, commit, name), since)

    def _git_folder(self) -> Path:
        """The folder that holds HEAD."""
        inner = self._path / ".git"
        if inner.is_dir():
            return inner
        if not inner.exists():
            return self._path
        word, _, target = _text(inner).partition(": ")
        if word != "gitdir" or not target:
            raise SourceMalformed(f"{inner}: says neither where the repository is nor is one")
        return self._path / target

    def _version(self, common: Path, commit: str, checked_out: str) -> str:
        """The tag of *commit*; looked up anew when the commit or the tags have changed."""
        key = (commit, checked_out, *(_changed(common / name) for name in ("packed-refs", "refs/tags")))
        if self._tagged[0] != key:
            tags = set(_packed_tags(common, commit)) | set(_loose_tags(common, commit))
            known = checked_out in tags or (checked_out and (common / "refs/tags" / checked_out).is_file())
            self._tagged = (key, checked_out if known else max(tags, key=_natural, default=commit[:SHORT]))
        return self._tagged[1]


def _resolve(git: Path, common: Path) -> tuple[str, Path]:
    """The commit of HEAD, and the file that names it."""
    place = git / "HEAD"
    text = _text(place)
    for _ in range(_MAX_HOPS):
        if _COMMIT.fullmatch(text):
            return text, place
        word, _, name = text.partition(" ")
        if word != "ref:" or not _REF.fullmatch(name):
            raise SourceMalformed(f"{git}: HEAD names {text!r:.60}, which is neither a commit nor a ref")
        if name == "refs/heads/.invalid":
            raise SourceMalformed(f"{git}: is in the reftable format; give the version by a file or the webhook")
        loose = [folder / name for folder in (git, common) if (folder / name).is_file()]
        place = loose[0] if loose else common / "packed-refs"
        text = _text(place) if loose else _packed(common, name)
    raise SourceMalformed(f"{git}: HEAD leads from ref to ref without an end")


def _packed(common: Path, name: str) -> str:
    for value, ref in _packed_refs(common):
        if ref == name:
            return value
    raise SourceUnavailable(f"{common}: {name} has no commit yet")


def _packed_refs(common: Path) -> Iterator[tuple[str, str]]:
    """The pairs of commit and name in packed-refs; the commit that a tag leads to comes with the tag's name."""
    if not (common / "packed-refs").exists():
        return
    raw, _ = regular_files.read(common / "packed-refs", _PACKED_REFS)
    name = ""
    for line in raw.decode("utf-8", "replace").splitlines():
        if line.startswith("^"):
            yield line[1:], name
        elif not line.startswith("#"):
            value, _, name = line.partition(" ")
            yield value, name


def _packed_tags(common: Path, commit: str) -> Iterator[str]:
    for value, name in _packed_refs(common):
        if value == commit and name.startswith("refs/tags/") and _REF.fullmatch(name):
            yield name.removeprefix("refs/tags/")


def _loose_tags(common: Path, commit: str) -> Iterator[str]:
    folder = common / "refs/tags"
    for number, path in enumerate(folder.rglob("*")):
        if number >= MAX_TAGS:
            return
        name = path.relative_to(folder).as_posix()
        if _REF.fullmatch(f"refs/tags/{name}") and path.is_file():
            value = _text(path)
            if commit in (value, _tagged_commit(common, value)):
                yield name


def _tagged_commit(common: Path, value: str) -> str:
    """The commit that the tag object *value* leads to; empty where it is no loose tag object."""
    path = common / "objects" / value[:2] / value[2:]
    if not _COMMIT.fullmatch(value) or not path.is_file():
        return ""
    with regular_files.opened(path) as (file, _):
        packed = file.read(_SMALL)
    try:
        found = _TAG_OBJECT.match(zlib.decompressobj().decompress(packed, _SMALL))
    except zlib.error:
        return ""
    return found[1].decode() if found else ""


def _arrival(git: Path, commit: str) -> tuple[float, str] | None:
    """When HEAD came to *commit*, and the name that was checked out then; None where no reflog tells."""
    reflog = git / "logs/HEAD"
    if not reflog.is_file():
        return None
    with regular_files.opened(reflog) as (file, stamp):
        file.seek(max(0, stamp.size - _SMALL))
        lines = file.read(_SMALL).splitlines()
    found = _REFLOG.fullmatch(lines[-1]) if lines else None
    if not found or found[1].decode() != commit:
        return None
    moved = _MOVED.fullmatch((found[3] or b"").decode("utf-8", "replace"))
    name = moved[1] if moved and _REF.fullmatch(f"refs/tags/{moved[1]}") else ""
    return float(found[2]), name


def _natural(name: str) -> list[tuple[int, int, str]]:
    """Sorts v1.10 after v1.9, and what has numbers after what has none."""
    parts = re.findall(r"[0-9]+|[^0-9]+", name)
    return [(1, int(part[:18]), "") if part.isdecimal() else (0, 0, part) for part in parts]


def _changed(path: Path) -> float:
    """When *path* was changed last; 0 where it is not there."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _text(path: Path) -> str:
    raw, _ = regular_files.read(path, _SMALL)
    return raw.decode("utf-8", "replace").strip()
