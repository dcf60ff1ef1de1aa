import http.client
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.configs import ROOT
from demo.processes import Child, free_ports
from demo.receiver import messages
from demo.waiting import until


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    """A running receiver that writes to messages.jsonl."""
    address = f"127.0.0.1:{free_ports(1)[0]}"
    argv = [sys.executable, "-m", "demo.receiver", "--listen", address, "--file", str(tmp_path / "messages.jsonl")]
    child = Child("receiver", argv, tmp_path / "receiver.log", {"PYTHONPATH": str(ROOT)})
    child.start()
    until(lambda: _post(address, b"nothing") == 400, "the receiver", 10)
    yield address
    child.stop()


def _post(address: str, body: bytes) -> int:
    """The status of one POST, 0 without an answer."""
    connection = http.client.HTTPConnection(address, timeout=10)
    try:
        connection.request("POST", "/hook", body)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def test_receiver_keeps_messages_with_their_time(address: str, tmp_path: Path) -> None:
    """What was taken can be read back, in order; what is no JSON was refused and is not there."""
    assert [_post(address, body) for body in (b'{"n": 1}', b"{", b'{"n": 2}')] == [200, 400, 200]
    taken = messages(tmp_path / "messages.jsonl")
    assert [each["message"] for each in taken] == [{"n": 1}, {"n": 2}]
    assert isinstance(taken[0]["at"], float)


def test_messages_before_the_first_is_empty(tmp_path: Path) -> None:
    """No file yet is no message."""
    assert messages(tmp_path / "none.jsonl") == []
