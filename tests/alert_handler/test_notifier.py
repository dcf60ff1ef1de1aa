"""The conformance suite of the kind `notifier`: what every channel keeps, whatever it speaks."""

import io
import json
import logging
import socket
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from alert_handler import notifiers
from alert_handler.errors import DeliveryError, DeliveryRejected, DeliveryUnavailable
from alert_handler.model import Message, Severity
from alert_handler.notifier import Notifier
from chassis import config_file, logs, plugins
from tests.alert_handler.peers import HttpPeer, Request, http_peer, ws_peer

CANARY = "canary-7f3a9"
MESSAGE = Message(
    key="incident-7-action-1",
    kind="action",
    severity=Severity.CRITICAL,
    title="Cleaned up shop-logs",
    text="12 files, 40 MB",
    at=1_800_000_000.0,
    incident_id=7,
    url="http://127.0.0.1:19093/incidents/7",
    facts={"service": "shop"},
)
HOSTILE = (
    "<!channel> <https://evil.example|click> & <script>alert(1)</script>",
    'quote " backslash \\ newline \n return \r tab \t nul \0 escape \x1b[31m',
    "\u202eright to left\u2069 \ud800 lone \ufeff\u2028\u2029",
    '"},"text":"forged"}\n{"a":1}',
    "@channel @here @everyone @all :fire: *bold* `code` ~no~",
    "x" * 100_000,
    "&" * 5_000,
)

#: How to configure each channel for a server at ADDRESS (with a secret in it). A new notifier adds its line here.
SAMPLES: dict[str, Callable[[str, str], dict[str, object]]] = {
    "webhook": lambda address, token: {"url": f"http://{address}/hook", "token_file": token, "secret_file": token},
    "slack": lambda address, _token: {"url": f"http://{address}/services/{CANARY}"},
    "websocket": lambda address, token: {"url": f"ws://{address}/pam", "token_file": token},
}
#: Channels without a server.
LOCAL = {"log"}

KINDS = cast("dict[str, type[Any]]", plugins.load(notifiers, "notifier"))
Build = Callable[[str], Notifier]


@pytest.fixture(params=sorted(SAMPLES))
def kind(request: pytest.FixtureRequest) -> str:
    """Each channel that has a server."""
    return str(request.param)


@pytest.fixture
def build(kind: str, tmp_path: Path) -> Build:
    """Builds the channel for the server at an address."""
    token = tmp_path / "token"
    token.write_text(f"{CANARY}\n", encoding="ascii")
    token.chmod(0o600)

    def build(address: str) -> Notifier:
        section = SAMPLES[kind](address, str(token)) | {"timeout_seconds": 0.5}
        return cast("Notifier", KINDS[kind](config_file.decode(section, KINDS[kind].Config, f"notifiers.{kind}")))

    return build


@pytest.fixture
def peer() -> Iterator[HttpPeer]:
    """An HTTP server; to a WebSocket it is one that refuses."""
    with http_peer() as peer:
        yield peer


def received(kind: str, build: Build, *messages: Message) -> list[Request]:
    """What a willing server gets of *messages*."""
    with ws_peer() if kind == "websocket" else http_peer() as peer:
        notifier = build(peer.address)
        for message in messages:
            notifier.deliver(message)
        return peer.got


def failure(notifier: Notifier) -> DeliveryError:
    """What a delivery raises, shown without any secret."""
    with pytest.raises(DeliveryError) as caught:
        notifier.deliver(MESSAGE)
    assert CANARY not in str(caught.value)
    assert CANARY not in "".join(traceback.format_exception(caught.value))
    return caught.value


def test_every_notifier_is_in_this_suite() -> None:
    """A new channel must say how it is tested."""
    assert set(KINDS) == set(SAMPLES) | LOCAL


@pytest.mark.parametrize("name", sorted(KINDS))
def test_contract_config_is_a_frozen_struct(name: str) -> None:
    """The section of the configuration is frozen, and each channel can be built from it."""
    config = KINDS[name].Config
    assert issubclass(config, msgspec.Struct)
    assert config.__struct_config__.frozen
    assert KINDS[name].__doc__


