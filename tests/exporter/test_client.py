import gzip
import os
import socket
import ssl
import subprocess
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.walks.client import Client
from exporter.walks.message import Deadline, Reply, Request, StepFailed
from exporter.walks.tls import TlsRule
from tests.exporter.walk_doubles import Script, Shop, open_shop, raw_server

LIMIT = 64 * 1024
#: More for a long run: NIGHTSHIFT_FUZZ_CASES=200000.
FUZZ_CASES = int(os.environ.get("NIGHTSHIFT_FUZZ_CASES", "300"))


def ask(url: str, seconds: float = 5.0, method: str = "GET", **tls: str | bool) -> Reply:
    """What is answered at *url*."""
    rule = TlsRule(**tls)  # type: ignore[arg-type]
    return Client(rule, LIMIT).send(Request(method, url), Deadline(seconds))


def reason_of(script: Script, seconds: float = 5.0, ends: threading.Event | None = None) -> str:
    """Why a step fails whose server does *script*."""
    with raw_server(script, ends) as url, pytest.raises(StepFailed) as caught:
        ask(url, seconds)
    return caught.value.reason


def says(*pieces: bytes) -> Script:
    """A server that sends *pieces* and closes."""
    return lambda peer: [peer.sendall(piece) for piece in pieces]


@pytest.fixture
def ends() -> threading.Event:
    """Set at the end of a test."""
    return threading.Event()


def test_send_gives_the_whole_answer() -> None:
    """Status, headers and body of an answer in chunks."""
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"
    with raw_server(says(chunked)) as url:
        reply = ask(url)
    assert (reply.status, reply.body, reply.header("x-a")) == (200, b"abcde", "b")


def test_send_sends_what_the_request_says() -> None:
    """Method, path, query, headers and body arrive; the request's headers replace the default ones."""
    with open_shop(Shop()) as shop:
        request = Request("POST", f"{shop.url}/cart?x=1", (("accept", "text/x"),), b"{}")
        Client(TlsRule(), LIMIT).send(request, Deadline(5))
    method, path, headers, body = shop.asked[0]
    assert (method, path, headers["accept"], body) == ("POST", "/cart?x=1", "text/x", "{}")
    assert headers["host"] == shop.url[7:]


@pytest.mark.parametrize("encoding", [b"gzip", b"deflate"])
def test_send_decompresses(encoding: bytes) -> None:
    """A compressed body is given as it was."""
    packed = gzip.compress(b"x" * 5000) if encoding == b"gzip" else zlib.compress(b"x" * 5000)
    head = b"HTTP/1.1 200 OK\r\nContent-Encoding: %b\r\nContent-Length: %d\r\n\r\n" % (encoding, len(packed))
    with raw_server(says(head, packed)) as url:
        assert ask(url).body == b"x" * 5000


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"", "protocol"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", "protocol"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", "protocol"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-" + b"f" * 400 + b"\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\nno gzip", "protocol"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\n\r\nx", "protocol"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b"cut off", mtime=0)[:-9], "protocol"),
        (b"HTTP/1.1 200 OK\r\n" + b"X-Many: x\r\n" * 200 + b"\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 70_000 + b"\r\n\r\n", "protocol"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 65537\r\n\r\n" + b"x" * 65_537, "too_large"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(bytes(50_000_000), mtime=0), "too_large"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_send_refuses_what_is_no_answer(answer: bytes, reason: str) -> None:
    """Broken, cut off, unknown and oversized answers fail the step, each for its reason."""
    assert reason_of(says(answer)) == reason


def endless(peer: socket.socket, head: bytes, piece: bytes, ends: threading.Event) -> None:
    """Send *head*, then *piece* again and again."""
    peer.sendall(head)
    while not ends.is_set():
        peer.sendall(piece)


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 10_000),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n" * 5_000),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n", b"x" * 10_000),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 500),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n", b"X-Trailer: x\r\n" * 500),
    ],
    ids=["body", "small chunks", "negative chunk", "interim answers", "trailers"],
)
def test_send_ends_before_an_endless_answer(head: bytes, piece: bytes, ends: threading.Event) -> None:
    """However an answer without end is framed, the bytes that are read of it are counted."""
    assert reason_of(lambda peer: endless(peer, head, piece, ends), 20, ends) in ("too_large", "protocol")


