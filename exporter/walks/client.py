"""One HTTP exchange over a connection of its own: no redirect, no proxy, no retry; bounded in time and bytes."""

import http.client
import socket
import ssl
import time
import zlib
from collections.abc import Callable
from contextlib import closing
from urllib.parse import SplitResult

from chassis import VERSION
from exporter.walks.message import DEFAULT_PORTS, Deadline, Reply, Request, StepFailed, port_of, split_url
from exporter.walks.resolver import resolve
from exporter.walks.tls import CONTEXTS, TlsRule
from exporter.walks.wire import Wire, connect, secure

#: What is sent with every request unless the configuration says otherwise.
DEFAULT_HEADERS = {
    "User-Agent": f"nightshift-exporter/{VERSION}",
    "Accept": "*/*",
    "Accept-Encoding": "gzip",
}
#: Bytes that may come beside the body: status line and headers, and the framing of small chunks.
_HEAD_BYTES = 128 * 1024
_FRAMING = 4
_CHUNK_BYTES = 64 * 1024


class Client:
    """Sends requests; *tls* says how TLS is spoken, a body over *max_body_bytes* (decompressed) is refused."""

    def __init__(self, tls: TlsRule, max_body_bytes: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._tls = tls
        self._limit = max_body_bytes
        self._monotonic = monotonic

    def send(self, request: Request, deadline: Deadline) -> Reply:
        """Send *request* and read the whole answer before *deadline*.

        Raises:
            StepFailed: there is no usable answer; the reason says why.
        """
        started = self._monotonic()
        parts = split_url(request.url)
        steps = _Steps()
        try:
            with closing(self._open(parts, deadline, steps)) as sock:
                steps.now = "sending the request"
                wire = Wire(sock, deadline, self._limit * _FRAMING + _HEAD_BYTES)
                response = _ask(wire, request, parts, steps)
                with closing(response):
                    steps.now = "reading the body"
                    headers = tuple(response.getheaders())
                    body = _decoded(_body(response, self._limit), response.getheader("Content-Encoding"), self._limit)
        except (OSError, http.client.HTTPException, ValueError, OverflowError) as error:
            raise _failure(error, parts, steps.now, deadline.seconds) from error
        return Reply(request.url, response.status, headers, body, self._monotonic() - started)

    def _open(self, parts: SplitResult, deadline: Deadline, steps: "_Steps") -> socket.socket:
        """A connection to the server of a URL."""
        host = parts.hostname or ""
        addresses = resolve(host, port_of(parts), deadline)
        context = CONTEXTS.get(self._tls) if parts.scheme == "https" else None
        steps.now = "connecting"
        sock = connect(addresses, deadline)
        if context is None:
            return sock
        steps.now = "the TLS handshake"
        return secure(sock, context, self._tls.server_name or host, deadline)


class _Steps:
    """What an exchange is at, for the message of a failure."""

    now = "resolving the name"


def _ask(wire: Wire, request: Request, parts: SplitResult, steps: _Steps) -> http.client.HTTPResponse:
    """Send *request* and read the head of the answer."""
    connection = http.client.HTTPConnection(parts.hostname or "", port_of(parts))
    connection.sock = wire  # it has what http.client uses of a socket
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    connection.putrequest(request.method, target, skip_host=True, skip_accept_encoding=True)
    for name, value in _headers(request, parts).items():
        connection.putheader(name, value.encode())
    connection.endheaders(request.body or None)
    steps.now = "waiting for the answer"
    return connection.getresponse()


def _headers(request: Request, parts: SplitResult) -> dict[str, str]:
    """The headers as they are sent: the request's own win over the default ones, framing is ours."""
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    default_port = DEFAULT_PORTS[parts.scheme] == port_of(parts)
    named = {"Host": host if default_port else f"{host}:{port_of(parts)}"} | DEFAULT_HEADERS
    for name, value in request.headers:
        named.pop(next((known for known in named if known.lower() == name.lower()), ""), None)
        named[name] = value
    if request.body or request.method in ("POST", "PUT", "PATCH"):
        named["Content-Length"] = str(len(request.body))
    return named | {"Connection": "close"}


def _body(response: http.client.HTTPResponse, limit: int) -> bytes:
    """The whole body as it is on the wire.

    Raises:
        StepFailed: it is larger than *limit*, or ends before its Content-Length.
    """
    pieces, size = [], 0
    while piece := response.read(_CHUNK_BYTES):
        size += len(piece)
        if size > limit:
            raise StepFailed("too_large", f"the body is larger than {limit} bytes (max_body_bytes)")
        pieces.append(piece)
    if response.length:
        raise StepFailed("protocol", f"the answer ended {response.length} bytes before its Content-Length")
    return b"".join(pieces)


def _decoded(body: bytes, encoding: str | None, limit: int) -> bytes:
    """*body* without its Content-Encoding.

    Raises:
        StepFailed: the encoding is not known, *body* is not in it, or it grows over *limit*.
    """
    name = (encoding or "identity").strip().lower()
    if name == "identity" or not body:
        return body
    if name not in ("gzip", "x-gzip", "deflate"):
        raise StepFailed("protocol", f"the answer comes in Content-Encoding {name!r}, which was not asked for")
    decoder = zlib.decompressobj(zlib.MAX_WBITS | 32)
    try:
        plain = decoder.decompress(body, limit + 1)
    except zlib.error as error:
        raise StepFailed("protocol", f"the body is no {name}: {error}") from error
    if len(plain) > limit:
        raise StepFailed("too_large", f"the body decompresses to more than {limit} bytes (max_body_bytes)")
    if not decoder.eof:
        raise StepFailed("protocol", f"the {name} body ends too early")
    return plain


def _failure(error: Exception, parts: SplitResult, doing: str, seconds: float) -> StepFailed:
    """What *error* means for a step."""
    where = f"{parts.hostname}:{port_of(parts)}"
    if isinstance(error, TimeoutError):
        return StepFailed("timeout", f"{where}: {doing} was not done within {seconds:g} s")
    if isinstance(error, ConnectionRefusedError):
        return StepFailed("refused", f"{where}: connection refused")
    if isinstance(error, ssl.SSLError):
        text = getattr(error, "verify_message", "") or error.reason or str(error)
        return StepFailed("tls", f"{where}: {doing} failed: {text}")
    if isinstance(error, http.client.RemoteDisconnected) or not isinstance(error, OSError):
        return StepFailed("protocol", f"{where}: {doing} failed: {type(error).__name__}: {error}"[:500])
    return StepFailed("connection", f"{where}: {doing} failed: {error.strerror or error}")
