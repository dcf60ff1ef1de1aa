"""What real servers said, with faults in it: thousands of broken conversations per protocol."""

import random
from collections.abc import Callable

import pytest

from exporter.checks.mysql import MysqlRule
from exporter.checks.outcome import CheckFailed
from exporter.checks.postgresql import PostgresqlRule
from exporter.checks.rabbitmq import RabbitmqRule
from exporter.checks.redis import RedisRule
from tests.exporter.checks.conftest import Secret
from tests.exporter.peers import Canned, said_in

#: A million were run once; this many are run each time.
CASES = 3000
REDIS = b"+OK\r\n+PONG\r\n*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"
Rule = MysqlRule | PostgresqlRule | RabbitmqRule | RedisRule


def broken(said: bytes, chance: random.Random) -> bytes:
    """*said* with a few faults: other bytes, missing and additional ones, impossible lengths, an early end."""
    text = bytearray(said)
    for _ in range(chance.choice((1, 1, 2, 4, 8))):
        at = chance.randrange(len(text) + 1)
        few = slice(at, at + chance.randrange(1, 9))
        faults: list[Callable[[], bytes]] = [
            lambda: chance.randbytes(1),
            lambda: b"",
            lambda few=few: bytes(text[few]) * 2,  # type: ignore[misc]
            lambda: chance.choice((b"\xff" * 4, bytes(4), b"\x7f\xff\xff\xff", b"\x80\0\0\0")),
        ]
        text[few] = chance.choice(faults)()
        if chance.random() < 0.1:
            del text[at:]
    return bytes(text)


@pytest.mark.parametrize(
    ("kind", "keys", "said"),
    [
        (MysqlRule, {"user": "native", "database": "shop"}, [said_in("mysql_native"), said_in("mysql_ed")]),
        (PostgresqlRule, {"user": "md5er"}, [said_in("postgresql_md5"), said_in("postgresql_scram")]),
        (RabbitmqRule, {}, [said_in("rabbitmq_open"), said_in("rabbitmq_denied")]),
        (RabbitmqRule, {"queues": ("celery",)}, [said_in("rabbitmq_queues"), said_in("rabbitmq_no_queue")]),
        (RedisRule, {"writable": True}, [REDIS]),
    ],
)
def test_broken_conversation_ends_in_an_outcome(
    monkeypatch: pytest.MonkeyPatch, secret: Secret, kind: type[Rule], keys: dict[str, object], said: list[bytes]
) -> None:
    """Nothing that a server says makes a check raise anything but a reason of its set."""
    chance = random.Random(0)  # noqa: S311 -- the same faults each time
    rule = kind("h:1", password_file=secret("geheim"), **keys)  # type: ignore[arg-type]
    check = rule.check(1.0)
    reasons = set()
    for _ in range(CASES):
        wire = Canned(broken(chance.choice(said), chance))
        monkeypatch.setattr(kind, "connect", lambda _self, _seconds, wire=wire: wire)
        try:
            reasons.add(check().reason)
        except CheckFailed as failure:
            reasons.add(failure.reason)
    assert reasons <= {"", *kind.reasons}
    assert len(reasons) >= 3
