"""A handler that is not started, and a client of its application."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from flask.testing import FlaskClient

from alert_handler.app import create_app
from alert_handler.config import Config
from alert_handler.handler import Handler
from tests.alert_handler.doubles import FakeClock


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    """Where the senders' token is."""
    return tmp_path / "token"


@pytest.fixture
def handler(tmp_path: Path, clock: FakeClock) -> Iterator[Handler]:
    """Nothing runs by itself."""
    document = {"store_url": f"sqlite:///{tmp_path}/handler.db", "playbook_files": []}
    handler = Handler(msgspec.convert(document, Config), "http://nightshift.example", clock)
    yield handler
    handler.stop()


@pytest.fixture
def client(handler: Handler) -> FlaskClient:
    """Asks it."""
    return create_app(handler, lambda: "").test_client()
