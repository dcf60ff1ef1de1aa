import socket
from collections.abc import Iterator

import pytest

from exporter.walks.message import Deadline, StepFailed
from exporter.walks.wire import Wire, connect
from tests.exporter.doubles import Clock


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Two connected sockets."""
    near, far = socket.socketpair()
    with near, far:
        yield near, far


def test_makefile_counts_what_it_gives(pair: tuple[socket.socket, socket.socket]) -> None:
    """More bytes than the budget are refused, however they are asked for."""
    near, far = pair
    far.sendall(b"x" * 100)
    reader = Wire(near, Deadline(5), 60).makefile("rb")
    with pytest.raises(StepFailed) as caught:
        reader.read(100)
    assert caught.value.reason == "too_large"


def test_makefile_gives_what_fits(pair: tuple[socket.socket, socket.socket]) -> None:
    """Up to the budget everything is given; the end of the stream is the end."""
    near, far = pair
    far.sendall(b"line\nrest")
    far.close()
    reader = Wire(near, Deadline(5), 9).makefile("rb")
    assert (reader.readline(), reader.read(), reader.read()) == (b"line\n", b"rest", b"")


def test_wire_does_nothing_after_the_deadline(pair: tuple[socket.socket, socket.socket], clock: Clock) -> None:
    """What is there already is not read when the time is over, nor is anything sent."""
    near, far = pair
    far.sendall(b"x")
    wire = Wire(near, Deadline(5, clock), 9)
    clock.now += 6
    with pytest.raises(TimeoutError):
        wire.makefile("rb").read(1)
    with pytest.raises(TimeoutError):
        wire.sendall(b"x")


def test_close_leaves_the_socket_to_its_owner(pair: tuple[socket.socket, socket.socket]) -> None:
    """http.client closes its socket while the answer is being read."""
    near, far = pair
    Wire(near, Deadline(5), 9).close()
    far.sendall(b"x")
    assert near.recv(1) == b"x"


def test_connect_tries_every_address() -> None:
    """An address that refuses is not the end."""
    with socket.create_server(("127.0.0.1", 0)) as open_one, socket.create_server(("127.0.0.1", 0)) as closed:
        refusing = closed.getsockname()
        closed.close()
        addresses = [(socket.AF_INET, refusing), (socket.AF_INET, open_one.getsockname())]
        with connect(addresses, Deadline(5)) as sock:
            assert sock.getpeername() == open_one.getsockname()


def test_connect_without_success_gives_the_first_problem() -> None:
    """The first address is the one that people know."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        refusing = closed.getsockname()
    with pytest.raises(ConnectionRefusedError):
        connect([(socket.AF_INET, refusing), (socket.AF_INET, ("255.255.255.255", 1))], Deadline(5))
