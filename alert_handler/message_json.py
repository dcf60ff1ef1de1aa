"""A message as JSON, for every channel that speaks it: HTTP webhooks and WebSockets get the same document."""

import hashlib
import re

import msgspec

from alert_handler.model import Message
from chassis.redaction import well_formed

#: Version of the document; a field may be added without changing it.
VERSION = "1"

_KEY = re.compile(r"[!-~]{1,255}")


def body_of(message: Message) -> bytes:
    """*message* as the JSON that receivers get; every field is always there."""
    return msgspec.json.encode(
        {
            "version": VERSION,
            "key": well_formed(message.key),
            "kind": message.kind,
            "severity": message.severity.value,
            "title": well_formed(message.title),
            "text": well_formed(message.text),
            "at": message.at,
            "incident_id": message.incident_id,
            "url": well_formed(message.url),
            "facts": {well_formed(name): well_formed(value) for name, value in message.facts.items()},
        }
    )


def idempotency_key(message: Message) -> str:
    """The message's key, or its hash when it would not fit into a header."""
    if _KEY.fullmatch(message.key):
        return message.key
    return hashlib.sha256(message.key.encode("utf-8", "surrogatepass")).hexdigest()
