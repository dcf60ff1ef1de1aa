"""HTTP basic authentication against bcrypt hashes, checked once per password: a check takes 70 ms of a processor."""

import base64
import binascii
import hashlib
import threading
from collections import OrderedDict
from collections.abc import Mapping
from enum import Enum

import bcrypt

#: Wrong passwords that are remembered; the one that was not asked for longest goes.
KEPT = 256
#: Seconds that a password waits for the one that is being checked.
PATIENCE_SECONDS = 2.0
#: Checked for a name that is not known, so that the time tells nobody which names are.
_NOBODY = "$2b$10$zLU3Dzl1RnLZxjqGYWVCwOiYfCpWMXMC5T9iKeXkPhkJmE.qHr9iW"


class Verdict(Enum):
    """What is known about a request's credentials."""

    ADMITTED = "admitted"
    DENIED = "denied"
    BUSY = "busy"


class BasicAuth:
    """The users, name -> bcrypt hash. Passwords are checked one at a time, so guessing cannot take every processor."""

    def __init__(self, users: Mapping[str, str]) -> None:
        self._users = dict(users)
        #: By name: guesses must never push out the password that is right.
        self._right: dict[str, bytes] = {}
        self._wrong: OrderedDict[bytes, None] = OrderedDict()
        self._known_lock = threading.Lock()
        self._checking = threading.Lock()

    def check(self, header: str) -> Verdict:
        """Judge an Authorization header."""
        credentials = _credentials(header)
        if credentials is None:
            return Verdict.DENIED
        name, password = credentials
        hashed = self._users.get(name, "")
        key = hashlib.sha256(b"\0".join((name.encode(), hashed.encode(), password))).digest()
        right = self._remembered(name, key)
        if right is None:
            if not self._checking.acquire(timeout=PATIENCE_SECONDS):
                return Verdict.BUSY
            try:
                right = _matches(password, hashed or _NOBODY) and bool(hashed)
            finally:
                self._checking.release()
            self._remember(name, key, right=right)
        return Verdict.ADMITTED if right else Verdict.DENIED

    def _remembered(self, name: str, key: bytes) -> bool | None:
        with self._known_lock:
            if self._right.get(name) == key:
                return True
            if key not in self._wrong:
                return None
            self._wrong.move_to_end(key)
            return False

    def _remember(self, name: str, key: bytes, *, right: bool) -> None:
        with self._known_lock:
            if right:
                self._right[name] = key
                return
            self._wrong[key] = None
            while len(self._wrong) > KEPT:
                self._wrong.popitem(last=False)


def _credentials(header: str) -> tuple[str, bytes] | None:
    """Name and password of a header; None where it has none."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        name, colon, password = base64.b64decode(encoded.strip(), validate=True).partition(b":")
        return (name.decode(), password) if colon else None
    except (binascii.Error, ValueError):
        return None


def _matches(password: bytes, hashed: str) -> bool:
    try:
        return bcrypt.checkpw(password, hashed.encode())
    except ValueError:  # longer than the 72 bytes that bcrypt takes, so it was never hashed
        return False
