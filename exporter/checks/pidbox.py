"""Celery's mailbox ("pidbox") as kombu's Redis transport has it: ask every worker, and read the answers.

The question is published to the fan-out channel `/DATABASE.EXCHANGE.pidbox`. It names a routing key; a worker looks
in the set of bindings for the list that belongs to it, and pushes its answer there. What is entered is removed again.
"""

import base64
import binascii
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from exporter.checks.resp import RedisSession

#: kombu's separator: between the parts of a binding, and between a queue's name and a priority.
SEPARATOR = "\x06\x16"
MAX_WORKERS = 1000
#: No wait is shorter (seconds): Redis takes 0 for "for ever".
_SHORTEST = 0.01


class _Envelope(msgspec.Struct):
    """A message as it lies in Redis; *body* is base64."""

    body: str
    headers: dict[str, object] = {}


class Mailbox:
    """Asks the workers that listen on *exchange* through *session*, in the Redis database *database*."""

    def __init__(self, session: RedisSession, exchange: str, database: int, key_prefix: str = "") -> None:
        self._session = session
        self._exchange = f"{exchange}.pidbox"
        self._channel = f"{key_prefix}/{database}.{self._exchange}"
        self._reply_exchange = f"reply.{self._exchange}"
        self._bindings = f"{key_prefix}_kombu.binding.{self._reply_exchange}"
        self._key = f"nightshift-{os.urandom(8).hex()}"
        queue = f"{self._key}.{self._reply_exchange}"
        self._binding = SEPARATOR.join((self._key, "", queue))
        self._queue = f"{key_prefix}{queue}"

    def ping(self, seconds: float) -> tuple[int, set[str]]:
        """How many workers have heard a ping, and the names of those that answered it within *seconds*.

        Raises:
            ReplyError: Redis refuses a command.
            CheckFailed: the connection fails.
        """
        ticket = os.urandom(16).hex()
        with self._bound():
            heard = self._session.number("PUBLISH", self._channel, self._question(ticket, seconds))
            return heard, set(self._answers(ticket, min(heard, MAX_WORKERS), time.monotonic() + seconds))

    @contextmanager
    def _bound(self) -> Iterator[None]:
        """The list for the answers, entered and removed."""
        self._session.ask("SADD", self._bindings, self._binding)
        try:
            yield
        finally:
            self._session.ask("SREM", self._bindings, self._binding)
            self._session.ask("DEL", self._queue)

    def _question(self, ticket: str, seconds: float) -> bytes:
        body = {
            "method": "ping",
            "arguments": {},
            "destination": None,
            "pattern": None,
            "matcher": None,
            "ticket": ticket,
            "reply_to": {"exchange": self._reply_exchange, "routing_key": self._key},
        }
        properties = {
            "delivery_mode": 1,
            "delivery_info": {"exchange": self._exchange, "routing_key": ""},
            "priority": 0,
            "body_encoding": "base64",
            "delivery_tag": os.urandom(16).hex(),
        }
        message = {
            "body": base64.b64encode(msgspec.json.encode(body)).decode(),
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {"clock": 1, "expires": time.time() + seconds},
            "properties": properties,
        }
        return msgspec.json.encode(message)

    def _answers(self, ticket: str, expected: int, ends: float) -> Iterator[str]:
        """The names of the workers that answer, until all have or the time is over."""
        names: set[str] = set()
        while len(names) < expected and (left := ends - time.monotonic()) > 0:
            reply = self._session.ask("BRPOP", self._queue, f"{max(_SHORTEST, left):.3f}")
            if not isinstance(reply, list) or len(reply) != 2 or not isinstance(reply[1], bytes):
                return
            fresh = names_in(reply[1], ticket)
            names |= fresh
            yield from fresh


def names_in(raw: bytes, ticket: str) -> set[str]:
    """The workers that *raw* is a good answer of, to the question with *ticket*; none where it is anything else."""
    try:
        envelope = msgspec.json.decode(raw, type=_Envelope)
        answers = msgspec.json.decode(base64.b64decode(envelope.body), type=dict[str, dict[str, object]])
    except (msgspec.MsgspecError, binascii.Error, ValueError, RecursionError):
        return set()
    if envelope.headers.get("ticket") != ticket:
        return set()
    return {name for name, answer in answers.items() if answer.get("ok") == "pong"}
