"""What stands in front of an application: who may ask, how often, and the headers that every answer carries."""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from chassis.basic_auth import BasicAuth, Verdict

if TYPE_CHECKING:
    from _typeshed import OptExcInfo
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

Headers = list[tuple[str, str]]


class TokenBucket:
    """Lets *burst* requests pass at once and one more every *seconds*; 0 seconds lets all pass."""

    def __init__(self, seconds: float, burst: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._seconds = seconds
        self._burst = burst
        self._monotonic = monotonic
        self._lock = threading.Lock()
        self._left = float(burst)
        self._counted = monotonic()

    def take(self) -> bool:
        """Whether one more may pass."""
        if not self._seconds:
            return True
        with self._lock:
            now = self._monotonic()
            self._left = min(self._burst, self._left + (now - self._counted) / self._seconds)
            self._counted = now
            if self._left < 1:
                return False
            self._left -= 1
            return True


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds for every request.

    Attributes:
        users: who may ask; everybody where None.
        headers: what every answer carries.
        bucket: how often.
    """

    users: BasicAuth | None = None
    headers: tuple[tuple[str, str], ...] = ()
    bucket: TokenBucket = field(default_factory=lambda: TokenBucket(0, 1))


class Guard:
    """A WSGI application that lets *application* answer what the *rules* of the moment admit."""

    def __init__(self, application: "WSGIApplication", rules: Callable[[], Rules]) -> None:
        self._application = application
        self._rules = rules

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer one request, or refuse it: 401 without the right password, 503 when there are too many."""
        rules = self._rules()

        def start(status: str, headers: Headers, failure: "OptExcInfo | None" = None, /) -> Callable[[bytes], object]:
            given = {name.lower() for name, _ in headers}
            added = [header for header in rules.headers if header[0].lower() not in given]
            return start_response(status, [*headers, *added], failure)

        refusal = _refusal(rules, environ)
        if refusal is None:
            return self._application(environ, start)
        status, headers, text = refusal
        body = text.encode()
        start(status, [*headers, ("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


def _refusal(rules: Rules, environ: "WSGIEnvironment") -> tuple[str, Headers, str] | None:
    """Status, headers and text for a request that may not pass."""
    if not rules.bucket.take():
        # 503 and not 429: Alertmanager drops a notification that is answered with 429.
        return "503 Service Unavailable", [("Retry-After", "1")], "Too many requests; the rate limit is configured.\n"
    if rules.users is None:
        return None
    verdict = rules.users.check(environ.get("HTTP_AUTHORIZATION", ""))
    if verdict is Verdict.BUSY:
        return "503 Service Unavailable", [("Retry-After", "1")], "Too many passwords are being checked.\n"
    if verdict is Verdict.DENIED:
        challenge = ("WWW-Authenticate", 'Basic realm="nightshift", charset="UTF-8"')
        return "401 Unauthorized", [challenge], "Name and password are needed.\n"
    return None
