import json
from pathlib import Path

import msgspec
import pytest

from exporter.probing.modules import DEFAULTS, Module
from exporter.probing.targets import FileSource, TargetFiles, TargetGroup, wanted

PAGE = "http://shop.example/"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file of one target."""
    path = tmp_path / "shop.yml"
    path.write_text(f"- targets: ['{PAGE}']\n  labels: {{env: live}}\n")
    return path


def read(files: TargetFiles) -> list[str]:
    """The targets of all files after a look at them."""
    files.refresh()
    return [target for group in files.groups() for target in group.targets]


def test_files_are_read_as_prometheus_does(tmp_path: Path, file: Path) -> None:
    """YAML and JSON by pattern; of the labels, those that choose module and interval count."""
    entry = {"targets": ["a:1", "b:2"], "labels": {"__param_module": "tcp_connect", "__scrape_interval__": "5s"}}
    (tmp_path / "more.json").write_text(json.dumps([entry]))
    files = TargetFiles([FileSource((f"{tmp_path}/*.yml", f"{tmp_path}/*.json"))])
    assert files.refresh()
    found, problems = wanted(files.groups(), DEFAULTS, 30)
    assert problems == []
    assert {(one.key, one.interval) for one in found} == {
        ((PAGE, "http_2xx"), 30),
        (("a:1", "tcp_connect"), 5),
        (("b:2", "tcp_connect"), 5),
    }
    assert file.exists()


def test_files_are_read_again_only_when_changed(file: Path) -> None:
    """A second look at the same file changes nothing; a new text counts."""
    files = TargetFiles([FileSource((str(file),))])
    assert read(files) == [PAGE]
    assert not files.refresh()
    file.write_text("- targets: [x, y, z]\n")
    assert read(files) == ["x", "y", "z"]


@pytest.mark.parametrize("text", ["- targets: [", "- targets: 5", "x: 1", "- labels: {}", "\0"])
def test_file_that_breaks_keeps_its_last_targets(file: Path, text: str) -> None:
    """A half-written file costs nothing but a report; a good one ends it."""
    files = TargetFiles([FileSource((str(file),))])
    assert read(files) == [PAGE]
    file.write_text(text)
    assert read(files) == [PAGE]
    assert list(files.broken) == [str(file)]
    file.write_text("[]")
    assert read(files) == []
    assert files.broken == {}


@pytest.mark.parametrize("broken", [False, True])
def test_file_that_is_gone_takes_its_targets_along(tmp_path: Path, file: Path, *, broken: bool) -> None:
    """As in Prometheus: who removes a file of a folder wants its targets gone, and nothing is broken any more."""
    files = TargetFiles([FileSource((f"{tmp_path}/*.yml",))])
    assert read(files) == [PAGE]
    if broken:
        file.write_text("- targets: [")
        files.refresh()
    file.unlink()
    assert files.refresh()
    assert (read(files), files.broken) == ([], {})


def test_file_with_an_interval_that_is_none_keeps_the_targets_of_the_others(file: Path) -> None:
    """One bad label breaks its own file, not the reading of all of them."""
    file.with_name("bad.yml").write_text("- {targets: [h], labels: {__scrape_interval__: 0x10s}}")
    files = TargetFiles([FileSource((f"{file.parent}/*.yml",))])
    assert read(files) == [PAGE]
    assert list(files.broken) == [f"{file.parent}/bad.yml"]


def test_file_that_is_nested_too_deep_is_broken(tmp_path: Path) -> None:
    """JSON without an end is told as any other mistake is."""
    (tmp_path / "deep.json").write_text("[" * 100_000)
    files = TargetFiles([FileSource((f"{tmp_path}/*.json",))])
    assert read(files) == []
    assert list(files.broken) == [f"{tmp_path}/deep.json"]


def test_file_that_was_never_good_is_not_broken_once_it_is_gone(tmp_path: Path) -> None:
    """What was broken from its beginning leaves no trace either."""
    (tmp_path / "new.yml").write_text("- targets: [")
    files = TargetFiles([FileSource((f"{tmp_path}/*.yml",))])
    files.refresh()
    assert files.broken
    (tmp_path / "new.yml").unlink()
    files.refresh()
    assert files.broken == {}


def test_file_that_is_named_and_missing_is_told_once(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A path without a wildcard that leads nowhere is a mistake, before and after there was a file."""
    files = TargetFiles([FileSource((str(file), f"{file}.yml"))])
    assert read(files) == [PAGE]
    assert list(files.broken) == [f"{file}.yml"]
    file.unlink()
    assert read(files) == []
    assert (read(files), len(files.broken), len(caplog.records)) == ([], 2, 2)


def test_labels_may_be_numbers(file: Path) -> None:
    """Prometheus takes `rack: 12` and labels without any; so must the same file here."""
    file.write_text("- {targets: [a], labels: {rack: 12, live: true}}\n- {targets: [b], labels: }\n")
    assert read(TargetFiles([FileSource((str(file),))])) == ["a", "b"]


def test_wanted_names_what_cannot_be_probed() -> None:
    """Unknown modules with the nearest known one, targets that are none; the others stay."""
    groups = [TargetGroup((PAGE,), "http_2x"), TargetGroup(("ftp://x", PAGE, PAGE))]
    found, problems = wanted(groups, DEFAULTS, 30)
    assert [one.target for one in found] == [PAGE]
    assert 'did you mean "http_2xx"' in problems[0]
    assert "no http or https URL" in problems[1]


def test_wanted_timeout_fits_into_the_interval() -> None:
    """The nearest word on the interval counts, and no run lasts into the next."""
    modules = {"m": Module("http", timeout=20, interval=15)}
    found, _ = wanted([TargetGroup((PAGE,), "m"), TargetGroup(("http://b/",), "m", "5s")], modules, 30)
    assert [(one.interval, one.timeout) for one in found] == [(15, 15), (5, 5)]


def test_source_wants_a_known_ending() -> None:
    """A file of targets says by its name how it is written."""
    with pytest.raises(msgspec.ValidationError, match="ends in"):
        msgspec.convert({"files": ["x.txt"]}, FileSource)
