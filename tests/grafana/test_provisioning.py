"""The files that Grafana is provisioned with."""

import re
from typing import Any

import yaml

from tests.grafana.reading import GENERATED, ROOT, boards

FOLDER = ROOT / "grafana" / "provisioning"


def _load(name: str) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((FOLDER / name).read_text())
    assert loaded["apiVersion"] == 1
    return loaded


def _prometheus() -> dict[str, Any]:
    return next(one for one in _load("datasources/nightshift.yml")["datasources"] if one["type"] == "prometheus")


def test_folders_are_those_that_grafana_reads() -> None:
    """Grafana reads folders of these names below its provisioning path, and ignores others without a word."""
    assert sorted(path.name for path in FOLDER.iterdir()) == ["dashboards", "datasources"]


def test_boards_find_their_source() -> None:
    """The default of the boards' data source variable is the uid that is provisioned."""
    assert _prometheus()["isDefault"] is True
    for board in boards().values():
        variable = next(one for one in board["templating"]["list"] if one["name"] == "datasource")
        assert variable["current"] == {"text": _prometheus()["name"], "value": _prometheus()["uid"]}


def test_time_interval_is_the_scrape_interval() -> None:
    """$__rate_interval is four scrape intervals at least: it must know the one in prometheus.yml."""
    scrape = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text())["global"]["scrape_interval"]
    assert _prometheus()["jsonData"]["timeInterval"] == scrape


def test_sources_are_read_only_and_without_secrets() -> None:
    """Nothing is edited in the browser; no password stands in a file."""
    for source in _load("datasources/nightshift.yml")["datasources"]:
        assert source["editable"] is False
        assert not {"secureJsonData", "basicAuth", "user", "password"} & source.keys()


def test_boards_are_read_only_and_stay() -> None:
    """A provisioned board is changed in its source; a missing file must not delete a board at night."""
    provider = _load("dashboards/nightshift.yml")["providers"][0]
    assert (provider["folder"], provider["allowUiUpdates"], provider["disableDeletion"]) == ("Nightshift", False, True)


def test_home_board_lies_where_the_boards_are() -> None:
    """The two settings that the comment asks for name one folder, and a board that is committed."""
    text = (FOLDER / "dashboards" / "nightshift.yml").read_text()
    folder = re.findall(r"NIGHTSHIFT_BOARDS=(\S+)", text)
    home = re.findall(r"GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH=(\S+)", text)
    assert [f"{one}/status.json" for one in folder] == home
    assert (GENERATED / "status.json").is_file()


def test_every_variable_is_explained() -> None:
    """What Grafana fills in from its environment is named, with an example, at the head of the file."""
    for path in FOLDER.rglob("*.yml"):
        text = path.read_text()
        head = text[: text.index("apiVersion")]
        assert all(name in head for name in re.findall(r"\$\{(\w+)\}", text)), path.name
