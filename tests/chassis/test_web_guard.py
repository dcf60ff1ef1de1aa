import base64
from collections.abc import Callable, Iterable

import bcrypt
import pytest

from chassis.basic_auth import BasicAuth
from chassis.web_guard import Guard, Rules, TokenBucket

USERS = BasicAuth({"ann": bcrypt.hashpw(b"right", bcrypt.gensalt(4)).decode()})
RIGHT = "Basic " + base64.b64encode(b"ann:right").decode()


def hello(_: object, start: Callable[..., object]) -> Iterable[bytes]:
    """An application with a header of its own."""
    start("200 OK", [("X-Frame-Options", "sameorigin")])
    return [b"hello"]


def ask(rules: Rules, method: str = "GET", **headers: str) -> tuple[str, dict[str, str], bytes]:
    """Status, headers and body of one request."""
    said: list[tuple[str, dict[str, str]]] = []
    environ = {"REQUEST_METHOD": method, **headers}
    guard = Guard(hello, lambda: rules)
    body = b"".join(guard(environ, lambda status, given, _=None: said.append((status, dict(given)))))
    return *said[0], body


def test_guard_lets_those_who_may_pass() -> None:
    """No rules, or the right password."""
    assert ask(Rules())[2] == b"hello"
    assert ask(Rules(USERS), HTTP_AUTHORIZATION=RIGHT)[2] == b"hello"


@pytest.mark.parametrize(("method", "length"), [("GET", 30), ("HEAD", 0)])
def test_guard_asks_for_the_password(method: str, length: int) -> None:
    """A browser shows its dialogue; the application is not asked."""
    status, headers, body = ask(Rules(USERS), method)
    assert status == "401 Unauthorized"
    assert headers["WWW-Authenticate"].startswith("Basic ")
    assert len(body) == length


def test_guard_says_busy_while_passwords_are_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes while somebody guesses is told to come again."""
    monkeypatch.setattr("chassis.basic_auth.PATIENCE_SECONDS", 0)
    with USERS._checking:
        status, headers, _ = ask(Rules(USERS), HTTP_AUTHORIZATION="Basic " + base64.b64encode(b"ann:x").decode())
    assert (status, headers["Retry-After"]) == ("503 Service Unavailable", "1")


def test_guard_adds_headers_that_the_answer_lacks() -> None:
    """What the application says of itself counts."""
    rules = Rules(headers=(("X-Frame-Options", "deny"), ("X-Content-Type-Options", "nosniff")))
    assert ask(rules)[1] == {"X-Frame-Options": "sameorigin", "X-Content-Type-Options": "nosniff"}


def test_guard_sheds_what_is_over_the_rate() -> None:
    """503 and not 429, which Alertmanager takes for a refusal for good."""
    rules = Rules(bucket=TokenBucket(60, 1))
    assert ask(rules)[0] == "200 OK"
    assert ask(rules)[0] == "503 Service Unavailable"


def test_token_bucket_refills_to_the_burst() -> None:
    """One more each interval, never more than the burst; a clock that goes back gives none."""
    now = [100.0]
    bucket = TokenBucket(0.5, 2, lambda: now[0])
    assert [bucket.take() for _ in range(3)] == [True, True, False]
    now[0] += 0.5
    assert [bucket.take() for _ in range(2)] == [True, False]
    now[0] += 60
    assert [bucket.take() for _ in range(3)] == [True, True, False]


def test_token_bucket_without_interval_lets_all_pass() -> None:
    """No limit."""
    assert all(TokenBucket(0, 1).take() for _ in range(100))
