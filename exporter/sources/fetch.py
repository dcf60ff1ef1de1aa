"""One GET over HTTP: no redirects, no retries, no proxies, a bounded body."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import urllib3
from urllib3.util import parse_url

from chassis import VERSION
from exporter.errors import SourceMalformed, SourceUnavailable

#: Larger answers are refused: what is fetched here is a status, not a download.
MAX_BODY_BYTES = 256 * 1024
_HEADERS = {"User-Agent": f"nightshift-exporter/{VERSION}", "Accept": "application/json, */*;q=0.5"}


@dataclass(frozen=True, slots=True)
class Response:
    """What a server answered: HTTP status, body, and the seconds it took."""

    status: int
    body: bytes
    seconds: float


class Fetcher:
    """Fetches from one server over a kept connection; *timeout* (seconds) bounds each wait for it."""

    def __init__(self, timeout: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._pool = urllib3.PoolManager(
            num_pools=2, maxsize=1, retries=False, timeout=urllib3.Timeout(connect=timeout, read=timeout)
        )

    def get(self, url: str) -> Response:
        """GET *url*.

        Raises:
            SourceUnavailable: no answer; its reason is refused, timeout or error.
            SourceMalformed: the answer is larger than `MAX_BODY_BYTES`.
        """
        started = self._monotonic()
        try:
            response = self._pool.request("GET", url, headers=_HEADERS, redirect=False, preload_content=False)
            try:
                body = response.read(MAX_BODY_BYTES + 1, decode_content=False)
            finally:
                response.close()
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            raise SourceUnavailable(f"{url}: {_problem(error)}", _reason(error)) from error
        if len(body) > MAX_BODY_BYTES:
            raise SourceMalformed(f"{url}: the answer is larger than {MAX_BODY_BYTES} bytes")
        return Response(response.status, body, self._monotonic() - started)

    def close(self) -> None:
        """Close the kept connections."""
        self._pool.clear()


def _problem(error: Exception) -> str:
    """What went wrong, without urllib3's object addresses."""
    return str(error.__cause__ or error).rpartition(">: ")[2] or type(error).__name__


def _reason(error: Exception) -> str:
    if isinstance(error.__cause__, ConnectionRefusedError):
        return "refused"
    return "timeout" if isinstance(error, urllib3.exceptions.TimeoutError) else "error"


def check_url(url: str) -> str:
    """*url* if it is an absolute http or https URL.

    Raises:
        ValueError: it is not; the message says what to write.
    """
    try:
        parts = parse_url(url)
    except urllib3.exceptions.LocationParseError as error:
        raise ValueError(f"{url!r} is no URL: {error}") from error
    if parts.scheme not in ("http", "https") or not parts.host:
        raise ValueError(f"{url!r} is no http(s) URL: write e.g. http://127.0.0.1:8000")
    return url
