"""The client's half of SCRAM-SHA-256 (RFC 5802, 7677), without channel binding."""

import base64
import binascii
import hashlib
import hmac
import os
import unicodedata
from collections.abc import Callable

from exporter.errors import ExporterError

#: A server that asks for more rounds wants our processor, not our proof: these take 0.1 s.
MAX_ROUNDS = 200_000
_GS2 = b"n,,"


class ScramRefused(ExporterError):
    """The exchange cannot be completed; the message says why."""


class Scram:
    """One exchange with *password*; *nonce* gives the random text of the client."""

    def __init__(self, password: str, nonce: Callable[[], bytes] = lambda: base64.b64encode(os.urandom(18))) -> None:
        self._password = unicodedata.normalize("NFKC", password).encode()
        self._nonce = nonce()
        self._server_signature = b""
        self.verified = False

    def first(self) -> bytes:
        """The client's first message; PostgreSQL takes the user's name from the start-up message instead."""
        return _GS2 + self._bare()

    def proof(self, challenge: bytes) -> bytes:
        """The client's final message, in answer to the server's first.

        Raises:
            ScramRefused: the challenge is no answer to our first message, or asks for too many rounds.
        """
        nonce, salt, rounds = _challenge(challenge)
        if not nonce.startswith(self._nonce) or len(nonce) == len(self._nonce):
            raise ScramRefused("the server's SCRAM challenge is no answer to ours")
        salted = hashlib.pbkdf2_hmac("sha256", self._password, salt, rounds)
        client_key = _mac(salted, b"Client Key")
        final = b"c=" + base64.b64encode(_GS2) + b",r=" + nonce
        signed = b",".join((self._bare(), challenge, final))
        signature = _mac(hashlib.sha256(client_key).digest(), signed)
        self._server_signature = _mac(_mac(salted, b"Server Key"), signed)
        proof = bytes(a ^ b for a, b in zip(client_key, signature, strict=True))
        return final + b",p=" + base64.b64encode(proof)

    def verify(self, answer: bytes) -> None:
        """Check the server's final message: it too must know the password.

        Raises:
            ScramRefused: it does not.
        """
        expected = b"v=" + base64.b64encode(self._server_signature)
        if not self._server_signature or not hmac.compare_digest(answer.partition(b",")[0], expected):
            raise ScramRefused("the server does not know the password either")
        self.verified = True

    def _bare(self) -> bytes:
        return b"n=,r=" + self._nonce


def _challenge(text: bytes) -> tuple[bytes, bytes, int]:
    """Nonce, salt and rounds of the server's first message."""
    fields = {field[:2]: field[2:] for field in text.split(b",")}
    try:
        salt = base64.b64decode(fields[b"s="], validate=True)
        rounds = int(fields[b"i="][:12])
        nonce = fields[b"r="]
    except (KeyError, ValueError, binascii.Error) as error:
        raise ScramRefused("the server's SCRAM challenge cannot be read") from error
    if not 1 <= rounds <= MAX_ROUNDS:
        raise ScramRefused(f"the server asks for {rounds} rounds of SCRAM; up to {MAX_ROUNDS} are made")
    return nonce, salt, rounds


def _mac(key: bytes, text: bytes) -> bytes:
    return hmac.digest(key, text, "sha256")
