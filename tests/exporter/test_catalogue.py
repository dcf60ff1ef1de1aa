import json

import pytest

from exporter import catalogue, config
from exporter.collector import CollectorConfig
from exporter.errors import CatalogueConflict
from exporter.families import Metric


def collector_of(*metrics: Metric) -> type:
    """A collector class that declares these metrics."""
    return type("Made", (), {"config": CollectorConfig, "metrics": metrics})


def test_entries_lists_every_collector_and_the_exporter_itself() -> None:
    """What any collector could show is listed, whether it runs or not."""
    known = config.known_collectors()
    found = catalogue.entries(known)
    assert {entry.collector for entry in found} == {*known, "self"}
    assert "nightshift_build_info" in {entry.metric.name for entry in found}


def test_entries_refuses_a_metric_of_two_collectors() -> None:
    """Two files that claim one name are told apart by the names of their collectors."""
    up = Metric("up", "gauge", "Up.")
    with pytest.raises(CatalogueConflict, match="up is declared by 'a' and by 'b'"):
        catalogue.entries({"a": collector_of(up), "b": collector_of(Metric("up", "gauge", "Up."))})


def test_entries_refuses_names_that_meet_in_samples() -> None:
    """A gauge called like a histogram's count would be the same series."""
    metrics = (Metric("t_seconds", "histogram", "T."), Metric("t_seconds_count", "gauge", "T."))
    with pytest.raises(CatalogueConflict, match="t_seconds_count"):
        catalogue.entries({"a": collector_of(*metrics)})


def test_as_json_gives_every_field() -> None:
    """Rules and boards are checked against this list."""
    found = catalogue.entries({"a": collector_of(Metric("hits_total", "counter", "Hits.", ["page"]))})
    row = {"name": "hits_total", "kind": "counter", "labels": ["page"], "unit": "", "help": "Hits.", "collector": "a"}
    assert json.loads(catalogue.as_json(found))[0] == row


def test_as_table_is_aligned() -> None:
    """People see one line per metric under one heading."""
    lines = catalogue.as_table(catalogue.entries(config.known_collectors())).splitlines()
    column = lines[0].index("KIND")
    assert all(line[column - 2 : column] == "  " for line in lines)
    assert any(line.startswith("nightshift_service_up{service,check} ") for line in lines)
