import io
from pathlib import Path

import pytest

from chassis.secret_files import SecretUnusable
from exporter.answers import Refused
from exporter.push import Bearer, read_body

TOKEN = "correct horse"


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    """A file with the token, private as it must be."""
    file = tmp_path / "token"
    file.touch(mode=0o600)
    file.write_text(f"{TOKEN}\n")
    return file


def status_of(bearer: Bearer, header: str) -> str:
    """The status with which a request is refused, empty where it is let pass."""
    return status_with(bearer, {"HTTP_AUTHORIZATION": header})


def status_with(bearer: Bearer, environ: dict[str, str]) -> str:
    """The same for a request with all these headers."""
    try:
        bearer.check(environ)
    except Refused as refused:
        return refused.answer.status
    return ""


def test_bearer_with_the_token_may_push(token_file: Path) -> None:
    """The scheme's case does not matter, the token's does."""
    assert status_of(Bearer(str(token_file)), f"bEARER {TOKEN}") == ""


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer wrong", f"Basic {TOKEN}", TOKEN, "Bearer \xff\u2713"])
def test_bearer_without_the_token_is_401(token_file: Path, header: str) -> None:
    """Anything else is refused, and the answer says what to send."""
    assert status_of(Bearer(str(token_file)), header) == "401 Unauthorized"


@pytest.mark.parametrize(("token", "status"), [(TOKEN, ""), ("wrong", "401 Unauthorized"), ("", "401 Unauthorized")])
def test_token_in_a_header_of_its_own(token_file: Path, token: str, status: str) -> None:
    """Behind `basic_auth_users` the header Authorization is taken by name and password."""
    environ = {"HTTP_AUTHORIZATION": "Basic cHJvbTpwdw==", "HTTP_X_NIGHTSHIFT_TOKEN": token}
    assert status_with(Bearer(str(token_file)), environ) == status


def test_bearer_without_a_file_refuses_all() -> None:
    """Pushing is off until a token is configured."""
    assert status_of(Bearer(), f"Bearer {TOKEN}") == "403 Forbidden"


def test_bearer_reads_a_new_token(token_file: Path) -> None:
    """A token that is changed counts from the next request on; one that is gone lets nobody in."""
    bearer = Bearer(str(token_file))
    token_file.write_text("new one")
    assert status_of(bearer, "Bearer new one") == ""
    token_file.unlink()
    assert status_of(bearer, "Bearer new one") == "503 Service Unavailable"


def test_bearer_of_a_missing_file_is_a_mistake(tmp_path: Path) -> None:
    """A configuration that names no token file fails at the start, not at the first push."""
    with pytest.raises(SecretUnusable):
        Bearer(str(tmp_path / "none"))


@pytest.mark.parametrize(
    ("length", "status"),
    [("", "411"), ("-1", "411"), ("x", "411"), ("\u0661", "411"), ("11", "413"), ("9" * 5000, "413"), ("10", "400")],
)
def test_read_body_refuses_what_it_cannot_bound(length: str, status: str) -> None:
    """No length, too much, or less than was said."""
    with pytest.raises(Refused) as caught:
        read_body({"CONTENT_LENGTH": length, "wsgi.input": io.BytesIO(b"12345")}, 10)
    assert caught.value.answer.status.startswith(status)


def test_read_body_gives_it_whole() -> None:
    """What was said is read, no more."""
    assert read_body({"CONTENT_LENGTH": "5", "wsgi.input": io.BytesIO(b"12345678")}, 10) == b"12345"
