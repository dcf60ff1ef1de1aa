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
def repair(lingering_options: Options, proxy: FlakyProxy) -> Iterator[Repair]:
    """A dead worker on a stack whose Alertmanager talks to the handler through the proxy, followed to its end."""
    stack = Stack(replace(lingering_options, handler_address=proxy.address))
    proxy.losses.target = stack.layout.addresses["handler"]
    with stack:
        stack.wait_ready()
        found, _ = break_one(stack, DEAD_WORKER)
        follow(stack, [found])
        yield found


@pytest.mark.usefixtures("repair")
def test_redelivered_webhook_leads_to_one_action(proxy: FlakyProxy, ledger: Path) -> None:
    """Alertmanager was refused several times and sent again; the handler took each copy and acted once."""
    assert proxy.losses.answered.count(503) == LOST_ANSWERS
    assert set(proxy.losses.forwarded) == {200}
    assert len(ledger.read_text(encoding="utf-8").splitlines()) == 1


def test_redelivered_webhook_makes_one_incident_with_one_attempt(repair: Repair) -> None:
    """In the books it is one incident, one attempt, fixed."""
    assert repair.incident is not None
    assert len(repair.incident.attempts) == 1
    assert repair.verdict == "fixed"
