import base64

import bcrypt
import pytest

from chassis import basic_auth
from chassis.basic_auth import KEPT, BasicAuth, Verdict

USERS = {"ann": bcrypt.hashpw(b"right", bcrypt.gensalt(4)).decode()}


def header(name: str, password: str) -> str:
    """What a browser sends."""
    return "Basic " + base64.b64encode(f"{name}:{password}".encode()).decode()


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Every password that bcrypt was asked about."""
    asked: list[bytes] = []
    real = bcrypt.checkpw
    monkeypatch.setattr(basic_auth.bcrypt, "checkpw", lambda word, hashed: asked.append(word) or real(word, hashed))
    return asked


def test_right_password_is_admitted_and_checked_once(checks: list[bytes]) -> None:
    """A scrape every second costs one check in all."""
    users = BasicAuth(USERS)
    assert {users.check(header("ann", "right")) for _ in range(5)} == {Verdict.ADMITTED}
    assert len(checks) == 1


def test_wrong_password_is_denied_and_remembered(checks: list[bytes]) -> None:
    """A misconfigured client cannot keep a processor busy."""
    users = BasicAuth(USERS)
    assert {users.check(header("ann", "wrong")) for _ in range(5)} == {Verdict.DENIED}
    assert len(checks) == 1


def test_unknown_name_takes_a_check_too(checks: list[bytes]) -> None:
    """The time that an answer takes does not tell which names exist."""
    assert BasicAuth(USERS).check(header("bob", "right")) is Verdict.DENIED
    assert checks == [b"right"]


@pytest.mark.parametrize(
    "text",
    ["", "Basic", "Basic !!!", "Bearer x", "Basic " + base64.b64encode(b"ann").decode(), "Basic /////w==",
     header("ann", "x" * 100), header("ann", "right\0")],
)  # fmt: skip
def test_what_is_no_credential_is_denied(text: str) -> None:
    """Garbage, a password longer than bcrypt takes, one with a NUL after it."""
    assert BasicAuth(USERS).check(text) is Verdict.DENIED


def test_memory_of_passwords_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Guessing fills nothing."""
    monkeypatch.setattr(basic_auth.bcrypt, "checkpw", lambda *_: False)
    users = BasicAuth(USERS)
    for number in range(2 * KEPT):
        users.check(header("ann", str(number)))
    assert len(users._wrong) == KEPT


def test_guessing_does_not_push_out_who_is_known(monkeypatch: pytest.MonkeyPatch, checks: list[bytes]) -> None:
    """Who scrapes once a minute is not made to wait behind everybody who guesses meanwhile."""
    monkeypatch.setattr(basic_auth, "KEPT", 2)
    users = BasicAuth(USERS)
    users.check(header("ann", "right"))
    for number in range(4):
        users.check(header("ann", str(number)))
    assert users.check(header("ann", "right")) is Verdict.ADMITTED
    assert checks.count(b"right") == 1


def test_waiting_too_long_for_a_check_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    """While somebody guesses, others are told to come again; those who are known still pass."""
    monkeypatch.setattr(basic_auth, "PATIENCE_SECONDS", 0)
    users = BasicAuth(USERS)
    users.check(header("ann", "right"))
    with users._checking:
        assert users.check(header("ann", "guess")) is Verdict.BUSY
        assert users.check(header("ann", "right")) is Verdict.ADMITTED
