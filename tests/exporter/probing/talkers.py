"""Servers on loopback that say what a test tells them to, and a way to run one probe against them."""

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from exporter.probing.attempt import Attempt
from exporter.probing.engine import Loop
from exporter.probing.modules import Module
from exporter.probing.resolving import Resolver
from exporter.probing.run import Run

TLS = Path(__file__).parents[2] / "fixtures" / "tls"
Dialogue = Callable[[socket.socket], None]


@dataclass
class Talker:
    """A TCP server: its port, and what each connection sent first."""

    port: int
    received: list[bytes] = field(default_factory=list)

    @property
    def url(self) -> str:
        """Its address as a URL."""
        return f"http://127.0.0.1:{self.port}/"


@contextmanager
def talking(*dialogues: Dialogue | bytes, tls: bool = False) -> Iterator[Talker]:
    """A server whose n-th connection goes by the n-th of *dialogues*, further ones by the last.

    Bytes are sent after the first piece of the request came; a function is given the socket.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:
        talker = Talker(listener.getsockname()[1])
        thread = threading.Thread(target=_serve, args=(listener, talker, dialogues), kwargs={"tls": tls}, daemon=True)
        thread.start()
        yield talker
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def _serve(listener: socket.socket, talker: Talker, dialogues: tuple[Dialogue | bytes, ...], *, tls: bool) -> None:
    number = 0
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        dialogue = dialogues[min(number, len(dialogues) - 1)]
        number += 1
        try:
            with server_context().wrap_socket(connection, server_side=True) if tls else connection as secured:
                secured.settimeout(5)
                _talk(secured, talker, dialogue)
        except OSError:
            connection.close()  # the probe has gone away, which some tests want


def _talk(connection: socket.socket, talker: Talker, dialogue: Dialogue | bytes) -> None:
    if not isinstance(dialogue, bytes):
        dialogue(connection)
        return
    talker.received.append(connection.recv(65536))
    connection.sendall(dialogue)


def server_context() -> ssl.SSLContext:
    """TLS with the certificate for `localhost` and 127.0.0.1."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(TLS / "localhost.pem", TLS / "localhost.key")
    return context


@contextmanager
def name_server(answer: Callable[[bytes], bytes | None]) -> Iterator[int]:
    """A DNS server by UDP that gives *answer* to each question; its port."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))

        def work() -> None:
            while question := server.recvfrom(4096):
                data, sender = question
                if not data:
                    return
                reply = answer(data)
                if reply is not None:
                    server.sendto(reply, sender)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        port = server.getsockname()[1]
        yield port
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", port))
        thread.join(5)


def probe(module: Module, target: str, seconds: float = 5.0, resolver: Resolver | None = None) -> Attempt:
    """One run of *module* on *target*."""
    loop = Loop()
    run = Run(loop, resolver or Resolver())
    error = loop.run(module.plan(target)(run), run.attempt.began + seconds)
    run.attempt.finish(loop.now(), error)
    loop.close()
    return run.attempt


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
