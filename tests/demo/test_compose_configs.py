from pathlib import Path

import pytest

from demo import compose_configs
from demo.compose_configs import main, texts


@pytest.mark.parametrize("path", sorted(texts()), ids=lambda path: path.name)
def test_compose_configuration_is_the_shipped_one(path: Path) -> None:
    """Prometheus' and Alertmanager's files for compose differ from the shipped ones in addresses alone."""
    assert path.read_text(encoding="utf-8") == texts()[path], "run python -m demo.compose_configs"


def test_main_writes_every_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a change of a shipped file one command brings the copies up to date."""
    monkeypatch.setattr(compose_configs, "FOLDER", tmp_path)
    assert main() == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["alertmanager.yml", "prometheus.yml"]
