"""One GET over HTTP: no redirects, no retries, no proxies, bounded in time and bytes."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from exporter.errors import SourceMalformed, SourceUnavailable
from exporter.walks.client import Client
from exporter.walks.message import Deadline, Request, StepFailed, split_url
from exporter.walks.tls import TlsRule

#: Larger answers are refused: what is fetched here is a status, not a download.
MAX_BODY_BYTES = 256 * 1024
_HEADERS = (("Accept", "application/json, */*;q=0.5"),)
#: How a failure is called here; everything else is an `error`.
_REASONS = {"refused": "refused", "timeout": "timeout"}


@dataclass(frozen=True, slots=True)
class Response:
    """What a server answered: HTTP status, body, and the seconds it took."""

    status: int
    body: bytes
    seconds: float


class Fetcher:
    """Fetches from one server; *timeout* (seconds) bounds the whole of it."""

    def __init__(self, timeout: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._timeout = timeout
        self._monotonic = monotonic

    def get(self, url: str) -> Response:
        """GET *url*.

        Raises:
            SourceUnavailable: no answer; its reason is refused, timeout or error.
            SourceMalformed: the answer is larger than `MAX_BODY_BYTES`.
        """
        client = Client(TlsRule(), MAX_BODY_BYTES, self._monotonic)
        try:
            reply = client.send(Request("GET", url, _HEADERS), Deadline(self._timeout, self._monotonic))
        except StepFailed as error:
            if error.reason == "too_large":
                raise SourceMalformed(f"{url}: {error}") from error
            raise SourceUnavailable(f"{url}: {error}", _REASONS.get(error.reason, "error")) from error
        return Response(reply.status, reply.body, reply.seconds)


def check_url(url: str) -> str:
    """*url* if it is an absolute http or https URL.

    Raises:
        ValueError: it is not; the message says what to write.
    """
    split_url(url)
    return url
