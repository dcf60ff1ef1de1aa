"""HTTP delivery for notifiers: one POST, no redirect, and errors that say what happened without showing a secret.

An address can be a secret itself (a Slack webhook), so errors name its scheme and host only.
"""

from collections.abc import Mapping
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
import urllib3

from alert_handler.errors import DeliveryRejected, DeliveryUnavailable
from chassis import VERSION
from chassis.logs import clean
from chassis.redaction import redact
from chassis.secret_files import read_secret

USER_AGENT = f"nightshift/{VERSION}"
HTTP = ("http", "https")

#: Statuses below 500 after which the same message may be taken later.
LATER = frozenset({408, 425, 429})

_ANSWER_BYTES = 2048
_ANSWER_SHOWN = 200


class HttpOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How to reach the server; environment variables and ~/.netrc are not asked."""

    timeout_seconds: Annotated[float, msgspec.Meta(gt=0, le=300)] = 10.0
    proxy_url: str = ""
    #: Certificates (PEM) that a private authority issued.
    ca_file: str = ""

    def __post_init__(self) -> None:
        """Refuse a proxy that is no address (ValueError)."""
        if self.proxy_url:
            check_url(self.proxy_url, HTTP, "proxy_url")

    def __repr__(self) -> str:
        """The name only: an address can be a secret."""
        return f"{type(self).__name__}(...)"


def check_url(url: str, schemes: tuple[str, ...], name: str) -> None:
    """Prove that *url* (of the setting *name*) is an address with one of *schemes*; it is not shown.

    Raises:
        ValueError: it is not.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in schemes and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or not url.isprintable() or " " in url:
        raise ValueError(f"{name} is no address; write {schemes[-1]}://HOST/PATH")
    if "@" in parts.netloc:
        raise ValueError(f"{name} holds credentials; put them into a file (token_file, or url_file for all of it)")


def address(url: str, url_file: str) -> str:
    """The HTTP address itself, or the one in *url_file*.

    Raises:
        ValueError: not exactly one of both is given, the file cannot be used, or it is no address.
    """
    if bool(url) == bool(url_file):
        raise ValueError("give either url or url_file")
    found = url or read_secret(url_file)
    check_url(found, HTTP, "url" if url else f"the content of {url_file}")
    return found


def origin_of(url: str) -> str:
    """Scheme, host and port of *url*: what may be shown of it."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


class HttpChannel:
    """Posts bodies to one server."""

    def __init__(self, options: HttpOptions) -> None:
        self._timeout = options.timeout_seconds
        timeout, authorities = urllib3.Timeout(total=options.timeout_seconds), options.ca_file or None
        self._pool = (
            urllib3.ProxyManager(options.proxy_url, retries=False, timeout=timeout, ca_certs=authorities)
            if options.proxy_url
            else urllib3.PoolManager(retries=False, timeout=timeout, ca_certs=authorities)
        )

    def post(self, url: str, body: bytes, headers: Mapping[str, str], secrets: tuple[str, ...] = ()) -> None:
        """POST *body*; *secrets* are kept out of errors even when the server's answer shows them.

        Raises:
            DeliveryUnavailable: no answer, 5xx, 408, 425 or 429.
            DeliveryRejected: any other answer that is not 2xx, or an address or header that cannot be sent.
        """
        where = origin_of(url)
        try:
            status, answer = self._answer(url, body, headers)
        except ValueError as error:
            raise DeliveryRejected(f"{where}: cannot be asked ({type(error).__name__})") from None
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise DeliveryUnavailable(f"{where}: {self._what(error)}") from None
        _judge(where, status, redact(answer.decode("utf-8", "replace"), (*secrets, url)))

    def _answer(self, url: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        """Status, and the beginning of what was said to anything but success; the connection is not kept."""
        every = {"User-Agent": USER_AGENT, "Content-Type": "application/json", **headers}
        response = self._pool.request("POST", url, body=body, headers=every, redirect=False, preload_content=False)
        try:
            success = 200 <= response.status < 300
            return response.status, b"" if success else response.read1(_ANSWER_BYTES, decode_content=False)
        finally:
            response.close()

    def _what(self, error: Exception) -> str:
        """Why there was no answer, in words that hold no part of the address."""
        if isinstance(error, urllib3.exceptions.SSLError):
            return "TLS failed: its certificate is not trusted (ca_file) or its name is wrong"
        cause: BaseException | None = error
        while cause is not None:
            if isinstance(cause, OSError) and cause.strerror:
                return cause.strerror
            cause = cause.__cause__ or cause.__context__
        if isinstance(error, urllib3.exceptions.TimeoutError):
            return f"no answer within {self._timeout:g} s"
        return f"no usable answer ({type(error).__name__})"


def _judge(where: str, status: int, answer: str) -> None:
    """Raise what *status* means, if it is not success."""
    if 200 <= status < 300:
        return
    said = f": {clean(answer.strip()[:_ANSWER_SHOWN])}" if answer.strip() else ""
    if status >= 500 or status in LATER:
        raise DeliveryUnavailable(f"{where}: HTTP {status}{said}")
    hint = " (redirects are not followed: configure the final address)" if 300 <= status < 400 else ""
    raise DeliveryRejected(f"{where}: HTTP {status}{hint}{said}")
