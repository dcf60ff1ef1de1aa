import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from exporter import config
from exporter.app import Exporter
from exporter.config import known_collectors
from exporter.exposition import TEXT

PAGE = (Path(__file__).parent.parent.parent / "docs" / "howto" / "add-a-collector.md").read_text()


def example(language: str) -> str:
    """The first block of the page in this language."""
    found = re.search(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[ModuleType]:
    """The page's collector as a module."""
    (tmp_path / "spool.py").write_text(example("python"))
    spec = importlib.util.spec_from_file_location("howto_spool", tmp_path / "spool.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["howto_spool"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["howto_spool"]


def test_example_collector_shows_what_the_page_says(spool: ModuleType, tmp_path: Path) -> None:
    """The page's collector and configuration work together as they are printed."""
    document = yaml.safe_load(example("yaml"))
    document["collectors"]["spool"]["folders"]["mail"] = str(tmp_path)
    (tmp_path / "exporter.yml").write_text(yaml.safe_dump(document))
    exporter = Exporter(tmp_path / "exporter.yml", {**known_collectors(), "spool": spool.Spool})
    text = exporter.exposition(9, TEXT).decode()
    exporter.close()
    assert 'nightshift_spool_files{folder="mail"} 2' in text


def test_example_mistake_names_the_nearest_key(spool: ModuleType, tmp_path: Path) -> None:
    """The page's promise about misspelt keys holds for its own collector."""
    (tmp_path / "exporter.yml").write_text("collectors: {spool: {folder: {}}}")
    with pytest.raises(config.ConfigError, match='did you mean "folders"'):
        config.load(tmp_path / "exporter.yml", {"spool": spool.Spool})
