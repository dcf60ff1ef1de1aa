"""The model of the boards: what Grafana needs, and what a person at night needs."""

import itertools
import re
import subprocess
from pathlib import Path
from typing import Any

import yaml

from demo import binaries
from tests.grafana.reading import ROOT, boards, columns, panels

#: Links in alerts, bookmarks and other boards point at these: never rename one.
UIDS = {"nightshift-remediation", "nightshift-resources", "nightshift-status"}
CORE_TYPES = {"stat", "table", "timeseries", "state-timeline"}
UNITS = {"none", "short", "percentunit", "s", "decbytes", "Bps", "reqps", "pps", "dateTimeFromNow"}
COLUMNS = 24
MOST_PANELS = 25


def test_uids_are_the_frozen_ones() -> None:
    """A uid is an address that others hold."""
    assert set(boards()) == UIDS


def test_board_settings_are_those_of_the_house() -> None:
    """Read-only, refreshed each 30 s, one crosshair, the viewer's time zone; nothing of a Grafana's database."""
    wanted = {"schemaVersion": 39, "editable": False, "graphTooltip": 1, "timezone": "browser", "refresh": "30s"}
    for board in boards().values():
        assert {key: board[key] for key in wanted} == wanted
        assert not {"id", "version", "__inputs", "__requires"} & board.keys()


def test_board_asks_a_question_in_its_description() -> None:
    """A board answers one question, and says which."""
    assert [uid for uid, board in boards().items() if not board["description"].endswith("?")] == []
    assert len({board["title"] for board in boards().values()}) == len(boards())


def test_board_has_at_most_25_panels() -> None:
    """More than four screens are two boards."""
    for uid in boards():
        assert sum(1 for of, _ in panels() if of == uid) <= MOST_PANELS, uid


def test_panel_ids_are_unique_and_dense() -> None:
    """A link to one panel (viewPanel) must find that one."""
    for board in boards().values():
        assert [panel["id"] for panel in board["panels"]] == list(range(1, len(board["panels"]) + 1))


def _cells(panel: dict[str, Any]) -> set[tuple[int, int]]:
    grid = panel["gridPos"]
    return {(x, y) for x in range(grid["x"], grid["x"] + grid["w"]) for y in range(grid["y"], grid["y"] + grid["h"])}


def test_layout_has_no_hole_and_no_overlap() -> None:
    """Every cell from the first row to the last belongs to exactly one panel."""
    for uid, board in boards().items():
        cells = list(itertools.chain.from_iterable(_cells(panel) for panel in board["panels"]))
        height = max(y for _, y in cells) + 1
        assert len(cells) == len(set(cells)) == COLUMNS * height, uid


def test_first_row_fits_every_screen() -> None:
    """The answer stands in one row of tiles at the top: on a phone the first tile is the first thing seen."""
    for uid, board in boards().items():
        first = [panel for panel in board["panels"] if panel["gridPos"]["y"] == 0]
        assert {panel["type"] for panel in first} == {"stat"}, uid
        assert {panel["gridPos"]["h"] for panel in first} == {4}, uid


def test_panel_types_are_of_the_core() -> None:
    """No plug-in to install, none that is deprecated."""
    assert {panel["type"] for _, panel in panels()} <= CORE_TYPES


def test_panel_tells_what_why_and_why_empty() -> None:
    """Title (once in a board), description, unit and the text of an empty panel are there for each."""
    for uid, panel in panels():
        defaults = panel["fieldConfig"]["defaults"]
        assert panel["title"], uid
        assert panel["description"].endswith("."), panel["title"]
        assert defaults["noValue"].endswith("."), panel["title"]
        assert defaults["unit"] in UNITS, panel["title"]
    for uid in boards():
        titles = [panel["title"] for of, panel in panels() if of == uid]
        assert len(titles) == len(set(titles)), uid


def test_figure_is_coloured_on_purpose() -> None:
    """A stat says which figures are bad (own thresholds or words) or that none is: never Grafana's red from 80."""
    for _, panel in panels():
        defaults = panel["fieldConfig"]["defaults"]
        steps = defaults["thresholds"]["steps"] if "thresholds" in defaults else []
        if panel["type"] == "stat":
            assert steps, panel["title"]
            assert len(steps) > 1 or steps[0]["color"] == "text", panel["title"]


def test_state_timeline_shows_words() -> None:
    """Colour mode "thresholds" would merge states and ignore the words (seen in a real Grafana)."""
    for _, panel in panels():
        if panel["type"] == "state-timeline":
            assert panel["fieldConfig"]["defaults"]["color"]["mode"] != "thresholds", panel["title"]
            assert panel["fieldConfig"]["defaults"]["mappings"], panel["title"]


