"""A real server, real handshakes: what a stranger can do to TLS inside waitress' loop."""

import contextlib
import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import trustme

from chassis import tls_channel
from chassis.server import Server
from chassis.tls import ServerTls, server_tls
from chassis.tls_channel import TlsChannels
from chassis.web_config import TlsServerConfig

CA = trustme.CA()
#: Longer than one TLS record, so that an answer takes many.
BIG = 300_000


def echo(environ: dict[str, object], start: Callable[..., object]) -> Iterable[bytes]:
    """Answers scheme, then as many bytes as came in, or BIG ones."""
    body = environ["wsgi.input"].read()  # type: ignore[attr-defined]
    start("200 OK", [("X-Scheme", str(environ["wsgi.url_scheme"]))])
    return [body or b"x" * BIG]


@pytest.fixture
def tls(tmp_path: Path) -> Callable[..., ServerTls]:
    """Makes the TLS of a server at localhost."""

    def make(**more: object) -> ServerTls:
        issued = CA.issue_cert("localhost", "127.0.0.1")
        issued.private_key_pem.write_to_path(tmp_path / "key")
        issued.cert_chain_pems[0].write_to_path(tmp_path / "crt")
        CA.cert_pem.write_to_path(tmp_path / "ca")
        return server_tls(TlsServerConfig(cert_file=str(tmp_path / "crt"), key_file=str(tmp_path / "key"), **more))  # type: ignore[arg-type]

    return make


@pytest.fixture
def serve() -> Iterator[Callable[[ServerTls], tuple[str, int]]]:
    """Starts a server that ends with the test; its address."""
    with ExitStack() as stack:

        def start(tls: ServerTls) -> tuple[str, int]:
            channels = TlsChannels(lambda: tls)
            server = stack.enter_context(Server(echo, ["127.0.0.1:0"], threads=2, channels=channels))
            host, _, port = server.addresses[0].rpartition(":")
            return host, int(port)

        yield start


def client(certificate: trustme.LeafCert | None = None) -> ssl.SSLContext:
    """A client that trusts the authority, with a certificate of its own or none."""
    context = ssl.create_default_context()
    CA.configure_trust(context)
    if certificate:
        certificate.configure_cert(context)
    return context


def fetch(address: tuple[str, int], context: ssl.SSLContext, body: bytes = b"") -> tuple[str | None, bytes]:
    """Scheme and body of an answer."""
    with contextlib.closing(http.client.HTTPSConnection(*address, context=context, timeout=20)) as connection:
        connection.request("POST", "/", body)
        answer = connection.getresponse()
        return answer.getheader("X-Scheme"), answer.read()


def test_answers_of_many_records_arrive_whole(
    tls: Callable[..., ServerTls], serve: Callable[..., tuple[str, int]]
) -> None:
    """A long body, both ways, and links say https."""
    address = serve(tls())
    assert fetch(address, client()) == ("https", b"x" * BIG)
    body = bytes(range(256)) * 4000
    assert fetch(address, client(), body) == ("https", body)


def test_kept_connection_takes_many_requests(
    tls: Callable[..., ServerTls], serve: Callable[..., tuple[str, int]]
) -> None:
    """Prometheus keeps its connection from scrape to scrape."""
    connection = http.client.HTTPSConnection(*serve(tls()), context=client(), timeout=20)
    for size in (1, 16_384, 16_385, 70_000):
        connection.request("POST", "/", b"y" * size)
        assert len(connection.getresponse().read()) == size
    connection.close()


