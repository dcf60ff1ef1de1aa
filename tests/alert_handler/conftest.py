"""Fixtures that tests of the alert handler share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from alert_handler.metrics import Metrics
from alert_handler.store.attempts import Attempts
from alert_handler.store.sqlite import Database
from tests.alert_handler.doubles import FakeClock, HttpServer, LedgerRemediation, ScriptedPrometheus


@pytest.fixture
def clock() -> FakeClock:
    """A clock that the test moves."""
    return FakeClock()


@pytest.fixture
def metrics() -> Metrics:
    """Fresh counters."""
    return Metrics()


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """A real, empty store."""
    opened = Database(tmp_path / "nightshift.db")
    yield opened
    opened.close()


@pytest.fixture
def attempts(database: Database) -> Attempts:
    """The attempts of that store."""
    return Attempts(database)


@pytest.fixture
def ledger(tmp_path: Path) -> LedgerRemediation:
    """A remediation that writes one line a run."""
    return LedgerRemediation(tmp_path / "ledger")


@pytest.fixture
def prometheus() -> ScriptedPrometheus:
    """A Prometheus that shows one unhealthy series."""
    return ScriptedPrometheus(0.95)


@pytest.fixture
def server() -> Iterator[HttpServer]:
    """A real HTTP server on loopback."""
    with HttpServer().running() as running:
        yield running
