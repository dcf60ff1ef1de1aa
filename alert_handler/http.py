"""HTTP to the servers that the configuration names: bounded in time and size, never redirected, never retried here.

urllib3 itself, not requests, whose import costs 4 MB of a budget of 48 (ADR 0002); redirects are refused because a
credential or an alert must not follow one to another host.
"""

import json
import time
from collections.abc import Mapping
from contextlib import ExitStack
from urllib.parse import urlencode

import msgspec
import urllib3

from alert_handler.errors import AlertHandlerError

MAX_ANSWER_BYTES = 8 * 1024 * 1024
_READ_BYTES = 64 * 1024


class NoAnswer(AlertHandlerError):
    """No complete HTTP answer: refused, timed out, cut off, too long, bad certificate. Names only the kind of fault."""

    reason = "no_answer"
    retryable = True


class Answer(msgspec.Struct, frozen=True):
    """An HTTP answer, whatever its status."""

    status: int
    body: bytes

    @property
    def ok(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status < 300


class HttpClient:
    """Requests with one timeout, over kept connections; may be used from several threads.

    An answer's body must be complete within the timeout too, however slowly it drips.
    """

    def __init__(self, timeout_seconds: float) -> None:
        self._timeout = timeout_seconds
        self._pool = urllib3.PoolManager(
            num_pools=4, maxsize=4, retries=False, timeout=urllib3.Timeout(total=timeout_seconds)
        )

    def get(self, url: str, params: Mapping[str, str] | None = None) -> Answer:
        """The answer to a GET.

        Raises:
            NoAnswer: there is none.
        """
        query = f"?{urlencode(params, errors='replace')}" if params else ""
        return self._request("GET", url + query, None, {})

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """The answer to a POST of *body*.

        Raises:
            NoAnswer: there is none.
        """
        return self._request("POST", url, body, headers)

    def post_json(self, url: str, content: object, headers: Mapping[str, str] | None = None) -> Answer:
        """The answer to a POST of *content* as JSON.

        Raises:
            NoAnswer: there is none.
        """
        body = json.dumps(content, ensure_ascii=False).encode("utf-8", "replace")
        return self.post(url, body, {"Content-Type": "application/json", **(headers or {})})

    def _request(self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]) -> Answer:
        deadline = time.monotonic() + self._timeout
        if not url.startswith(("http://", "https://")):
            raise NoAnswer("no http address")
        try:
            response = self._pool.request(
                method, url, body=body, headers=dict(headers), redirect=False, preload_content=False
            )
            with ExitStack() as undo:
                undo.callback(response.close)
                content = _content(response, deadline)
                undo.pop_all()
            response.release_conn()
        except (urllib3.exceptions.HTTPError, OSError, ValueError) as error:
            # The error's own text holds the address, and an address can hold a secret.
            raise NoAnswer(type(error).__name__) from error
        return Answer(response.status, content)


def _content(response: urllib3.BaseHTTPResponse, deadline: float) -> bytes:
    """The whole body as it was sent: nothing is unpacked, so nothing can grow."""
    content = bytearray()
    while chunk := response.read1(_READ_BYTES, decode_content=False):
        content += chunk
        if len(content) > MAX_ANSWER_BYTES:
            raise NoAnswer(f"the answer is over {MAX_ANSWER_BYTES} bytes")
        if time.monotonic() > deadline:
            raise NoAnswer("the answer was not complete in time")
    return bytes(content)
