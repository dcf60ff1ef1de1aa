"""The runbooks: Markdown pages for people, one per topic, `docs/runbooks/<stem>.md` in a checkout.

A wheel carries them inside the package, so that a rule's `runbook_url` leads to a page of the handler in both cases.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from alert_handler.presentation import markdown

_PACKAGE = Path(__file__).parent
FOLDERS = (_PACKAGE / "runbooks", _PACKAGE.parent / "docs" / "runbooks")
_STEM = re.compile(r"[A-Za-z0-9_-]{1,64}")


class Runbook(msgspec.Struct, frozen=True):
    """One page: its topic, its first heading, its text."""

    stem: str
    title: str
    markdown: str


def find(stem: str, folders: tuple[Path, ...] = FOLDERS) -> Runbook | None:
    """The runbook *stem*, or None; only names of letters, digits, _ and - are looked for."""
    if not _STEM.fullmatch(stem):
        return None
    files = (folder / f"{stem}.md" for folder in folders)
    return next((_read(file) for file in files if file.is_file()), None)


def everyone(folders: tuple[Path, ...] = FOLDERS) -> Iterator[Runbook]:
    """Every runbook, by name."""
    stems = {file.stem for folder in folders for file in folder.glob("*.md")}
    found = (find(stem, folders) for stem in sorted(stems))
    return (runbook for runbook in found if runbook)


def _read(file: Path) -> Runbook:
    text = file.read_text(encoding="utf-8")
    return Runbook(file.stem, markdown.title(text) or file.stem, text)