def test_colours_have_names_and_words() -> None:
    """Named colours follow the theme; a state is told in a word beside its colour."""
    assert re.findall(r"#[0-9a-fA-F]{6}\b", repr(boards())) == []
    for _, panel in panels():
        for mapping in panel["fieldConfig"]["defaults"].get("mappings", []):
            words = [mapping["options"]["result"]] if mapping["type"] == "special" else mapping["options"].values()
            assert all(word["text"] and word["color"] for word in words), panel["title"]


def test_unknown_figure_is_not_good() -> None:
    """Without data a tile tells why, in few words that fit, and in a colour of its own: the lowest step is green."""
    for _, panel in panels():
        if panel["type"] == "stat":
            defaults = panel["fieldConfig"]["defaults"]
            (unknown,) = [one["options"] for one in defaults["mappings"] if one["type"] == "special"]
            assert unknown["match"] == "null", panel["title"]
            assert unknown["result"]["text"].split() == defaults["noValue"].split(), panel["title"]
            assert len(defaults["noValue"]) <= 12, panel["title"]
            assert unknown["result"]["color"] == "purple", panel["title"]


def _targets() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "prometheus" / "targets.yml").read_text())
    return loaded


def _steps(panel: dict[str, Any]) -> set[float]:
    found = list(panel["fieldConfig"]["defaults"].get("thresholds", {}).get("steps", []))
    for override in panel["fieldConfig"]["overrides"]:
        found += [s for one in override["properties"] if one["id"] == "thresholds" for s in one["value"]["steps"]]
    return {step["value"] for step in found if step["value"] is not None}


def test_limits_are_those_of_the_alerts() -> None:
    """Every limit that is drawn is an alerting level of targets.yml, or "more than none"."""
    levels = {value for target in _targets().values() for level, value in target["levels"].items() if level != "gate"}
    for uid, panel in panels():
        assert _steps(panel) <= levels | {1}, f"{uid} / {panel['title']}"


def test_limits_of_curves_are_dashed_lines() -> None:
    """Filled areas paint the whole plot; a line shows how far away a limit is."""
    for _, panel in panels():
        if panel["type"] == "timeseries":
            drawn = panel["fieldConfig"]["defaults"]["custom"]["thresholdsStyle"]["mode"]
            assert drawn == ("dashed" if _steps(panel) else "off"), panel["title"]


def test_panel_with_a_legend_table_is_high_enough() -> None:
    """A legend below a plot takes a third of it: less than seven cells would cut off its rows."""
    for _, panel in panels():
        if panel["type"] != "stat":
            assert panel["gridPos"]["h"] >= 7, panel["title"]


def test_table_columns_are_found_and_named() -> None:
    """A renamed column exists in the data: one query calls it Value, several call it Value #A."""
    for _, panel in panels():
        if panel["type"] != "table":
            continue
        several = len(panel["targets"]) > 1
        kept = next(t for t in panel["transformations"] if t["id"] == "filterFieldsByName")["options"]["include"][
            "names"
        ]
        for name in kept:
            if name.startswith(("Value", "Trend")):
                assert ("#" in name) == several, panel["title"]
        assert {one["matcher"]["options"] for one in panel["fieldConfig"]["overrides"]} == columns(panel), panel[
            "title"
        ]


def test_home_board_shows_at_most_two_variables() -> None:
    """On a phone each variable takes a line before the first tile."""
    shown = [one for one in boards()["nightshift-status"]["templating"]["list"] if one["hide"] == 0]
    assert [one["name"] for one in shown] == ["instance", "service"]


def test_query_variables_follow_the_time_range() -> None:
    """A host that came or went within the range can be chosen, and All is a pattern, not a list in each query."""
    for board in boards().values():
        for one in board["templating"]["list"]:
            if one["type"] == "query":
                assert (one["refresh"], one["allValue"], one["includeAll"], one["multi"]) == (2, ".+", True, True)


def test_every_board_has_the_layers_of_annotations() -> None:
    """Alerts, remediations and restarts can be switched on and off over every curve, the start of each as a point."""
    for board in boards().values():
        layers = {layer["name"]: layer for layer in board["annotations"]["list"] if "expr" in layer}
        assert set(layers) == {"Alerts", "Remediations", "Restarts"}
        assert {name for name, layer in layers.items() if layer["useValueForTime"] is True} == {"Alerts", "Restarts"}


def test_sources_are_formatted() -> None:
    """`jsonnetfmt` (Debian package jsonnet) finds nothing to change."""
    sources = [str(path) for path in sorted((ROOT / "grafana").rglob("*.*sonnet"))]
    subprocess.run([str(binaries.find("jsonnetfmt")), "--test", *sources], check=True, timeout=60)


def test_no_source_uses_the_slow_functions() -> None:
    """`%` and `std.md5` take most of the C++ evaluator's time: all boards are to build in well under two seconds."""
    for path in sorted((ROOT / "grafana").rglob("*.*sonnet")):
        text = re.sub(r"//.*|'[^']*'", "", Path(path).read_text())
        assert "std.md5" not in text, path.name
        assert "%" not in text, path.name
