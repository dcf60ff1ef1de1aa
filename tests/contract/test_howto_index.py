"""Whoever looks for a how-to finds it in the index, and the index from the README."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
HOWTO = ROOT / "docs" / "howto"


def test_index_lists_every_howto() -> None:
    """Each page of the folder has a row, and no row a page that is not there."""
    listed = re.findall(
        r"^\| \[[^]]+\]\(([\w-]+\.md)\)", (HOWTO / "README.md").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert sorted(listed) == sorted(path.name for path in HOWTO.glob("*.md") if path.name != "README.md")


def test_readme_leads_to_the_index_and_the_conventions() -> None:
    """Both are one click away."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "(docs/howto/README.md)" in readme
    assert "(docs/conventions.md)" in readme
