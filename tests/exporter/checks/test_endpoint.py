import os
import socket
import ssl

import msgspec
import pytest

from exporter.checks.endpoint import Endpoint, Tls
from exporter.checks.outcome import CheckFailed
from tests.exporter.checks.conftest import Secret
from tests.exporter.peers import Peer, Play, peer


def tls_server(certificate: tuple[str, str]) -> Play:
    """Speaks TLS, says hello."""

    def play(connection: socket.socket, _: Peer) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        with context.wrap_socket(connection, server_side=True) as channel:
            channel.sendall(b"hello")
            channel.recv(1)

    return play


def greeting(endpoint: Endpoint) -> bytes:
    """What the server says once TLS stands."""
    with endpoint.connect(5.0) as wire:
        endpoint.secure(wire)
        assert wire.private
        return wire.take(5)


def test_secure_verifies_the_server(certificate: tuple[str, str]) -> None:
    """The server's certificate must come from a trusted hand and name the server."""
    with peer(tls_server(certificate)) as it:
        assert greeting(Endpoint(it.address, tls=Tls(ca_file=certificate[0]))) == b"hello"
        for tls in (Tls(), Tls(ca_file=certificate[0], server_name="db.example")):
            with pytest.raises(CheckFailed, match="CERTIFICATE_VERIFY_FAILED"):
                greeting(Endpoint(it.address, tls=tls))


def test_secure_unverified_takes_any_certificate(certificate: tuple[str, str]) -> None:
    """It must be asked for."""
    with peer(tls_server(certificate)) as it:
        assert greeting(Endpoint(it.address, tls=Tls(verify=False))) == b"hello"


def test_context_is_kept_until_a_file_changes(certificate: tuple[str, str]) -> None:
    """Certificates are read once, and again when they were renewed."""
    tls = Tls(ca_file=certificate[0])
    first = tls.context()
    assert tls.context() is first
    os.utime(certificate[0], (1, 1))
    assert tls.context() is not first


def test_context_missing_file_is_a_tls_failure() -> None:
    """The message names what is missing."""
    with pytest.raises(CheckFailed, match="certificate file") as failure:
        Tls(ca_file="/none/ca.pem").context()
    assert failure.value.reason == "tls"


def test_password_comes_from_its_file(secret: Secret) -> None:
    """None is configured, one is read, one cannot be read."""
    assert Endpoint("h:1").password() is None
    assert Endpoint("h:1", password_file=secret("geheim")).password() == "geheim"
    with pytest.raises(CheckFailed, match="cannot be read"):
        Endpoint("h:1", password_file="/none/secret").password()


@pytest.mark.parametrize("address", ["", "redis", 99999, 0, "h:99999", "redis.sock"])
def test_endpoint_refuses_what_is_no_address(address: str | int) -> None:
    """The message says what to write, also for a bare number."""
    with pytest.raises(msgspec.ValidationError, match="write HOST:PORT"):
        msgspec.convert({"address": address}, Endpoint)


def test_endpoint_takes_ports_and_paths() -> None:
    """A bare port is one of this machine, a path a unix socket."""
    assert msgspec.convert({"address": 6379}, Endpoint).path == ""
    assert Endpoint("/run/redis.sock").path == "/run/redis.sock"
