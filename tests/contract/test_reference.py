"""The reference is written for people who write YAML: it speaks of no Python type, and says what each key means."""

import re
from pathlib import Path

import pytest

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
CONFIG = (REFERENCE / "config.md").read_text(encoding="utf-8")
EXPORTER = CONFIG.partition("## alert_handler.yml")[0]
#: Keys whose sections say all that there is to say of them.
PLAIN = {
    "username",
    "password",
    "password_file",
    "header",
    "regexp",
    "allow_missing",
    "critical",
    "high",
    "medium",
    "low",
}


def rows(text: str) -> list[list[str]]:
    """The cells of the tables' rows: key, type, default, meaning."""
    lines = re.findall(r"^\| (`.*) \|$", text, re.MULTILINE)
    return [[cell.strip() for cell in re.split(r"(?<!\\) \| ", f"{line} ")] for line in lines]


def anchor(heading: str) -> str:
    """What a link to a heading is called."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def test_types_are_words_of_yaml() -> None:
    """Nothing of Python shows through."""
    types = {re.sub(r"\(#.*?\)", "", row[1]) for row in rows(CONFIG)}
    assert len(rows(CONFIG)) > 300
    assert [
        kind for kind in types if re.search(r"str|int\b|dict|tuple|None|Literal|Annotated|exporter\.|msgspec", kind)
    ] == []
    assert [row[2] for row in rows(CONFIG) if re.search(r"UNSET|None|True|False|factory", row[2])] == []


def test_links_lead_to_sections() -> None:
    """Each struct inside another is one click away."""
    sections = {anchor(heading) for heading in re.findall(r"^#+ (.*)", CONFIG, re.MULTILINE)}
    assert [link for link in re.findall(r"\(#([^)]+)\)", CONFIG) if link not in sections] == []


def test_sections_are_told_apart() -> None:
    """No two headings are the same, so no link is ambiguous."""
    headings = re.findall(r"^### (.*)", CONFIG, re.MULTILINE)
    assert len(headings) == len({anchor(heading) for heading in headings})


@pytest.mark.parametrize("row", rows(EXPORTER), ids=lambda row: row[0].strip("`"))
def test_key_of_the_exporter_has_a_meaning(row: list[str]) -> None:
    """A key says what it is for, unless its section does."""
    assert row[3] or row[0].strip("`") in PLAIN
