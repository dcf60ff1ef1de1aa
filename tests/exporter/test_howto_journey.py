import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter import config
from exporter.app import Exporter
from exporter.config import known_collectors
from exporter.exposition import TEXT
from exporter.walks.message import REASONS
from tests.exporter.walk_doubles import Shop, open_shop

PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "write-a-journey.md").read_text()
EXAMPLES = [yaml.safe_load(block) for block in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)]


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """The shop of the page, with a file that holds its password."""
    (tmp_path / "password").write_text(Shop.password)
    (tmp_path / "password").chmod(0o600)
    with open_shop(Shop()) as place:
        yield place


def shown(document: dict[str, Any], folder: Path) -> str:
    """What an exporter with this configuration shows."""
    path = folder / "exporter.yml"
    path.write_text(yaml.safe_dump(document))
    exporter = Exporter(path, known_collectors())
    text = exporter.exposition(9, TEXT).decode()
    exporter.close()
    return text


def test_example_journey_goes_through_the_shop(shop: Shop, tmp_path: Path) -> None:
    """The page's journey, as it is printed, buys a lamp."""
    journey = EXAMPLES[0]["collectors"]["journeys"]["journeys"]["purchase"]
    journey |= {"base_url": shop.url, "secret_files": {"password": str(tmp_path / "password")}}
    journey["steps"][1]["max_seconds"] = 60  # on a slow machine too
    text = shown(EXAMPLES[0], tmp_path)
    assert 'nightshift_journey_success{journey="purchase"} 1' in text
    assert 'nightshift_journey_captured_value{journey="purchase",name="result_count"} 2' in text
    assert 'nightshift_journey_captured_value{journey="purchase",name="cart_total"} 12.5' in text


def test_example_api_check_passes(shop: Shop, tmp_path: Path) -> None:
    """The page's API check passes all five checks."""
    api = EXAMPLES[2]["collectors"]["api_checks"]["services"]["shop"]
    api["base_url"] = shop.url
    api["endpoints"]["search"]["sla_seconds"] = 60  # on a slow machine too
    text = shown(EXAMPLES[2], tmp_path)
    assert text.count('nightshift_api_check_passed{service="shop",endpoint="search"') == 5
    assert not re.search(r"nightshift_api_check_passed\{[^}]*\} 0", text)


def test_example_browser_journey_is_valid(tmp_path: Path) -> None:
    """The page's browser journey is a configuration."""
    (tmp_path / "exporter.yml").write_text(yaml.safe_dump(EXAMPLES[1]))
    assert "journeys" in config.load(tmp_path / "exporter.yml", known_collectors()).collectors


def test_page_explains_every_reason() -> None:
    """No label value is left to be guessed."""
    table = PAGE[PAGE.index("| reason |") : PAGE.index("<http://127.0.0.1")]
    assert [word for word in REASONS if f"`{word}`" not in table] == []
