import argparse
from pathlib import Path

import pytest

from alert_handler.errors import ConfigInvalid
from alert_handler.verbs import check_config


def run(file: Path | None, text: str = "") -> str:
    """What the verb says about a configuration."""
    if file is not None:
        file.write_text(text)
    return check_config.run(argparse.Namespace(config_file=file, web_config_file=None))


def test_valid_configuration_is_summed_up(tmp_path: Path) -> None:
    """Its mode and how much of everything there is."""
    text = run(tmp_path / "a.yml", "mode: act\nnotifiers: {}\n")
    assert text.startswith(f"{tmp_path}/a.yml: valid: mode act, ")
    assert text.endswith("channels none\n")


def test_defaults_are_valid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No file in the working folder."""
    monkeypatch.chdir(tmp_path)
    assert run(None).startswith("built-in defaults: valid: mode observe, ")


@pytest.mark.parametrize("text", ["mode: maybe", "store_url: mysql://x", "notifiers: {x: {}}", "remediations: {x: {}}"])
def test_whatever_serve_would_refuse_is_refused(tmp_path: Path, text: str) -> None:
    """Store, channels and remediations are checked too."""
    with pytest.raises(ConfigInvalid, match=r"^a.yml: "):
        run(tmp_path / "a.yml", text)
