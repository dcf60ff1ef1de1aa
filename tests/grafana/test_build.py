"""The build of the boards from their sources."""

import json
import shutil
from pathlib import Path

import pytest

from grafana import build
from tests.grafana.reading import GENERATED, ROOT


@pytest.fixture(scope="module")
def built() -> dict[str, str]:
    """A fresh build."""
    return build.build()


def test_committed_boards_equal_a_fresh_build(built: dict[str, str]) -> None:
    """A change of a source without `python grafana/build.py` is a red test that shows the difference."""
    assert build.differences(built, GENERATED) == []


def test_every_board_is_built(built: dict[str, str]) -> None:
    """A file in dashboards/ that dashboards.jsonnet does not list would never be seen."""
    sources = {path.stem for path in (ROOT / "grafana" / "dashboards").iterdir()}
    assert {Path(name).stem for name in built} == sources


def test_check_of_fresh_boards_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """`--check` is silent and gives 0 when all is fresh."""
    assert build.main(["--check"]) == 0
    assert capsys.readouterr() == ("", "")


def test_check_of_stale_boards_names_the_file_and_the_remedy(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], built: dict[str, str]
) -> None:
    """`--check` gives 1, the first differing lines and the command that helps, and writes nothing."""
    build.write(built, tmp_path)
    edited = built["status.json"].replace("nightshift-status", "other")
    (tmp_path / "status.json").write_text(edited)
    assert build.main(["--check", "--output", str(tmp_path)]) == 1
    said = capsys.readouterr().err
    assert "generated/status.json" in said
    assert "python grafana/build.py" in said
    assert (tmp_path / "status.json").read_text() == edited


def test_long_difference_is_cut(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An empty folder differs in thousands of lines; the hint shows twenty and says how many are left."""
    assert build.main(["--check", "--output", str(tmp_path)]) == 1
    said = capsys.readouterr().err.splitlines()
    assert len(said) == build.HINT_LINES + 2
    assert "lines more" in said[-2]


def test_build_removes_the_file_of_a_board_that_is_gone(tmp_path: Path) -> None:
    """A board that no source makes any more would be provisioned for ever."""
    (tmp_path / "old.json").write_text("{}")
    assert build.main(["--output", str(tmp_path)]) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(path.name for path in GENERATED.iterdir())


def test_handler_url_goes_into_every_board() -> None:
    """The address of the alert handler stands in one variable of each board, and nowhere else."""
    for text in build.build("https://night.example.org").values():
        variables = {one["name"]: one for one in json.loads(text)["templating"]["list"]}
        assert variables["handler"]["query"] == "https://night.example.org"
        assert "127.0.0.1:19093" not in text


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the sources that a test may break."""
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "grafana", tmp_path / "grafana", ignore=ignored)
    shutil.copytree(ROOT / "prometheus", tmp_path / "prometheus", ignore=ignored)
    monkeypatch.setattr(build, "HERE", tmp_path / "grafana")
    return tmp_path


def test_missing_limit_is_named(sources: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A limit that targets.yml lacks stops the build with its key, not with a board without a line."""
    targets = sources / "prometheus" / "targets.yml"
    targets.write_text(targets.read_text().replace("disk_used_ratio:", "disk_used:"))
    assert build.main([]) == 1
    assert "targets.yml has no disk_used_ratio" in capsys.readouterr().err


def test_limits_follow_targets(sources: Path) -> None:
    """A board draws the number of targets.yml, so that it cannot show another limit than the alert has."""
    targets = sources / "prometheus" / "targets.yml"
    targets.write_text(
        targets.read_text().replace("{warning: 0.75, critical: 0.85}", "{warning: 0.61, critical: 0.62}")
    )
    assert '"value": 0.61' in build.build()["resources.json"]


def test_row_that_does_not_fill_the_width_is_refused(sources: Path) -> None:
    """A hole or an overlap in the layout is an error of the build that names the row."""
    board = sources / "grafana" / "dashboards" / "resources.jsonnet"
    board.write_text(board.read_text().replace("[8, panel.trend(", "[9, panel.trend(", 1))
    with pytest.raises(build.BoardsInvalid, match="sum to 24: CPU used"):
        build.build()


def test_panel_without_empty_text_is_refused(sources: Path) -> None:
    """Nobody can leave out why a panel may be empty."""
    board = sources / "grafana" / "dashboards" / "remediation.jsonnet"
    board.write_text(
        board.read_text().replace("local idle = 'Nothing was remediated in this time.'", "local idle = ''")
    )
    with pytest.raises(build.BoardsInvalid, match="empty text"):
        build.build()


def test_unknown_key_of_a_column_is_named(sources: Path) -> None:
    """A mistyped setting of a table's column is an error, not a column without it."""
    board = sources / "grafana" / "dashboards" / "status.jsonnet"
    board.write_text(board.read_text().replace("label: 'signal', width: ", "label: 'signal', wdith: "))
    with pytest.raises(build.BoardsInvalid, match="Golden signals has columns with unknown keys: wdith"):
        build.build()
