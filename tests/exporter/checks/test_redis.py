from collections.abc import Callable

import pytest

from exporter.checks import redis
from exporter.checks.outcome import Outcome, outcome_of
from exporter.checks.redis import RedisRule
from exporter.checks.resp import command
from tests.exporter.checks.conftest import Secret
from tests.exporter.peers import Play, closing, endless, greets, peer, says, silent

PONG = b"+PONG\r\n"


def ask(play: Play, seconds: float = 5.0, **keys: object) -> Outcome:
    """The outcome of a check of a peer."""
    with peer(play) as it:
        return outcome_of(RedisRule(it.address, **keys).check(seconds))  # type: ignore[arg-type]


def test_check_pong_is_up(logged_in: Callable[[Outcome], bool]) -> None:
    """A server that answers PING is up."""
    outcome = ask(says(PONG))
    assert outcome.up
    assert logged_in(outcome)


def test_check_locked_door_is_up_without_credentials(logged_in: Callable[[Outcome], bool]) -> None:
    """A server that wants a password has answered."""
    outcome = ask(says(b"-NOAUTH Authentication required.\r\n"))
    assert outcome.up
    assert not logged_in(outcome)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"-LOADING Redis is loading the dataset in memory\r\n", "loading"),
        (b"-BUSY Redis is busy running a script.\r\n", "busy"),
        (b"-MISCONF Redis is configured to save RDB snapshots, but it's unable to persist to disk.\r\n", "misconf"),
        (b"-MASTERDOWN Link with MASTER is down\r\n", "master_down"),
        (b"-READONLY You can't write against a read only replica.\r\n", "readonly"),
        (b"-ERR max number of clients reached\r\n", "too_many_connections"),
        (b"-ERR something else\r\n", "error"),
        (b"+HELLO\r\n", "protocol"),
        (b"$-1\r\n", "protocol"),
    ],
)
def test_check_other_answers_are_down(answer: bytes, reason: str) -> None:
    """Each answer but PONG has its reason, one of the fixed set."""
    assert ask(says(answer)).reason == reason
    assert reason in redis.REASONS


@pytest.mark.parametrize(
    ("play", "reason"),
    [
        (silent, "timeout"),
        (closing, "closed"),
        (greets(b"SSH-2.0-OpenSSH_9.2\r\n"), "protocol"),
        (endless(b"+"), "protocol"),
        (endless(b"*1000\r\n"), "protocol"),
    ],
)
def test_check_other_servers_are_down(play: Play, reason: str) -> None:
    """Silence, other protocols and endless answers do not hold the check."""
    assert ask(play, 0.3).reason == reason


def test_check_logs_in_first(secret: Secret) -> None:
    """User and password go over before the question."""
    with peer(says(b"+OK\r\n", PONG)) as it:
        rule = RedisRule(it.address, user="nightshift", password_file=secret("geheim"))
        assert outcome_of(rule.check(5.0)).up
    assert it.heard == command("AUTH", "nightshift", "geheim") + command("PING")


@pytest.mark.parametrize(
    "answer",
    [
        b"-WRONGPASS invalid username-password pair or user is disabled.\r\n",
        b"-ERR AUTH <password> called without any password configured for the default user.\r\n",
        b"-ERR invalid password\r\n",
    ],
)
def test_check_wrong_credentials_are_down(secret: Secret, answer: bytes) -> None:
    """Credentials that are given must be good, whatever version of Redis says that they are not."""
    assert ask(says(answer), password_file=secret("falsch")).reason == "auth"


@pytest.mark.parametrize(("role", "reason"), [(b"master", ""), (b"slave", "readonly")])
def test_check_writable_asks_for_the_role(role: bytes, reason: str) -> None:
    """A replica is down where a writable server is needed."""
    answer = b"*2\r\n$%d\r\n%b\r\n:0\r\n" % (len(role), role)
    assert ask(says(PONG, answer), writable=True).reason == reason


def test_check_unreadable_password_is_an_error() -> None:
    """A secret file that is not there is told, and the server is not asked without it."""
    outcome = ask(says(PONG), password_file="/none/secret")
    assert outcome.reason == "error"
    assert "/none/secret" in outcome.detail
