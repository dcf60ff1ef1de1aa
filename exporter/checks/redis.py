"""Is Redis up? It must answer PING, which it does not while it loads its data or cannot save it.

Without credentials a server that wants some is up: it answers. `nightshift_service_check_logged_in` tells.
"""

from typing import ClassVar

from exporter.checks.endpoint import Endpoint
from exporter.checks.outcome import NETWORK, Check, CheckFailed, Outcome, answered
from exporter.checks.resp import RedisSession, ReplyError

#: What the first word of an error means; a word that is not here is an "error".
_CODES = {
    "NOAUTH": "auth",
    "WRONGPASS": "auth",
    "NOPERM": "auth",
    "DENIED": "auth",
    "LOADING": "loading",
    "BUSY": "busy",
    "MISCONF": "misconf",
    "MASTERDOWN": "master_down",
    "READONLY": "readonly",
}
REASONS = (*NETWORK, "auth", "loading", "busy", "misconf", "master_down", "readonly", "too_many_connections")


class RedisRule(Endpoint, frozen=True):
    """A Redis (Valkey, KeyDB) that must answer.

    Attributes:
        writable: a replica, which takes no writes, counts as down.
    """

    reasons: ClassVar[tuple[str, ...]] = REASONS
    writable: bool = False

    def check(self, seconds: float) -> Check:
        """A check that it answers PING within *seconds*."""

        def check() -> Outcome:
            with self.connect(seconds) as wire:
                self.secure(wire)
                session = RedisSession(wire)
                try:
                    login(session, self)
                    _require_pong(session)
                    if self.writable:
                        _require_master(session)
                except ReplyError as error:
                    failure = failed(session, error)
                    if failure.reason == "auth" and not self.password_file:
                        return answered("redis", logged_in=False)
                    raise failure from error
            return answered("redis", logged_in=True)

        return check


def login(session: RedisSession, endpoint: Endpoint) -> None:
    """Log in, where *endpoint* has a password.

    Raises:
        ReplyError: the server does not let us in.
        CheckFailed: the password cannot be read, or no answer in time.
    """
    password = endpoint.password()
    if password is not None:
        session.ask("AUTH", *filter(None, (endpoint.user,)), password)


def failed(session: RedisSession, error: ReplyError) -> CheckFailed:
    """What an error that the server answered means for the check."""
    text = str(error)
    reason = _CODES.get(error.code, "error")
    if "max number of clients" in text:
        reason = "too_many_connections"
    elif "AUTH" in text or "invalid password" in text:
        reason = "auth"
    return session.wire.failure(reason, f"answers: {text}")


def _require_pong(session: RedisSession) -> None:
    if (reply := session.ask("PING")) != "PONG":
        raise session.wire.failure("protocol", f"answers {reply!r:.40} to PING")


def _require_master(session: RedisSession) -> None:
    role = session.ask("ROLE")
    if isinstance(role, list) and role[:1] == [b"slave"]:
        raise session.wire.failure("readonly", "is a replica, which takes no writes")
