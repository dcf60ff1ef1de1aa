import socket
from typing import Never

import pytest

from exporter.checks import port
from exporter.checks.outcome import Outcome


def test_port_check_open_and_closed() -> None:
    """A listening port is up; once closed it refuses."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        check = port.port_check(server.getsockname(), 1.0)
        assert check().up
    assert check().reason == "refused"


def test_port_check_silence_is_a_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that never answers costs the timeout."""

    def connect(*_: object) -> Never:
        raise TimeoutError

    monkeypatch.setattr(socket, "create_connection", connect)
    assert port.port_check(("192.0.2.1", 9), 0.5)() == Outcome("timeout", "192.0.2.1:9: no answer within 0.5 s")


def test_port_check_unknown_host_is_an_error() -> None:
    """A name that nobody knows is neither refused nor late."""
    assert port.port_check(("no-such-host.invalid", 9), 0.5)().reason == "error"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("localhost:80", ("localhost", 80)),
        ("[::1]:6379", ("::1", 6379)),
        ("6379", ("127.0.0.1", 6379)),
        (6379, ("127.0.0.1", 6379)),
    ],
)
def test_parse_port_reads_host_and_port(text: str | int, address: tuple[str, int]) -> None:
    """A bare port is one of this machine."""
    assert port.parse_port(text) == address


@pytest.mark.parametrize("text", ["", "redis", "h:0", "h:65536", "h:-1", 99999, "h:" + "1" * 5000])
def test_parse_port_refuses(text: str | int) -> None:
    """What is no port is an error that says what to write."""
    with pytest.raises(ValueError, match="is no port: write HOST:PORT"):
        port.parse_port(text)
