import socket

import pytest

from exporter.probing.attempt import Attempt
from exporter.probing.modules import Module
from exporter.probing.tcp import Exchange, TcpOptions
from exporter.probing.tls import TlsConfig
from tests.exporter.probing.talkers import TLS, probe, server_context, talking

TRUSTING = TlsConfig(ca_file=str(TLS / "localhost.pem"))


def ask(port: int, *exchanges: Exchange, seconds: float = 5.0, tls: bool = False) -> Attempt:
    """One TCP probe with this conversation."""
    options = TcpOptions(query_response=exchanges, tls=tls, tls_config=TRUSTING)
    return probe(Module("tcp", tcp=options), f"127.0.0.1:{port}", seconds)


def smtp(connection: socket.socket) -> None:
    """A mail server that answers EHLO."""
    connection.sendall(b"220-hello\r\n220 mail.example ready\r\n")
    assert connection.recv(100) == b"EHLO mail.example\n"
    connection.sendall(b"250 STARTTLS\r\n")


def upgrading(connection: socket.socket) -> None:
    """A mail server that goes on to TLS."""
    smtp(connection)
    with server_context().wrap_socket(connection.dup(), server_side=True) as secured:
        secured.sendall(b"250 secure\r\n")


def test_plan_connects() -> None:
    """Without a conversation an open port is enough."""
    with talking(b"") as server:
        assert ask(server.port).ok


def test_plan_talks_line_by_line_with_groups() -> None:
    """Lines are read until one matches; its groups go into what is sent."""
    conversation = (Exchange("^220 (\\S+) ready$", "EHLO ${1}"), Exchange("STARTTLS"))
    with talking(smtp) as server:
        attempt = ask(server.port, *conversation)
    assert attempt.ok, attempt.detail


def test_plan_starttls_goes_on_in_tls() -> None:
    """After STARTTLS the conversation is encrypted, and the certificate is known."""
    conversation = (
        Exchange("^220 (\\S+) ready$", "EHLO ${1}"),
        Exchange("STARTTLS", starttls=True),
        Exchange("250 secure"),
    )
    with talking(upgrading) as server:
        attempt = ask(server.port, *conversation)
    assert attempt.ok, attempt.detail
    assert attempt.tls is not None


def test_plan_text_injected_before_tls_is_refused() -> None:
    """What stands behind the line that starts TLS came from nobody knows whom."""
    with talking(lambda connection: connection.sendall(b"go\r\ninjected\r\n")) as server:
        assert ask(server.port, Exchange("go", starttls=True)).reason == "protocol"


@pytest.mark.parametrize(
    ("sent", "reason"), [(b"nothing of interest\r\n", "answer"), (b"x" * 200_000, "too_large"), (b"", "answer")]
)
def test_plan_missing_line_has_its_reason(sent: bytes, reason: str) -> None:
    """Another line, a line without end, no line: each with the number of the exchange."""
    with talking(lambda connection: connection.sendall(sent)) as server:
        attempt = ask(server.port, Exchange("^220 "))
    assert (attempt.reason, attempt.step_name) == (reason, "query_response 1")


def test_plan_tls_from_the_beginning() -> None:
    """`tls: true` speaks TLS before anything else."""
    with talking(lambda connection: connection.sendall(b"ready\n"), tls=True) as server:
        attempt = ask(server.port, Exchange("ready"), tls=True)
    assert attempt.ok, attempt.detail


def test_exchange_needs_something_to_do() -> None:
    """An empty step is a mistake."""
    with pytest.raises(ValueError, match="at least one"):
        Exchange()
