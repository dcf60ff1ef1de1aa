"""Notifier `webhook`: every message as a JSON POST to an address of yours.

`Idempotency-Key` names the message: the same message can arrive twice. With `secret_file`, the header
`X-Nightshift-Signature-256: sha256=HEX` is the HMAC-SHA256 of the body.
"""

import hashlib
import hmac
from typing import ClassVar

import msgspec

from alert_handler.channel_http import HttpChannel, HttpOptions, address
from alert_handler.errors import DeliveryUnavailable
from alert_handler.message_json import body_of, idempotency_key
from alert_handler.model import Message
from chassis.plugins import plugin
from chassis.secret_files import read_secret


class WebhookConfig(HttpOptions, frozen=True, kw_only=True):
    """The address (or the file that holds it), and files with a bearer token and a signing secret."""

    url: str = ""
    url_file: str = ""
    token_file: str = ""
    secret_file: str = ""

    def __post_init__(self) -> None:
        """Refuse an address or a secret that cannot be used (ValueError)."""
        super().__post_init__()
        address(self.url, self.url_file)
        for file in filter(None, (self.token_file, self.secret_file)):
            read_secret(file)


@plugin("notifier", "webhook")
class Webhook:
    """Sends `{"version": "1", "key": ..., "kind": ..., "severity": ..., "title": ..., "text": ..., ...}`."""

    Config: ClassVar[type[msgspec.Struct]] = WebhookConfig

    def __init__(self, config: WebhookConfig) -> None:
        self._config = config
        self._channel = HttpChannel(config)

    def deliver(self, message: Message) -> None:
        """POST *message*; secrets are read anew, so that they can be rotated.

        Raises:
            DeliveryUnavailable: try again later; also when a secret cannot be read now.
            DeliveryRejected: never try again.
        """
        config = self._config
        try:
            url = address(config.url, config.url_file)
            token = read_secret(config.token_file) if config.token_file else ""
            secret = read_secret(config.secret_file) if config.secret_file else ""
        except ValueError as error:
            raise DeliveryUnavailable(str(error)) from error
        body = body_of(message)
        headers = {"Idempotency-Key": idempotency_key(message)}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if secret:
            headers["X-Nightshift-Signature-256"] = signature(secret, body)
        self._channel.post(url, body, headers, (token, secret))


def signature(secret: str, body: bytes) -> str:
    """HMAC-SHA256 of *body* as receivers of signed webhooks expect it."""
    return f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}"
