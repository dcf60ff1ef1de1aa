"""Real stacks for the acceptance tests: Prometheus, Alertmanager, exporter, alert handler and the demo service.

One stack serves a module. Prometheus looks every second instead of every 5 s, everything else is as shipped.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from demo.configs import WORKER, with_playbooks
from demo.stack import Options, Stack

INTERVAL_SECONDS = 1.0
# How long the worker's starting command stays before it starts anything: time enough to kill the handler meanwhile.
LINGER_SECONDS = 6.0
# How long a repair may take to show before the verdict is not_fixed; shipped it is two minutes or more.
WITHIN_SECONDS = 15.0

StartStack = Callable[[Options], Stack]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks every test of this folder as acceptance."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.acceptance)


@pytest.fixture(scope="module")
def start_stack() -> Iterator[StartStack]:
    """Starts stacks and waits until they are ready; all end with the module."""
    with ExitStack() as running:

        def start(options: Options) -> Stack:
            stack = running.enter_context(Stack(options))
            stack.wait_ready()
            return stack

        yield start


@pytest.fixture(scope="module")
def stack(start_stack: StartStack) -> Stack:
    """A ready stack as the demo starts it."""
    return start_stack(Options(interval_seconds=INTERVAL_SECONDS))


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with one line per start of the worker by the handler."""
    return tmp_path_factory.mktemp("ledger") / "starts"


def _judging_soon(playbook: dict[str, Any]) -> dict[str, Any]:
    """The playbook with a shorter wait for a repair that does not come."""
    return {**playbook, "verify": {**playbook["verify"], "within_seconds": WITHIN_SECONDS}}


@pytest.fixture(scope="module")
def lingering_options(ledger: Path) -> Options:
    """Options of a stack whose handler starts the worker slowly, with a line in the ledger for each start."""

    def adapt(part: str, document: dict[str, object]) -> dict[str, object]:
        if part == "handler":
            remediations = document["remediations"]
            assert isinstance(remediations, dict)
            start = remediations["restart"]["services"][WORKER]["start"]
            start += ["--ledger", str(ledger), "--linger", str(LINGER_SECONDS)]
            return with_playbooks(document, _judging_soon)
        return document

    return Options(interval_seconds=INTERVAL_SECONDS, adapt=adapt)
