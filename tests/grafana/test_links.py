"""Every way out of a board leads somewhere."""

import re
from collections.abc import Iterator
from typing import Any

import yaml

from tests.grafana.reading import ROOT, boards, columns, panels

#: Pages that the alert handler serves.
PAGES = set(re.findall(r'@routes\.get\("(/\w*)', (ROOT / "alert_handler" / "routes" / "pages.py").read_text()))


def _links(panel: dict[str, Any]) -> Iterator[str]:
    field = panel["fieldConfig"]
    found = list(field["defaults"].get("links", []))
    found += [
        link for over in field["overrides"] for p in over["properties"] if p["id"] == "links" for link in p["value"]
    ]
    yield from (link["url"] for link in found)


LINKS = [(uid, panel, url) for uid, panel in panels() for url in _links(panel)]


def test_board_links_lead_to_boards() -> None:
    """A link to a board keeps the time range and names a board that exists."""
    for uid, _, url in LINKS:
        if url.startswith("/d/"):
            assert url.split("/")[2].split("?")[0] in boards(), uid
            assert "${__url_time_range}" in url, uid


def test_other_links_lead_to_the_handler() -> None:
    """The handler's address comes from one variable, unescaped, and the page is one that it has."""
    for _, panel, url in LINKS:
        if not url.startswith("/d/"):
            found = re.fullmatch(r"\$\{handler:raw\}(/\w*)(?:[/?].*)?", url)
            assert found, panel["title"]
            assert found[1] in PAGES, panel["title"]


def test_columns_in_links_exist_and_are_escaped() -> None:
    """A link that names a column which a transformation renamed vanishes without a word (seen in a real Grafana)."""
    for _, panel, url in LINKS:
        for field, form in re.findall(r"\$\{__data\.fields\.(\w+)(:\w+)?\}", url):
            assert field in columns(panel), panel["title"]
            assert form == ":percentencode", panel["title"]


def test_most_figures_lead_further_down() -> None:
    """At least six of ten tiles and tables have a link."""
    figures = [panel for _, panel in panels() if panel["type"] in {"stat", "table"}]
    linked = [panel for panel in figures if list(_links(panel))]
    assert len(linked) >= 0.6 * len(figures)


def test_every_board_links_to_its_siblings_and_to_incidents() -> None:
    """The drop-down of boards keeps time and variables."""
    for board in boards().values():
        siblings, incidents = board["links"]
        assert (siblings["tags"], siblings["includeVars"], siblings["keepTime"]) == (board["tags"], True, True)
        assert incidents["url"] == "${handler:raw}/incidents"


def test_alerts_lead_to_boards_that_exist() -> None:
    """The `dashboard_url` of every alert names a board by its uid."""
    for path in sorted((ROOT / "prometheus" / "rules").glob("*.rules.yml")):
        for group in yaml.safe_load(path.read_text())["groups"]:
            for rule in group["rules"]:
                if "alert" in rule:
                    uid = rule["annotations"]["dashboard_url"].rpartition("/d/")[2].partition("?")[0]
                    assert uid in boards(), rule["alert"]
