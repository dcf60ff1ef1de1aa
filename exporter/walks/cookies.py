"""The cookies of one run: kept as RFC 6265 says, forgotten at its end, few and small."""

import time
from collections.abc import Callable, Iterable
from email.utils import parsedate_to_datetime
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import SplitResult

#: Further or larger cookies are not kept.
MAX_COOKIES = 100
MAX_COOKIE_BYTES = 4096


class _Key(NamedTuple):
    """What a cookie replaces when it comes again."""

    domain: str
    path: str
    name: str


class _Cookie(NamedTuple):
    """A kept cookie."""

    value: str
    host_only: bool
    secure: bool


class CookieJar:
    """The cookies of one run; *wall* tells which have expired, in Unix seconds."""

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        self._kept: dict[_Key, _Cookie] = {}

    def values(self) -> list[str]:
        """The value of every cookie: sessions, mostly, so nothing to show."""
        return [cookie.value for cookie in self._kept.values()]

    def store(self, url: SplitResult, lines: Iterable[str]) -> None:
        """Take the Set-Cookie *lines* of an answer from *url*; those that it may not set are left out."""
        for line in lines:
            if len(line) <= MAX_COOKIE_BYTES:
                self._store(url, line)

    def header(self, url: SplitResult) -> str:
        """The Cookie header for a request to *url*, longest path first; empty where there are none."""
        host, path = (url.hostname or ""), url.path or "/"
        fitting = [
            (key, cookie)
            for key, cookie in self._kept.items()
            if (host == key.domain or (not cookie.host_only and _domain_matches(host, key.domain)))
            and _path_matches(path, key.path)
            and (url.scheme == "https" or not cookie.secure)
        ]
        fitting.sort(key=lambda pair: -len(pair[0].path))
        return "; ".join(f"{key.name}={cookie.value}" for key, cookie in fitting)

    def _store(self, url: SplitResult, line: str) -> None:
        pair, *rest = line.split(";")
        name, equals, value = (part.strip() for part in pair.partition("="))
        attributes = {key.strip().lower(): text.strip() for key, _, text in (part.partition("=") for part in rest)}
        host = url.hostname or ""
        domain = attributes.get("domain", "").lower().lstrip(".")
        if not name or not equals or not (name + value).isprintable() or (domain and not _domain_matches(host, domain)):
            return
        path = attributes.get("path", "")
        key = _Key(domain or host, path if path.startswith("/") else _default_path(url), name)
        if self._expired(attributes):
            self._kept.pop(key, None)
        elif key in self._kept or len(self._kept) < MAX_COOKIES:
            self._kept[key] = _Cookie(value, not domain, "secure" in attributes)

    def _expired(self, attributes: dict[str, str]) -> bool:
        """Whether a cookie is sent to be deleted; a run is too short for it to expire later."""
        age = attributes.get("max-age", "")
        if age.lstrip("-").isdecimal():
            return age.startswith("-") or not age.strip("0")
        try:
            return parsedate_to_datetime(attributes["expires"]).timestamp() <= self._wall()
        except (KeyError, ValueError, TypeError, IndexError, OverflowError):
            return False


def _domain_matches(host: str, domain: str) -> bool:
    """Whether *host* is *domain* or below it; an address is below none, and a bare top level has nothing below it."""
    if host == domain:
        return True
    if "." not in domain or not host.endswith(f".{domain}"):
        return False
    try:
        ip_address(host)
    except ValueError:
        return True
    return False


def _path_matches(path: str, kept: str) -> bool:
    return path == kept or (path.startswith(kept) and (kept.endswith("/") or path[len(kept)] == "/"))


def _default_path(url: SplitResult) -> str:
    """The folder of the URL's path."""
    return url.path[: url.path.rfind("/")] or "/"