def test_parallel_clients_are_not_mixed_up(
    tls: Callable[..., ServerTls], serve: Callable[..., tuple[str, int]]
) -> None:
    """Threads that write and the loop that reads share each connection."""
    address, context, wrong = serve(tls()), client(), []

    def ask(letter: bytes) -> None:
        wrong.extend(body for _ in range(5) if (body := fetch(address, context, letter * 50_000)[1]) != letter * 50_000)

    threads = [threading.Thread(target=ask, args=(bytes([65 + number]),)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_silent_clients_delay_nobody(tls: Callable[..., ServerTls], serve: Callable[..., tuple[str, int]]) -> None:
    """Connections that never shake hands, or stop half way, leave the others served."""
    address = serve(tls())
    with ExitStack() as stack:
        for number in range(50):
            silent = stack.enter_context(socket.create_connection(address))
            silent.sendall(b"\x16\x03\x01\x02\x00\x01"[: number % 7])
        assert fetch(address, client())[0] == "https"


def test_handshakes_are_bounded_in_number(
    tls: Callable[..., ServerTls], serve: Callable[..., tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest that has not finished is given up for the newest."""
    monkeypatch.setattr(tls_channel, "MAX_HANDSHAKES", 3)
    address = serve(tls())
    with ExitStack() as stack:
        silent = [stack.enter_context(socket.create_connection(address, timeout=20)) for _ in range(4)]
        assert silent[0].recv(1) == b""
        assert fetch(address, client())[0] == "https"


def test_handshakes_are_bounded_in_time(
    tls: Callable[..., ServerTls], serve: Callable[..., tuple[str, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who says nothing is hung up on."""
    monkeypatch.setattr(tls_channel, "HANDSHAKE_SECONDS", 0)
    with socket.create_connection(serve(tls()), timeout=20) as silent:
        assert silent.recv(1) == b""


def test_plain_http_is_told_to_use_https(tls: Callable[..., ServerTls], serve: Callable[..., tuple[str, int]]) -> None:
    """The commonest mistake has an answer that people can read."""
    with socket.create_connection(serve(tls()), timeout=20) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"use https://" in plain.makefile("rb").read()


@pytest.mark.parametrize("junk", [b"\0" * 600, b"\x16\x03\x01\x00\x05hello", b"\x15\x03\x03\x00\x02\x02\x28"])
def test_junk_costs_its_own_connection(
    tls: Callable[..., ServerTls], serve: Callable[..., tuple[str, int]], junk: bytes
) -> None:
    """Bytes that are no handshake end their connection, and the server goes on."""
    address = serve(tls())
    with socket.create_connection(address, timeout=20) as stranger:
        stranger.sendall(junk)
        with contextlib.suppress(ConnectionResetError):
            stranger.makefile("rb").read()
    assert fetch(address, client())[0] == "https"


def test_junk_after_the_handshake_costs_its_own_connection(
    tls: Callable[..., ServerTls], serve: Callable[..., tuple[str, int]]
) -> None:
    """A broken record is an end, not an error of the server."""
    address = serve(tls())
    raw = socket.create_connection(address, timeout=20)
    with client().wrap_socket(raw, server_hostname="localhost") as inside:
        socket.socket.send(inside, b"\x17\x03\x03\x00\x20" + b"j" * 32)
        with pytest.raises(OSError, match=r"(?i)alert|closed|reset|EOF|record"):
            inside.recv(10)
    assert fetch(address, client())[0] == "https"


def test_client_certificate_is_demanded_and_checked(
    tls: Callable[..., ServerTls], serve: Callable[..., tuple[str, int]], tmp_path: Path
) -> None:
    """None, one of another authority, one whose name is not allowed: refused; the right one is served."""
    wanted = {"client_ca_file": str(tmp_path / "ca"), "client_auth_type": "RequireAndVerifyClientCert"}
    CA.cert_pem.write_to_path(tmp_path / "ca")
    address = serve(tls(**wanted, client_allowed_sans=("prometheus.example",)))
    strangers = [None, trustme.CA().issue_cert("prometheus.example"), CA.issue_cert("other.example")]
    for stranger in strangers:
        with pytest.raises((OSError, http.client.HTTPException)):
            fetch(address, client(stranger))
    assert fetch(address, client(CA.issue_cert("prometheus.example")))[0] == "https"
