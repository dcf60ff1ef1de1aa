import importlib.util
import os
import re
import subprocess
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
from exporter.sources.text_format import TextReader

HOWTO = Path(__file__).parent.parent.parent / "docs" / "howto"


def example(language: str, number: int = 0, page: str = "add-a-collector.md") -> str:
    """A block of the page in this language, counted from 0."""
    found = re.findall(rf"```{language}\n(.*?)```", (HOWTO / page).read_text(), re.DOTALL)
    return str(found[number])


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


def test_example_collector_runs_from_a_folder_of_its_own(tmp_path: Path) -> None:
    """The page's file needs nothing but the two keys that the page shows."""
    (tmp_path / "own").mkdir(mode=0o755)
    (tmp_path / "own" / "spool.py").write_text(example("python"))
    document = yaml.safe_load(example("yaml", 1))
    document["collector_folder"] = "own"
    document["collectors"]["spool"]["folders"]["mail"] = str(tmp_path)
    (tmp_path / "exporter.yml").write_text(yaml.safe_dump(document))
    exporter = Exporter(tmp_path / "exporter.yml", known_collectors())
    text = exporter.exposition(9, TEXT).decode()
    exporter.close()
    assert 'nightshift_spool_files{folder="mail"} 2' in text


def test_example_script_drops_what_the_page_says(tmp_path: Path) -> None:
    """The page's script writes a file that the page's configuration shows, and leaves nothing else behind."""
    page = "drop-in-metrics.md"
    subprocess.run(["sh", "-euc", example("sh", page=page)], env={**os.environ, "folder": str(tmp_path)}, check=True)
    assert [path.name for path in tmp_path.iterdir()] == ["backup.prom"]
    document = yaml.safe_load(example("yaml", page=page))
    document["collectors"]["dropin"]["folders"] = [str(tmp_path)]
    (tmp_path / "exporter.yml").write_text(yaml.safe_dump(document))
    exporter = Exporter(tmp_path / "exporter.yml", known_collectors())
    text = exporter.exposition(9, TEXT).decode()
    exporter.close()
    assert 'backup_last_success_timestamp_seconds{database="shop"} 1' in text
    assert f'nightshift_textfile_error{{file="{tmp_path}/backup.prom"}} 0' in text


def test_example_file_is_in_the_text_format() -> None:
    """The page's file is read without complaint."""
    found = TextReader(10).read(example("text", page="drop-in-metrics.md").encode())
    assert found.series == 1


def test_example_reports_are_a_valid_configuration(tmp_path: Path) -> None:
    """The page's keys are known ones."""
    (tmp_path / "exporter.yml").write_text(example("yaml", page="read-reports.md"))
    running = config.load(tmp_path / "exporter.yml", known_collectors()).collectors
    assert {"coverage", "quality"} <= set(running)
