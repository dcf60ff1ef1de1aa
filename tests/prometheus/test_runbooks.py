import re
from pathlib import Path

import promql_parser
import pytest

from tests.prometheus.rulebook import ROOT, Rule, alerts, targets

FOLDER = ROOT / "docs" / "runbooks"
PARTS = ["Means", "First look", "Nightshift", "You", "Threshold"]
PAGES = sorted(path for path in FOLDER.glob("*.md") if path.name != "README.md")
by_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def sections(page: Path) -> dict[str, str]:
    """Heading -> text of every section of a page."""
    parts = re.split(r"^## (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_every_alert_has_its_section_and_every_section_its_alert() -> None:
    """The section's heading is the alert's name, so its anchor is what runbook_url says; in the order of the rules."""
    stems = {rule.stem for rule in alerts()}
    assert {page.stem for page in PAGES} == stems
    for stem in stems:
        assert list(sections(FOLDER / f"{stem}.md")) == [rule.name for rule in alerts() if rule.stem == stem]


@by_page
def test_every_section_answers_the_same_questions(page: Path) -> None:
    """What it means, where to look, what Nightshift does, what you do, where the threshold is."""
    for name, text in sections(page).items():
        assert re.findall(r"^\*\*([\w ]+)\.\*\*", text, flags=re.MULTILINE) == PARTS, name


@by_page
def test_queries_of_a_runbook_are_promql(page: Path) -> None:
    """Every query block can be pasted into Prometheus as it is."""
    queries = re.findall(r"```promql\n(.+?)\n```", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert queries
    for query in "\n".join(queries).splitlines():
        promql_parser.parse(query)


@pytest.mark.parametrize("rule", alerts(), ids=str)
def test_runbook_tells_the_threshold_of_its_alert(rule: Rule) -> None:
    """The section names key, level, number and time as targets.yml has them, and the severity."""
    key, level = rule.annotations["threshold"].split(".")
    text = sections(FOLDER / f"{rule.stem}.md")[rule.name]
    assert f"`{key}`, level {level}: {targets()[key].levels[level]:.12g}" in text
    assert f"for {rule.hold};" in text or (rule.hold == "0s" and ", at once;" in text)
    assert f"severity {rule.labels['severity']}." in text


@by_page
def test_every_page_says_how_to_silence_and_how_to_change(page: Path) -> None:
    """Before the first section, so that a reader who was led to a section finds it at the top."""
    head = page.read_text(encoding="utf-8").split("\n## ")[0]
    assert "- Silence: `amtool silence add" in head
    assert f"prometheus/rules/{page.stem}.rules.yml" in head


@by_page
def test_a_page_is_short_enough_for_the_night(page: Path) -> None:
    """No section is longer than a screen."""
    assert max(len(text.split()) for text in sections(page).values()) <= 160


def test_index_names_every_page() -> None:
    """README.md of the runbooks links each page, and each alert name stands there."""
    index = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert [page.stem for page in PAGES if f"({page.name})" not in index] == []
    assert [rule.name for rule in alerts() if rule.name not in index] == []