@pytest.mark.parametrize(
    "head", [b"", b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"]
)
def test_send_deadline_holds_for_drops(head: bytes, ends: threading.Event) -> None:
    """A server that sends a byte now and then never runs into a timeout, but into the deadline."""

    def drip(peer: socket.socket) -> None:
        peer.sendall(head)
        while not ends.wait(0.02):
            peer.sendall(b"x")

    assert reason_of(drip, 0.3, ends) == "timeout"


def test_send_deadline_holds_for_a_server_that_takes_nothing(ends: threading.Event) -> None:
    """A large request to a server that does not read it ends with the deadline."""
    with raw_server(lambda _: ends.wait(20), ends) as url, pytest.raises(StepFailed) as caught:
        Client(TlsRule(), LIMIT).send(Request("POST", url, (), bytes(30_000_000)), Deadline(0.3))
    assert caught.value.reason == "timeout"
    assert "sending the request" in caught.value.detail


def test_send_refused() -> None:
    """Nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(StepFailed, match="connection refused") as caught:
        ask(f"http://127.0.0.1:{port}/")
    assert caught.value.reason == "refused"


def test_send_header_with_a_line_break_is_not_sent() -> None:
    """Should a line break come this far, nothing leaves the machine."""
    with open_shop(Shop()) as shop, pytest.raises(StepFailed):
        Client(TlsRule(), LIMIT).send(Request("GET", shop.url, (("X", "a\r\nInjected: b"),)), Deadline(5))
    assert shop.asked == []


PIECES = st.sampled_from(
    [
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.0 -1 \r\n",
        b"HTTP/1.1 204 \r\n",
        b"Content-Length: 5\r\n",
        b"Content-Length: -5\r\n",
        b"Content-Length: 99999999999999999999\r\n",
        b"Transfer-Encoding: chunked\r\n",
        b"Content-Encoding: gzip\r\n",
        b"Content-Encoding: deflate\r\n",
        b"Set-Cookie: a=b\r\n",
        b"\r\n",
        b"5\r\nhello\r\n",
        b"-1\r\n",
        b"0\r\n\r\n",
        b"fffffffffffffffffff\r\n",
        gzip.compress(b"hello", mtime=0),
        zlib.compress(b"x" * 200_000),
    ]
)


class Paired(Client):
    """A client of a server that sends what it is told and ends, whatever it is asked."""

    def __init__(self, near: socket.socket) -> None:
        super().__init__(TlsRule(), LIMIT)
        self._near = near

    def _open(self, *_: object) -> socket.socket:
        return self._near


@settings(deadline=None, max_examples=FUZZ_CASES)
@given(st.lists(PIECES | st.binary(max_size=30), max_size=8))
def test_send_any_bytes_are_an_answer_or_a_reason(pieces: list[bytes]) -> None:
    """Whatever a server sends, a step gets an answer of bounded size or fails for one of the reasons."""
    near, far = socket.socketpair()
    with near, far:
        far.sendall(b"".join(pieces))
        far.shutdown(socket.SHUT_WR)
        try:
            reply = Paired(near).send(Request("GET", "http://h/"), Deadline(60))
        except StepFailed as failed:
            reply = Reply(failed.reason, 0, (), b"")
    assert reply.url in ("http://h/", "protocol", "too_large")
    assert len(reply.body) <= LIMIT


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 with its key."""
    path = tmp_path_factory.mktemp("tls") / "pair.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=shop -addext subjectAltName=IP:127.0.0.1"
    arguments = [*command.split(), "-keyout", str(path), "-out", str(path) + ".crt"]
    subprocess.run(arguments, check=True, capture_output=True)
    with path.open("ab") as pair:
        pair.write(Path(str(path) + ".crt").read_bytes())
    return path


@pytest.fixture
def secure_url(certificate: Path) -> Iterator[str]:
    """A server with that certificate that asks for one and says whether it got it."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(certificate))
    context.load_cert_chain(certificate)
    context.verify_mode = ssl.CERT_OPTIONAL
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        try:
            while True:
                peer, _ = listener.accept()
                with context.wrap_socket(peer, server_side=True) as channel:
                    channel.recv(65536)
                    known = b"known" if channel.getpeercert() else b"unknown"
                    channel.sendall(b"HTTP/1.1 200 OK\r\n\r\n" + known)
        except OSError:
            return

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    yield f"https://127.0.0.1:{listener.getsockname()[1]}/"
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(10)


def test_send_tls_with_its_authority_and_client_certificate(secure_url: str, certificate: Path) -> None:
    """A server of the named authority is trusted, and shown the client's certificate."""
    assert ask(secure_url, ca_file=str(certificate), cert_file=str(certificate)).body == b"known"


def test_send_tls_insecure_trusts_everybody(secure_url: str) -> None:
    """Who says so may skip the check."""
    assert ask(secure_url, insecure_skip_verify=True).body == b"unknown"


def test_send_tls_refuses_a_stranger(secure_url: str) -> None:
    """A certificate of an unknown authority fails the step."""
    with pytest.raises(StepFailed, match="self-signed certificate") as caught:
        ask(secure_url)
    assert caught.value.reason == "tls"


def test_send_tls_missing_file_is_named() -> None:
    """A file that is not there is told by its name."""
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(StepFailed, match=r"none\.pem") as caught:
        ask(f"https://127.0.0.1:{listener.getsockname()[1]}/", ca_file="/nowhere/none.pem")
    assert caught.value.reason == "tls"


def test_send_tls_handshake_that_stalls_ends_with_the_deadline() -> None:
    """A server that accepts and says nothing does not hold the handshake."""
    with socket.create_server(("127.0.0.1", 0)) as listener, pytest.raises(StepFailed, match="the TLS handshake"):
        ask(f"https://127.0.0.1:{listener.getsockname()[1]}/", 0.2)
