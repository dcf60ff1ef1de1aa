"""Servers on loopback that say what a test tells them to, for checks that talk a protocol."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from exporter.checks.wire import Wire

DIALOGUES = Path(__file__).parent.parent / "fixtures" / "dialogues"


@dataclass
class Peer:
    """A server: where it is, and all that it has been sent."""

    address: str = ""
    heard: bytearray = field(default_factory=bytearray)


Play = Callable[[socket.socket, Peer], None]


@contextmanager
def peer(play: Play) -> Iterator[Peer]:
    """A server that lets *play* talk to each client, one after the other."""
    it = Peer()
    with socket.create_server(("127.0.0.1", 0)) as server:
        it.address = f"127.0.0.1:{server.getsockname()[1]}"
        thread = threading.Thread(target=_serve, args=(server, play, it), daemon=True)
        thread.start()
        yield it
        server.shutdown(socket.SHUT_RDWR)
        thread.join(5)


def _serve(server: socket.socket, play: Play, it: Peer) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return  # the test is over
        with connection:
            connection.settimeout(5)
            try:
                play(connection, it)
            except OSError:
                continue  # the client has gone


def says(*pieces: bytes) -> Play:
    """Says the pieces, each after something was heard, then waits for the client to go."""

    def play(connection: socket.socket, it: Peer) -> None:
        for piece in pieces:
            it.heard += connection.recv(65536)
            connection.sendall(piece)
        silent(connection, it)

    return play


def greets(*pieces: bytes) -> Play:
    """The same, but the first piece is said at once."""

    def play(connection: socket.socket, it: Peer) -> None:
        connection.sendall(pieces[0])
        says(*pieces[1:])(connection, it)

    return play


def silent(connection: socket.socket, it: Peer) -> None:
    """Hears everything and says nothing."""
    while piece := connection.recv(65536):
        it.heard += piece


def closing(connection: socket.socket, it: Peer) -> None:
    """Ends the connection when it has heard something."""
    it.heard += connection.recv(65536)


def endless(piece: bytes) -> Play:
    """Says *piece* for ever."""

    def play(connection: socket.socket, _: Peer) -> None:
        while True:
            connection.sendall(piece * 64)

    return play


def dripping(piece: bytes) -> Play:
    """Says one byte of *piece* every 20 ms, over and over."""

    def play(connection: socket.socket, _: Peer) -> None:
        pause = threading.Event()
        while True:
            for number in range(len(piece)):
                connection.sendall(piece[number : number + 1])
                pause.wait(0.02)

    return play


def recorded(name: str) -> Play:
    """Says what a real server said, whenever as much was heard as it had heard (fixtures/dialogues)."""
    lines = (DIALOGUES / f"{name}.txt").read_text(encoding="ascii").splitlines()
    turns = [(who, bytes.fromhex(text)) for who, text in (line.split() for line in lines)]

    def play(connection: socket.socket, it: Peer) -> None:
        for who, text in turns:
            if who == "server":
                connection.sendall(text)
                continue
            wanted = len(text)
            while wanted and (piece := connection.recv(wanted)):
                it.heard += piece
                wanted -= len(piece)

    return play


def heard_in(name: str) -> bytes:
    """All that the real server of a recorded dialogue had been sent."""
    return _all_of("client", name)


def said_in(name: str) -> bytes:
    """All that the real server of a recorded dialogue had said."""
    return _all_of("server", name)


def _all_of(who: str, name: str) -> bytes:
    lines = (DIALOGUES / f"{name}.txt").read_text(encoding="ascii").splitlines()
    return b"".join(bytes.fromhex(line.split()[1]) for line in lines if line.startswith(who))


class Canned(Wire):
    """A wire on which *said* has come already, and then the end; it stays on this machine."""

    encrypted = False
    unix = True  # type: ignore[assignment]
    private = True  # type: ignore[assignment]

    def __init__(self, said: bytes) -> None:
        self.where = "h:1"
        self._buffer = bytearray(said)

    def left(self) -> float:
        """There is always time."""
        return 1.0

    def send(self, data: bytes) -> None:
        """Nobody listens."""

    def __exit__(self, *_: object) -> None:
        """Nothing is open."""

    def _receive(self) -> None:
        raise self.failure("closed", "ended the connection")
