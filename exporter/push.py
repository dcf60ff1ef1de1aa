"""What is common to everything that is pushed to the exporter: who may, and how much at once."""

import hmac
from typing import TYPE_CHECKING

from chassis.secret_files import SecretUnusable, read_secret
from exporter.answers import Answer, Refused, text_answer

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

#: Compared with what a stranger sends where there is no token, so that both take equally long.
_NOBODY = b"\0"


class Bearer:
    """The one bearer token that may push; *token_file* holds it, and without a file nobody may.

    Raises:
        SecretUnusable: the file cannot be used.
    """

    def __init__(self, token_file: str = "") -> None:
        self._file = token_file
        if token_file:
            read_secret(token_file)

    def check(self, environ: "WSGIEnvironment") -> None:
        """Let the bearer pass; the file is read each time, so a new token needs no restart.

        Raises:
            Refused: 401 without the right token, 403 where no token is configured, 503 where it cannot be read.
        """
        if not self._file:
            raise Refused(text_answer("403 Forbidden", "Pushing is off: configure a token_file for it."))
        try:
            expected = read_secret(self._file).encode()
        except SecretUnusable:
            raise Refused(text_answer("503 Service Unavailable", "The token cannot be read; see the log.")) from None
        if not hmac.compare_digest(_token(environ), expected):
            body = b"Send the token: Authorization: Bearer TOKEN, or X-Nightshift-Token: TOKEN beside a password.\n"
            raise Refused(Answer("401 Unauthorized", body, (("WWW-Authenticate", "Bearer"),)))


def _token(environ: "WSGIEnvironment") -> bytes:
    """The token of a request; in a header of its own where `basic_auth_users` takes the usual one."""
    scheme, _, given = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
    if scheme.lower() != "bearer":
        given = environ.get("HTTP_X_NIGHTSHIFT_TOKEN", "")
    return given.strip().encode("latin-1", "replace") or _NOBODY


def read_body(environ: "WSGIEnvironment", limit: int) -> bytes:
    """The body of a request, of at most *limit* bytes.

    Raises:
        Refused: 411 where its length is not said, 413 where it is larger, 400 where it ends too early.
    """
    said = environ.get("CONTENT_LENGTH") or ""
    if not (said.isascii() and said.isdecimal()):
        raise Refused(text_answer("411 Length Required", "Send the body with a Content-Length."))
    length = int(said) if len(said) < 20 else limit + 1
    if length > limit:
        raise Refused(text_answer("413 Content Too Large", f"The body is larger than {limit} bytes; send less."))
    body: bytes = environ["wsgi.input"].read(length)
    if len(body) != length:
        raise Refused(text_answer("400 Bad Request", "The body ended before its Content-Length."))
    return body
