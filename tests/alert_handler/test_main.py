from pathlib import Path
from typing import Any

import pytest

from alert_handler import __main__, app
from chassis import flags


def test_serve_is_the_default(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Without a verb it runs, on loopback."""
    asked: list[Any] = []
    monkeypatch.setattr(app, "serve", lambda *arguments: asked.extend(arguments))
    monkeypatch.setattr(flags, "addresses", lambda _, port: [f"127.0.0.1:{port - 19093}"])  # a free one
    monkeypatch.chdir(tmp_path)
    assert __main__.main([]) == 0
    path, server_of, external_url = asked
    assert (path, external_url) == (None, "http://127.0.0.1:19093")
    with server_of(lambda *_: []) as server:
        assert server.addresses[0].startswith("127.0.0.1:")


def test_config_check_flag_is_the_verb(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--config.check`, as Prometheus' own programs have it."""
    (tmp_path / "a.yml").write_text("mode: act")
    assert __main__.main(["--config.check", f"--config.file={tmp_path}/a.yml"]) == 0
    assert "valid: mode act" in capsys.readouterr().out


@pytest.mark.parametrize("verb", [[], ["check-config"], ["serve"]])
def test_bad_configuration_ends_with_status_two(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], verb: list[str]
) -> None:
    """The reason is one line on standard error."""
    (tmp_path / "a.yml").write_text("mood: act")
    assert __main__.main([f"--config.file={tmp_path}/a.yml", *verb]) == 2
    assert capsys.readouterr().err == 'nightshift-handler: a.yml: unknown key "mood" (did you mean "mode"?)\n'


def test_describe_prints_json(capsys: pytest.CaptureFixture[str]) -> None:
    """One verb a module."""
    assert __main__.main(["describe"]) == 0
    assert capsys.readouterr().out.startswith("[\n")


def test_unreachable_handler_ends_with_status_two(capsys: pytest.CaptureFixture[str]) -> None:
    """A script sees that it failed."""
    assert __main__.main(["--web.external-url=http://127.0.0.1:1", "incidents"]) == 2
    assert "is the handler running there?" in capsys.readouterr().err


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_flags_stand_before_or_after_the_verb(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], order: tuple[int, int]
) -> None:
    """Whoever types them need not know which parser they belong to."""
    (tmp_path / "a.yml").write_text("mode: act")
    words = ["check-config", f"--config.file={tmp_path}/a.yml"]
    assert __main__.main([words[index] for index in order]) == 0
    assert "valid: mode act" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["incidents", "--format", "json", "7"], ["incidents", "7", "--format", "json"]])
def test_number_of_the_incident_stands_anywhere_after_its_verb(words: list[str]) -> None:
    """`incidents 7`, with flags on either side."""
    found = __main__.parser().parse_intermixed_args(words)
    assert (found.verb, found.id, found.format, found.state) == ("incidents", 7, "json", "")


def test_unknown_verb_ends_with_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    """The usage says what there is."""
    with pytest.raises(SystemExit):
        __main__.main(["serv"])
    assert "check-config" in capsys.readouterr().err
