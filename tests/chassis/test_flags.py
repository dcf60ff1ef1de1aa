import argparse
from pathlib import Path

import pytest

from chassis import VERSION, flags


@pytest.fixture
def parser() -> argparse.ArgumentParser:
    """A command line with the common flags."""
    parser = argparse.ArgumentParser()
    flags.add(parser, config="app.yml", port=1234)
    return parser


def test_add_defaults_are_loopback_and_logfmt(parser: argparse.ArgumentParser) -> None:
    """Without any flag nothing is open to the network."""
    given = parser.parse_args([])
    assert (given.config_file, given.config_check, given.listen) == (None, False, None)
    assert (given.log_level, given.log_format) == ("info", "logfmt")


def test_add_takes_flags_as_prometheus_writes_them(parser: argparse.ArgumentParser) -> None:
    """Names with dots, `=` or a space, and several listen addresses."""
    words = ["--config.file=x.yml", "--web.listen-address", ":1", "--web.listen-address=[::1]:2", "--log.level=debug"]
    given = parser.parse_args(words)
    assert (given.config_file, given.listen, given.log_level) == (Path("x.yml"), [":1", "[::1]:2"], "debug")


def test_add_external_url_is_for_those_who_link_to_themselves(parser: argparse.ArgumentParser) -> None:
    """It is no common flag; where it is added it is loopback by default."""
    assert "external_url" not in parser.parse_args([])
    flags.add_external_url(parser, port=1234)
    assert parser.parse_args([]).external_url == "http://127.0.0.1:1234"


def test_add_version_is_shown(parser: argparse.ArgumentParser, capsys: pytest.CaptureFixture[str]) -> None:
    """--version prints it and exits 0."""
    with pytest.raises(SystemExit, match="0"):
        parser.parse_args(["--version"])
    assert capsys.readouterr().out == f"nightshift {VERSION}\n"


@pytest.mark.parametrize("words", [["--log.level=loud"], ["--log.format=xml"], ["--no.such"]])
def test_add_unknown_values_exit_2(parser: argparse.ArgumentParser, words: list[str]) -> None:
    """A wrong flag stops before anything starts."""
    with pytest.raises(SystemExit, match="2"):
        parser.parse_args(words)


def test_config_path_prefers_what_is_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A given file counts even when it does not exist; the default one only when it does."""
    monkeypatch.chdir(tmp_path)
    assert flags.config_path(Path("given.yml"), "app.yml") == Path("given.yml")
    assert flags.config_path(None, "app.yml") is None
    (tmp_path / "app.yml").write_text("")
    assert flags.config_path(None, "app.yml") == Path("app.yml")


def test_addresses_default_is_loopback() -> None:
    """Nothing given means 127.0.0.1."""
    assert flags.addresses(None, 7) == ["127.0.0.1:7"]
    assert flags.addresses(["a:1"], 7) == ["a:1"]
