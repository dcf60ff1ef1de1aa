"""URLs and HTTP/1.1 requests; what may be sent on when a redirect leads to another host."""

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import quote, urljoin, urlsplit

from chassis import VERSION

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_NOT_IN_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_NOT_IN_URL = re.compile(r"[\x00-\x20\x7f\\\"<>^`{|}]")
_HOST = re.compile(r"[A-Za-z0-9._:%-]+")
_MAX_URL = 8192
_PORTS = {"http": 80, "https": 443}
#: What may reach another host than the one it was configured for: nothing that may be a credential.
_HARMLESS = frozenset({"accept", "accept-charset", "accept-encoding", "accept-language", "user-agent", "connection"})
_PATH_SAFE = "/:?#[]@!$&'()*+,;=%-._~"


@dataclass(frozen=True, slots=True)
class Url:
    """An http or https URL in its parts; *path* has the query, *authority* is what the Host header says."""

    scheme: str
    host: str
    port: int
    authority: str
    path: str

    @property
    def origin(self) -> tuple[str, str, int]:
        """Who is spoken to, and how."""
        return self.scheme, self.host, self.port

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"


@lru_cache(maxsize=512)
def parse(text: str) -> Url:
    """The URL in *text*; `http://` is understood.

    Raises:
        ValueError: it is no http or https URL, or has a user name in it.
    """
    return _parse(text if "://" in text else f"http://{text}", with_user=False)


def follow(url: Url, location: str) -> Url:
    """Where a Location header leads from *url*; a user name in it is not used.

    Raises:
        ValueError: to no http or https URL.
    """
    if len(location) > _MAX_URL:
        raise ValueError("the location is too long")
    # Blanks, quotes and bytes beyond ASCII are there in practice, and browsers encode them.
    return _parse(urljoin(str(url), quote(location.encode("latin-1", "replace"), safe=_PATH_SAFE)), with_user=True)


def may_be_trusted(first: Url, other: Url) -> bool:
    """Whether *other* may be told what was meant for *first*: the same origin, or the same host over TLS instead."""
    secured = first.host == other.host and (first.scheme, first.port) == ("http", _PORTS["http"])
    return other.origin == first.origin or (secured and other.origin == ("https", first.host, _PORTS["https"]))


def _parse(text: str, *, with_user: bool) -> Url:
    if len(text) > _MAX_URL or _NOT_IN_URL.search(text):
        raise ValueError(f"{text[:200]!r} is no URL: it is too long or has characters that must be escaped")
    parts = urlsplit(text)
    if parts.scheme not in _PORTS:
        raise ValueError(f"{text[:200]!r} is no http or https URL")
    if "@" in parts.netloc and not with_user:
        raise ValueError("a URL with a user name in it would show it as a label; write basic_auth in the module")
    host = _ascii_host(parts.hostname or "")
    port = _PORTS[parts.scheme] if parts.port is None else parts.port
    if not port:
        raise ValueError("port 0 cannot be connected to")
    shown = f"[{host}]" if ":" in host else host
    authority = shown if port == _PORTS[parts.scheme] else f"{shown}:{port}"
    path = quote(parts.path or "/", safe=_PATH_SAFE) + (
        f"?{quote(parts.query, safe=_PATH_SAFE)}" if parts.query else ""
    )
    return Url(parts.scheme, host, port, authority, path)


def _ascii_host(host: str) -> str:
    try:
        found = host if host.isascii() else host.encode("idna").decode()
    except UnicodeError:
        found = ""
    if not _HOST.fullmatch(found) or ("%" in found and ":" not in found):  # a zone stands behind an address of IPv6
        raise ValueError(f"{host!r} is no host")
    return found


def check_headers(headers: Mapping[str, str]) -> None:
    """Check headers that are to be sent.

    Raises:
        ValueError: a name or value that would break the request.
    """
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name) or _NOT_IN_VALUE.search(value):
            raise ValueError(f"the header {name!r} cannot be sent: its name or value has characters that must not be")
        if name.lower() in ("content-length", "transfer-encoding", "connection"):
            raise ValueError(f"the header {name!r} is set by the prober itself")


def basic(username: str, password: str) -> str:
    """The Authorization header for a user name and password."""
    return "Basic " + base64.b64encode(f"{username}:{password}".encode()).decode()


def harmless(headers: Mapping[str, str]) -> dict[str, str]:
    """Those of *headers* that may be sent to a host they were not configured for."""
    return {name: value for name, value in headers.items() if name.lower() in _HARMLESS}


def encode(method: str, url: Url, headers: Mapping[str, str], body: bytes) -> bytes:
    """The request as it is sent; the connection ends with its response."""
    given = {name.lower() for name in headers}
    lines = [f"{method} {url.path} HTTP/1.1"]
    if "host" not in given:
        lines.append(f"Host: {url.authority}")
    if "user-agent" not in given:
        lines.append(f"User-Agent: Nightshift/{VERSION}")
    if "accept" not in given:
        lines.append("Accept: */*")
    lines += [f"{name}: {value}" for name, value in headers.items()]
    if body or method in ("POST", "PUT", "PATCH"):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "Connection: close", "", ""]).encode("utf-8") + body
