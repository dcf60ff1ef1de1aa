import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from alert_handler.errors import DeliveryUnavailable
from alert_handler.model import Message, Severity
from alert_handler.notifiers.webhook import Webhook, WebhookConfig
from chassis import config_file
from tests.alert_handler.peers import HttpPeer, http_peer

MESSAGE = Message(
    key="k-1", kind="escalation", severity=Severity.HIGH, title="t", text="x", at=5.5, incident_id=3, facts={"a": "b"}
)


@pytest.fixture
def peer() -> Iterator[HttpPeer]:
    """A server that takes everything."""
    with http_peer() as peer:
        yield peer


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """A file with a secret."""
    file = tmp_path / "secret"
    file.write_text("hunter2-hunter2\n", encoding="ascii")
    file.chmod(0o600)
    return file


def test_body_is_the_whole_message(peer: HttpPeer) -> None:
    """Every field is there, under its name, as JSON."""
    Webhook(WebhookConfig(url=f"http://{peer.address}/a?b=c")).deliver(MESSAGE)
    (request,) = peer.got
    assert (request.path, request.headers["content-type"]) == ("/a?b=c", "application/json")
    assert json.loads(request.body) == {
        "version": "1",
        "key": "k-1",
        "kind": "escalation",
        "severity": "high",
        "title": "t",
        "text": "x",
        "at": 5.5,
        "incident_id": 3,
        "url": "",
        "facts": {"a": "b"},
    }
    assert not {"authorization", "x-nightshift-signature-256"} & set(request.headers)


def test_token_and_signature_are_sent(peer: HttpPeer, secret: Path) -> None:
    """A receiver can check who sent the body, and that nobody changed it."""
    config = WebhookConfig(url=f"http://{peer.address}/", token_file=str(secret), secret_file=str(secret))
    Webhook(config).deliver(MESSAGE)
    (request,) = peer.got
    expected = hmac.new(b"hunter2-hunter2", request.body, hashlib.sha256).hexdigest()
    assert request.headers["authorization"] == "Bearer hunter2-hunter2"
    assert request.headers["x-nightshift-signature-256"] == f"sha256={expected}"


def test_secrets_can_be_rotated(peer: HttpPeer, secret: Path) -> None:
    """The next delivery uses what is in the file then; one that cannot be read delays it."""
    webhook = Webhook(WebhookConfig(url=f"http://{peer.address}/", token_file=str(secret)))
    secret.write_text("second", encoding="ascii")
    webhook.deliver(MESSAGE)
    assert peer.got[0].headers["authorization"] == "Bearer second"
    secret.unlink()
    with pytest.raises(DeliveryUnavailable, match="secret cannot be read: No such file"):
        webhook.deliver(MESSAGE)


def test_address_can_come_from_a_file(peer: HttpPeer, secret: Path) -> None:
    """An address that is a secret is kept in a file; nonsense in it delays the delivery and is not shown."""
    secret.write_text(f"http://{peer.address}/from-file\n", encoding="ascii")
    webhook = Webhook(WebhookConfig(url_file=str(secret)))
    webhook.deliver(MESSAGE)
    assert peer.got[0].path == "/from-file"
    secret.write_text("ftp://hunter2", encoding="ascii")
    with pytest.raises(DeliveryUnavailable) as caught:
        webhook.deliver(MESSAGE)
    assert str(caught.value) == f"the content of {secret} is no address; write https://HOST/PATH"


@pytest.mark.parametrize(
    ("section", "words"),
    [
        ({}, "give either url or url_file"),
        ({"url": "http://a/", "url_file": "/b"}, "give either url or url_file"),
        ({"url": "ftp://a/"}, "url is no address; write https://HOST/PATH"),
        ({"url": "http://"}, "url is no address"),
        ({"url": "http://a:99999/"}, "url is no address"),
        ({"url": "http://a/b c"}, "url is no address"),
        ({"url": "http://a/\n"}, "url is no address"),
        ({"url": "http://[a/"}, "url is no address"),
        ({"url": "http://me:hunter2@a/"}, "url holds credentials; put them into a file"),
        ({"url": "http://a/", "proxy_url": "socks"}, "proxy_url is no address"),
        ({"url": "http://a/", "token_file": "/no/such"}, "the secret file /no/such cannot be read"),
        ({"url": "http://a/", "timeout_seconds": 0}, "timeout_seconds"),
        ({"url": "http://a/", "tokenfile": "x"}, 'unknown key .tokenfile. .did you mean "token_file"'),
    ],
)
def test_config_that_cannot_work_is_refused(section: dict[str, object], words: str) -> None:
    """A mistake is found before the first alert, and no secret is in the message."""
    with pytest.raises(config_file.ConfigInvalid, match=rf"notifiers.ops: .*{words}") as caught:
        config_file.decode(section, WebhookConfig, "notifiers.ops")
    assert "hunter2" not in str(caught.value)
