"""Alertmanager is told 503 although the handler took its webhook, and sends it again and again: one action."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from demo.flaky_proxy import FlakyProxy
from demo.repair import Repair
from demo.scenario import DEAD_WORKER, break_one, follow
from demo.stack import Options, Stack

LOST_ANSWERS = 5


@pytest.fixture(scope="module")
def proxy() -> Iterator[FlakyProxy]:
    """A proxy that loses the answers to the first deliveries."""
    with FlakyProxy(LOST_ANSWERS, DEAD_WORKER.alertname.encode()) as running:
        yield running


@pytest.fixture(scope="module")
def stack(lingering_options: Options, proxy: FlakyProxy) -> Iterator[Stack]:
    """A ready stack whose Alertmanager talks to the handler through the proxy."""
    with Stack(replace(lingering_options, handler_address=proxy.address)) as running:
        proxy.losses.target = running.layout.addresses["handler"]
        running.wait_ready()
        yield running


@pytest.fixture(scope="module")
def repair(stack: Stack) -> Repair:
    """A dead worker, followed to its end."""
    found, _ = break_one(stack, DEAD_WORKER)
    follow(stack, [found])
    return found


@pytest.mark.usefixtures("repair")
def test_redelivered_webhook_leads_to_one_action(proxy: FlakyProxy, ledger: Path) -> None:
    """Alertmanager was refused several times and sent again; the handler took each copy and acted once."""
    assert proxy.losses.answered.count(503) == LOST_ANSWERS
    assert set(proxy.losses.forwarded) == {200}
    assert len(ledger.read_text(encoding="utf-8").splitlines()) == 1


def test_redelivered_webhook_makes_one_incident_with_one_attempt(stack: Stack, repair: Repair) -> None:
    """In the books it is one incident that went through its stages once, one attempt, fixed."""
    assert [incident.alertname for incident in stack.handler.incidents()] == [DEAD_WORKER.alertname]
    assert repair.incident is not None
    assert [step.stage for step in repair.incident.timeline].count("act") == 1
    assert [attempt.verdict for attempt in repair.incident.attempts] == ["fixed"]
