import json
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest
from websockets.exceptions import ConnectionClosedError
from websockets.frames import Close
from websockets.sync.client import ClientConnection

from alert_handler.errors import DeliveryError, DeliveryRejected, DeliveryUnavailable
from alert_handler.message_json import body_of
from alert_handler.model import Message, Severity
from alert_handler.notifiers import websocket
from alert_handler.notifiers.websocket import WebSocket, WebSocketConfig
from chassis import config_file
from tests.alert_handler.peers import WsPeer, ws_peer

MESSAGE = Message(key="k", kind="action", severity=Severity.HIGH, title="Cleaned up", text="12 files", at=1.0)


@pytest.fixture
def peer() -> Iterator[WsPeer]:
    """A WebSocket server."""
    with ws_peer() as peer:
        yield peer


def channel(address: str, **options: object) -> WebSocket:
    """The channel to a server."""
    section = {"url": f"ws://{address}/api/v1/pam/ws/ops", "timeout_seconds": 0.5} | options
    return WebSocket(config_file.decode(section, WebSocketConfig, "notifiers.pam"))


def test_frame_is_the_message(peer: WsPeer, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The server gets one JSON frame and a bearer token; the log says so in the required words."""
    token = tmp_path / "token"
    token.write_text("hunter2", encoding="ascii")
    token.chmod(0o600)
    with caplog.at_level(logging.INFO):
        channel(peer.address, token_file=str(token)).deliver(MESSAGE)
    (request,) = peer.take()
    assert (request.path, json.loads(request.body)) == ("/api/v1/pam/ws/ops", json.loads(body_of(MESSAGE)))
    assert request.headers["authorization"] == "Bearer hunter2"
    assert "📱 Sent notification to PAM: Cleaned up" in caplog.messages


def test_each_delivery_is_a_connection_of_its_own(peer: WsPeer) -> None:
    """A server that restarted between two messages gets both."""
    notifier = channel(peer.address)
    for key in "ab":
        notifier.deliver(MESSAGE.evolve(key=key))
    assert {json.loads(request.body)["key"] for request in peer.take(2)} == {"a", "b"}


@pytest.mark.parametrize(("code", "expected"), [(1008, DeliveryRejected), (1013, DeliveryUnavailable)])
def test_closing_code_of_a_server_that_reads_nothing_decides(
    peer: WsPeer, monkeypatch: pytest.MonkeyPatch, code: int, expected: type[DeliveryError]
) -> None:
    """A server that closes before it read says whether to try again."""

    def after_the_close(message: Message) -> bytes:
        assert peer.closed.wait(10)
        return body_of(message)

    peer.code = code
    monkeypatch.setattr(websocket, "body_of", after_the_close)
    with pytest.raises(expected, match=f"closed with code {code}"):
        channel(peer.address).deliver(MESSAGE)


@pytest.mark.parametrize(
    ("code", "confirmed", "expected"),
    [
        (1008, True, DeliveryRejected),
        (1009, True, DeliveryRejected),
        (1011, True, DeliveryUnavailable),
        (1006, False, DeliveryUnavailable),
        (1000, False, DeliveryUnavailable),
    ],
)
def test_closing_handshake_decides(*, code: int, confirmed: bool, expected: type[DeliveryError]) -> None:
    """After the frame, only a normal closing handshake counts as delivered."""
    protocol = SimpleNamespace(close_rcvd=Close(code, "") if confirmed else None)
    with pytest.raises(expected, match=f"closed with code {code}"):
        channel("127.0.0.1:9")._judge(cast("ClientConnection", SimpleNamespace(close_code=code, protocol=protocol)))


def test_connection_that_ends_without_a_code_is_unavailable() -> None:
    """No closing frame at all is code 1006."""
    assert "code 1006" in str(channel("127.0.0.1:9")._refusal(ConnectionClosedError(None, None)))


def test_token_that_is_gone_delays_the_delivery(tmp_path: Path) -> None:
    """A token that cannot be read now is no reason to give up."""
    token = tmp_path / "token"
    token.write_text("hunter2", encoding="ascii")
    token.chmod(0o600)
    notifier = channel("127.0.0.1:9", token_file=str(token))
    token.unlink()
    with pytest.raises(DeliveryUnavailable, match="cannot be read"):
        notifier.deliver(MESSAGE)


def test_unknown_error_is_unavailable_without_its_words() -> None:
    """An error that nobody thought of is retried, and its text, which could hold a token, is not shown."""
    assert str(channel("127.0.0.1:9")._refusal(ValueError("Bearer hunter2"))).endswith("answer (ValueError)")


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({}, "missing required field `url`"),
        ({"url": "http://a/"}, "url is no address; write ws://HOST/PATH"),
        ({"url": "ws://me:hunter2@a/"}, "url holds credentials"),
        ({"url": "ws://a/", "token_file": "/no/such"}, "the secret file /no/such cannot be read"),
    ],
)
def test_config_that_cannot_work_is_refused(section: dict[str, object], words: str) -> None:
    """A mistake is found before the first alert."""
    with pytest.raises(config_file.ConfigInvalid, match=words):
        config_file.decode(section, WebSocketConfig, "notifiers.pam")


def test_no_thread_is_left(peer: WsPeer) -> None:
    """A delivery ends with everything it started."""
    before = set(threading.enumerate())
    channel(peer.address).deliver(MESSAGE)
    assert not [thread for thread in set(threading.enumerate()) - before if "client" in thread.name]
