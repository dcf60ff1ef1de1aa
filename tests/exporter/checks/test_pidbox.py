import base64
import json
import socket
from pathlib import Path

import pytest

from exporter.checks.outcome import CheckFailed
from exporter.checks.pidbox import Mailbox, names_in
from exporter.checks.resp import RedisSession, command
from exporter.checks.wire import Wire
from tests.exporter.peers import Peer, peer

RECORDED = Path(__file__).parents[2] / "fixtures" / "celery"
#: The ticket of the recorded question.
TICKET = "ca407a2e-e070-4c01-9bbc-c6e7e194c27d"


def answer_of(name: str, ticket: str, said: str = "pong") -> bytes:
    """A worker's answer, made after the recorded one."""
    envelope = json.loads((RECORDED / "answer.json").read_text())
    envelope["body"] = base64.b64encode(json.dumps({name: {"ok": said}}).encode()).decode()
    envelope["headers"]["ticket"] = ticket
    return json.dumps(envelope).encode()


def words_of(raw: bytes) -> list[bytes]:
    """The words of one RESP command."""
    return raw.split(b"\r\n")[2::2]


class Broker:
    """A Redis with *workers* that hear a ping, of which those in *answering* answer."""

    def __init__(self, heard: int, answering: list[str]) -> None:
        self._heard = heard
        self._answering = answering
        self.commands: list[list[bytes]] = []
        self.question: dict[str, object] = {}

    def __call__(self, connection: socket.socket, _: Peer) -> None:
        """Talk to one client."""
        answers: list[bytes] = []
        while raw := connection.recv(65536):
            words = words_of(raw)
            self.commands.append(words)
            if words[0] == b"PUBLISH":
                self.question = json.loads(words[2])
                body = json.loads(base64.b64decode(str(self.question["body"])))
                answers = [answer_of("stale@h", "old"), *(answer_of(name, body["ticket"]) for name in self._answering)]
                connection.sendall(b":%d\r\n" % self._heard)
            elif words[0] == b"BRPOP":
                connection.sendall(command(words[1], answers.pop(0)) if answers else b"*-1\r\n")
            else:
                connection.sendall(b":1\r\n")


def ping(broker: Broker, seconds: float = 1.0) -> tuple[int, set[str]]:
    """A ping through a broker."""
    with peer(broker) as it:
        host, _, port = it.address.rpartition(":")
        with Wire.open((host, int(port)), 5.0) as wire:
            return Mailbox(RedisSession(wire), "celery", 2, "p:").ping(seconds)


def test_names_in_reads_the_answer_of_a_real_worker() -> None:
    """Celery 5.7 says this."""
    raw = (RECORDED / "answer.json").read_bytes()
    assert names_in(raw, TICKET) == {"w1@host"}
    assert names_in(raw, "another") == set()


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"null",
        b"[" * 100_000,
        b'{"body": "?"}',
        b'{"body": "bnVsbA==", "headers": null}',
        b'{"body": "eyJhIjogMX0=", "headers": {"ticket": "t"}}',
        answer_of("w", "t", "error").replace(b"b", b"\xff"),
        answer_of("w", "t", "error"),
    ],
)
def test_names_in_other_texts_are_no_answers(raw: bytes) -> None:
    """Whatever lies in the list, only a pong counts."""
    assert names_in(raw, "t") == set()


def test_ping_asks_as_celery_does() -> None:
    """The question has the keys that `celery inspect ping` gives it, at every level."""
    broker = Broker(1, ["w1@h"])
    ping(broker)
    real = json.loads((RECORDED / "question.json").read_text())
    ours = broker.question
    assert ours.keys() == real.keys()
    assert ours["properties"].keys() == real["properties"].keys()  # type: ignore[attr-defined]
    body, theirs = (json.loads(base64.b64decode(str(question["body"]))) for question in (ours, real))
    assert body.keys() == theirs.keys()
    assert body["reply_to"]["exchange"] == theirs["reply_to"]["exchange"] == "reply.celery.pidbox"


def test_ping_counts_answers_to_its_own_question() -> None:
    """An answer to another question is none, and the wait ends with the last worker that heard."""
    broker = Broker(2, ["a@h", "b@h"])
    assert ping(broker, 60.0) == (2, {"a@h", "b@h"})


def test_ping_does_not_wait_where_nobody_heard() -> None:
    """Redis tells that no worker listens."""
    broker = Broker(0, [])
    assert ping(broker, 60.0) == (0, set())
    assert not [words for words in broker.commands if words[0] == b"BRPOP"]


def test_ping_tells_the_silent_workers() -> None:
    """Three heard, one answered."""
    assert ping(Broker(3, ["a@h"]), 0.05) == (3, {"a@h"})


def test_ping_leaves_nothing_behind() -> None:
    """What was entered for the answers is removed, in the application's own name space."""
    broker = Broker(1, ["a@h"])
    ping(broker)
    added, published, *_, removed, deleted = broker.commands
    assert added[1] == b"p:_kombu.binding.reply.celery.pidbox"
    assert published[1] == b"p:/2.celery.pidbox"
    assert removed == [b"SREM", *added[1:]]
    assert deleted == [b"DEL", b"p:" + added[2].rpartition(b"\x06\x16")[2]]


def test_ping_survives_a_flood_of_strangers() -> None:
    """Answers to other questions do not prolong the wait."""

    class Flood(Broker):
        def __call__(self, connection: socket.socket, _: Peer) -> None:
            while raw := connection.recv(65536):
                pops = words_of(raw)[0] == b"BRPOP"
                connection.sendall(command(b"q", answer_of("x", "old")) if pops else b":1\r\n")

    assert ping(Flood(1, []), 0.05) == (1, set())


def test_ping_broker_that_goes_away_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that ends in the middle is a failed check, not a worker that is gone."""
    monkeypatch.setattr(Broker, "__call__", lambda _self, connection, _: connection.recv(1))
    with pytest.raises(CheckFailed, match="ended the connection"):
        ping(Broker(1, []))
