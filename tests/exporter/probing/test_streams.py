import socket
from itertools import pairwise

import pytest

from exporter.probing import streams
from exporter.probing.engine import Loop, Task
from exporter.probing.streams import BURST_PIECES, Stream
from tests.exporter.probing.talkers import talking


def test_stream_sends_more_than_the_socket_takes_at_once() -> None:
    """A send larger than every buffer arrives whole, while nothing blocks."""
    counted = []

    def count(connection: socket.socket) -> None:
        total = 0
        while data := connection.recv(65536):
            total += len(data)
        counted.append(total)

    loop = Loop()
    with talking(count) as server:

        def sender() -> Task[None]:
            with Stream(loop, socket.AF_INET) as stream:
                yield from stream.connect((socket.AF_INET, ("127.0.0.1", server.port)))
                yield from stream.send(bytes(4_000_000))

        assert loop.run(sender(), loop.now() + 30) is None
    assert counted == [4_000_000]
    loop.close()


def test_stream_receive_gives_none_at_the_time_it_was_told() -> None:
    """A wait can end before the task's deadline."""
    got: list[bytes | None] = []
    loop = Loop()
    with socket.create_server(("127.0.0.1", 0)) as silent:

        def reader() -> Task[None]:
            with Stream(loop, socket.AF_INET) as stream:
                yield from stream.connect((socket.AF_INET, silent.getsockname()))
                got.append((yield from stream.receive(loop.now() + 0.05)))

        assert loop.run(reader(), loop.now() + 10) is None
    assert got == [None]
    loop.close()


def test_stream_fast_sender_lets_others_have_their_turn(monkeypatch: pytest.MonkeyPatch) -> None:
    """While one task takes all that has come, another one is resumed in between."""
    monkeypatch.setattr(streams, "PIECE_BYTES", 100)
    taken, seen = [0], []
    loop = Loop()
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.send(bytes(10_000))

    def reader() -> Task[None]:
        with Stream(loop, socket.AF_UNIX, accepted=ours) as stream:
            while taken[0] < 10_000:
                taken[0] += len((yield from stream.receive()) or b"")

    def other() -> Task[None]:
        while taken[0] < 10_000:
            seen.append(taken[0])
            yield loop.now()

    loop.start(reader(), loop.now() + 20, lambda _: None)
    loop.start(other(), loop.now() + 20, lambda _: None)
    while loop.running:
        loop.turn(1)
    assert max(after - before for before, after in pairwise(seen)) <= BURST_PIECES * 100
    theirs.close()
    loop.close()


@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_stream_is_closed_when_its_task_is(kind: int) -> None:
    """A task that ends early leaves no descriptor."""
    loop, streams = Loop(), []

    def waiting() -> Task[None]:
        with Stream(loop, socket.AF_INET, kind) as stream:
            streams.append(stream)
            while True:
                yield None

    loop.start(waiting(), loop.now() + 0.01, lambda _: None)
    while loop.running:
        loop.turn(1)
    assert streams[0].socket.fileno() == -1
    loop.close()