def test_delivery_arrives_once_with_its_key(kind: str, build: Build) -> None:
    """One message, one request, which says who sends it and which message it is."""
    (request,) = received(kind, build, MESSAGE)
    assert MESSAGE.title in request.body.decode()
    assert request.headers["idempotency-key"] == MESSAGE.key
    assert request.headers["user-agent"].startswith("nightshift/")


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text_stays_one_well_formed_message(kind: str, build: Build, text: str) -> None:
    """Whatever an alert's author typed: one request, valid JSON with the same keys as for harmless text."""
    hostile = MESSAGE.evolve(title=text, text=text, facts={text: text}, url=text, key=text)
    one, plain = received(kind, build, hostile, MESSAGE)
    document, expected = json.loads(one.body), json.loads(plain.body)
    assert list(document) == list(expected)
    assert len(one.headers) == len(plain.headers)
    assert "\ud800" not in json.dumps(document, ensure_ascii=False)


def test_server_that_is_down_is_unavailable(build: Build) -> None:
    """Nobody listens: try again later, and people read why."""
    with socket.create_server(("127.0.0.1", 0)) as reserved:
        address = f"127.0.0.1:{reserved.getsockname()[1]}"
    error = failure(build(address))
    assert isinstance(error, DeliveryUnavailable)
    assert str(error).endswith("Connection refused")


@pytest.mark.parametrize("mood", ["hangs", "nonsense", "hangs up"])
def test_server_that_does_not_answer_properly_is_unavailable(
    kind: str, build: Build, peer: HttpPeer, mood: str
) -> None:
    """Silence, nonsense or a closed connection: try again later."""
    peer.mood = mood
    assert isinstance(failure(build(peer.address)), DeliveryUnavailable), kind


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503])
def test_status_that_passes_is_unavailable(kind: str, build: Build, peer: HttpPeer, status: int) -> None:
    """The server's own trouble, or too many requests: try again later."""
    peer.status = status
    error = failure(build(peer.address))
    assert isinstance(error, DeliveryUnavailable), kind
    assert f"HTTP {status}" in str(error)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 413])
def test_status_that_stays_is_rejected(kind: str, build: Build, peer: HttpPeer, status: int) -> None:
    """A wrong address, credentials or content: never try again."""
    peer.status = status
    assert isinstance(failure(build(peer.address)), DeliveryRejected), kind


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirect_is_never_followed(kind: str, build: Build, peer: HttpPeer, status: int) -> None:
    """Neither message nor token goes to an address that a server names."""
    with http_peer() as other:
        peer.status, peer.extra = status, {"Location": f"http://{other.address}/{CANARY}"}
        error = failure(build(peer.address))
        assert (len(peer.got), other.got) == (1, []), kind
    assert isinstance(error, DeliveryRejected)
    assert "redirects are not followed" in str(error)


def test_answer_that_shows_a_secret_does_not_reach_the_error(kind: str, build: Build, peer: HttpPeer) -> None:
    """A server that echoes token and address, with terminal escapes, is quoted without them."""
    peer.status, peer.answer = 403, f"no: Bearer {CANARY}, http://{peer.address}/services/{CANARY} \x1b[31m".encode()
    assert "\x1b" not in str(failure(build(peer.address))), kind


def test_configuration_shows_no_secret(kind: str, build: Build) -> None:
    """Neither a channel nor its configuration has a secret in its repr."""
    notifier = build("127.0.0.1:9")
    assert CANARY not in repr(notifier)
    assert CANARY not in repr(vars(notifier).get("_config")), kind


def test_delivery_ignores_the_environment(
    kind: str, build: Build, peer: HttpPeer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A proxy named in the environment is not asked: only the configuration says where messages go."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://{peer.address}")
    assert len(received(kind, build, MESSAGE)) == 1
    assert not peer.got


def test_delivery_logs_no_secret(kind: str, build: Build) -> None:
    """Even at debug level, tokens and addresses stay out of the log."""
    stream = io.StringIO()
    root = logging.getLogger()
    before = root.handlers[:], root.level
    try:
        logs.configure("debug", stream=stream)
        received(kind, build, MESSAGE)
    finally:
        root.handlers[:], _ = before
        root.setLevel(before[1])
    assert CANARY not in stream.getvalue()
