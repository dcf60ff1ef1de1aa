"""Requests of one run as a browser makes them: cookies are kept, redirects followed, no stranger is asked."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from urllib.parse import quote, urldefrag, urljoin, urlsplit

from exporter.walks.client import Client
from exporter.walks.cookies import CookieJar
from exporter.walks.message import DEFAULT_PORTS, URL_CHARACTERS, Deadline, Reply, Request, StepFailed, origin_of

_REDIRECTS = (301, 302, 303, 307, 308)
_KEEPS_METHOD = (307, 308)
#: What may be told to another origin; every other header could be a credential.
_HARMLESS = ("accept", "accept-encoding", "accept-language", "user-agent", "content-type")


class Hosts:
    """Who may be asked: the hosts of *urls*, and *more* given as `host` or `host:port`.

    A host that is named on its scheme's own port may be asked on 80 and 443 alike: sites redirect from one to the
    other. Any other port is another server and must be named.

    Raises:
        ValueError: one of them is no host or URL.
    """

    def __init__(self, urls: Iterable[str], more: Iterable[str] = ()) -> None:
        named = {origin_of(url)[1:] for url in urls} | {origin_of(f"http://{host}")[1:] for host in more}
        standard = DEFAULT_PORTS.values()
        #: Host and port of everyone who may be asked.
        self.allowed = named | {(host, other) for host, port in named if port in standard for other in standard}
        self.names = sorted({host for host, _ in named})

    def check(self, url: str) -> None:
        """Let *url* pass if its host may be asked.

        Raises:
            StepFailed: it may not.
        """
        _, host, port = origin_of(url)
        if (host, port) not in self.allowed:
            raise StepFailed(
                "redirect", f"{host}:{port} is not named in the configuration: add it to `hosts` to allow it"
            )


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and what came of it; None for no answer."""

    request: Request
    reply: Reply | None


class Visitor:
    """Asks *hosts* through *client* with one cookie jar; `exchanges` are those of the last visit."""

    def __init__(self, client: Client, hosts: Hosts) -> None:
        self._client = client
        self._hosts = hosts
        self.jar = CookieJar()
        self.exchanges: list[Exchange] = []

    @property
    def last(self) -> Exchange | None:
        """The last exchange of the last visit; None before there is one."""
        return self.exchanges[-1] if self.exchanges else None

    def visit(self, request: Request, deadline: Deadline, max_redirects: int) -> Reply:
        """The answer to *request* after at most *max_redirects* redirects (0: they are answers like others).

        Raises:
            StepFailed: there is none; also for a redirect to a host that may not be asked, and for one too many.
        """
        self.exchanges = []
        reply = self._send(request, deadline)
        while max_redirects and reply.status in _REDIRECTS and reply.header("location"):
            if len(self.exchanges) > max_redirects:
                raise StepFailed("redirect", f"more than {max_redirects} redirects; the last from {reply.url}")
            request = _redirected(request, reply)
            reply = self._send(request, deadline)
        seconds = sum(exchange.reply.seconds for exchange in self.exchanges if exchange.reply)
        return replace(reply, seconds=seconds)

    def _send(self, request: Request, deadline: Deadline) -> Reply:
        self._hosts.check(request.url)
        parts = urlsplit(request.url)
        cookies = self.jar.header(parts)
        sent = replace(request, headers=_with_cookies(request, cookies)) if cookies else request
        self.exchanges.append(Exchange(sent, None))
        reply = self._client.send(sent, deadline)
        self.exchanges[-1] = Exchange(sent, reply)
        self.jar.store(parts, (value for name, value in reply.headers if name.lower() == "set-cookie"))
        return reply


def _with_cookies(request: Request, cookies: str) -> tuple[tuple[str, str], ...]:
    """The headers of *request* with the jar's *cookies* behind its own."""
    own = [value for name, value in request.headers if name.lower() == "cookie"]
    others = tuple(pair for pair in request.headers if pair[0].lower() != "cookie")
    return (*others, ("Cookie", "; ".join([*own, cookies])))


def _redirected(request: Request, reply: Reply) -> Request:
    """The request that a redirect asks for; what might be a credential stays with the origin that it was for.

    Raises:
        StepFailed: the target is no URL, or another origin should be sent the body.
    """
    target = _target(reply)
    keeps = reply.status in _KEEPS_METHOD or request.method in ("GET", "HEAD")
    method = request.method if keeps else "GET"
    body = request.body if keeps else b""
    headers = request.headers
    if origin_of(target) != origin_of(request.url):
        if body:
            raise StepFailed("redirect", f"{reply.url} redirects a request with a body to another origin: {target}")
        headers = tuple(pair for pair in headers if pair[0].lower() in _HARMLESS)
    if not body:
        headers = tuple(pair for pair in headers if pair[0].lower() != "content-type")
    return Request(method, target, headers, body)


def _target(reply: Reply) -> str:
    """Where a redirect leads, as an absolute URL without control characters."""
    location = quote(reply.header("location") or "", safe=URL_CHARACTERS, errors="replace")
    try:
        target = urldefrag(urljoin(reply.url, location)).url
        origin_of(target)
    except ValueError as error:
        raise StepFailed("redirect", f"{reply.url} redirects to no usable URL: {error}") from error
    return target
