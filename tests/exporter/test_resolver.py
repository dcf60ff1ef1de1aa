import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from exporter.walks import resolver
from exporter.walks.message import Deadline, StepFailed
from exporter.walks.resolver import MAX_WAITING, resolve
from tests.exporter.doubles import Until


@pytest.fixture
def hung(monkeypatch: pytest.MonkeyPatch, until: Until) -> Iterator[threading.Event]:
    """A resolver that answers names only when the event is set."""
    let_go = threading.Event()
    real = socket.getaddrinfo

    def getaddrinfo(host: str, *arguments: Any, **named: Any) -> object:
        if not named.get("flags"):
            let_go.wait(20)
        return real(host, *arguments, **named)

    monkeypatch.setattr(resolver.socket, "getaddrinfo", getaddrinfo)
    yield let_go
    let_go.set()
    until(lambda: not [thread for thread in threading.enumerate() if thread.name.startswith("resolver")])


def test_resolve_address_needs_no_resolver(hung: threading.Event) -> None:
    """A literal address is taken as it is, also while the resolver hangs."""
    assert resolve("127.0.0.1", 80, Deadline(1)) == [(socket.AF_INET, ("127.0.0.1", 80))]
    assert resolve("::1", 80, Deadline(1))[0][0] == socket.AF_INET6
    assert not hung.is_set()


def test_resolve_name() -> None:
    """A name of this machine has an address."""
    assert resolve("localhost", 80, Deadline(5))


@pytest.mark.parametrize("host", ["no-such-host.invalid", "x" * 300, "a..b", "xn--\udcff"])
def test_resolve_unknown_name_fails(host: str) -> None:
    """What is no name, or nobody's, is a failure of DNS."""
    with pytest.raises(StepFailed) as caught:
        resolve(host, 80, Deadline(20))
    assert caught.value.reason == "dns"


@pytest.mark.usefixtures("hung")
def test_resolve_hung_resolver_ends_with_the_deadline() -> None:
    """The deadline holds for names too."""
    with pytest.raises(StepFailed, match="no answer in time"):
        resolve("localhost", 80, Deadline(0.05))


@pytest.mark.usefixtures("hung")
def test_resolve_hung_resolver_costs_a_bounded_number_of_threads() -> None:
    """However many names are asked for while it hangs, the threads stay few."""
    for _ in range(3 * MAX_WAITING):
        with pytest.raises(StepFailed):
            resolve("localhost", 80, Deadline(0.01))
    waiting = [thread for thread in threading.enumerate() if thread.name.startswith("resolver")]
    assert len(waiting) == MAX_WAITING
