"""The HTTP prober: one request, its redirects, and what the module wants of the response."""

from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path

from exporter.families import Family, Metric
from exporter.probing import http_request, http_rules
from exporter.probing.attempt import Attempt, ProbeFailed
from exporter.probing.blackbox_metrics import BY_PATTERN, phases
from exporter.probing.engine import Task
from exporter.probing.http_options import BasicAuth, HttpOptions
from exporter.probing.http_request import Url
from exporter.probing.http_response import Response
from exporter.probing.resolving import Wish
from exporter.probing.run import Prober, Run
from exporter.probing.settings import secret, size
from exporter.probing.streams import Stream

PHASES = ("resolve", "connect", "tls", "processing", "transfer")
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
#: The beginning of the response that is kept for whoever asks why a probe failed.
SNIPPET_BYTES = 1024
#: Regular expressions see this much of a body: one that is slow on more would stop the engine.
MATCHED_BYTES = 1024 * 1024

STATUS = Metric("probe_http_status_code", "gauge", "Status of the last response, 0 without one.")
SECONDS = Metric(
    "probe_http_duration_seconds", "gauge", "Seconds of the requests by phase, summed over redirects.", ["phase"]
)
REDIRECTS = Metric("probe_http_redirects", "gauge", "Redirects that were followed.")
SSL = Metric("probe_http_ssl", "gauge", "1 if the last response came over TLS, else 0.")
VERSION = Metric("probe_http_version", "gauge", "HTTP version of the last response.")
CONTENT_LENGTH = Metric(
    "probe_http_content_length", "gauge", "Bytes by Content-Length, -1 where it is not told, 0 without a response."
)
BODY_LENGTH = Metric(
    "probe_http_uncompressed_body_length", "gauge", "Bytes of the body, after decompression if that is asked for."
)
LAST_MODIFIED = Metric(
    "probe_http_last_modified_timestamp_seconds", "gauge", "Unix time in seconds that Last-Modified says."
)


@dataclass(slots=True)
class HttpFacts:
    """What an HTTP probe alone knows: its last response, its scheme, and how many redirects led there."""

    response: Response | None = None
    secure: bool = False
    redirects: int = 0


class HttpPlan:
    """One target under one module's *options*.

    Raises:
        ValueError: the target is no URL.
    """

    def __init__(self, target: str, options: HttpOptions) -> None:
        self._url = http_request.parse(target)
        self._options = options
        self._limit = size(options.body_size_limit)
        self._wish = Wish(options.preferred_ip_protocol, options.ip_protocol_fallback)
        matches = options.fail_if_body_matches_regexp or options.fail_if_body_not_matches_regexp
        self._keep = MATCHED_BYTES if matches else SNIPPET_BYTES
        by_file = options.bearer_token_file or options.body_file or (options.basic_auth or BasicAuth()).password_file
        #: The name that the server must prove, where that is not the URL's: blackbox_exporter takes the Host header.
        self._server_name = options.tls_config.server_name or named_host(options.headers)
        #: The first request, where it is always the same.
        self._request = b"" if by_file else self._encoded()
        self._follows = options.follow_redirects and not options.no_follow_redirects

    def __call__(self, run: Run) -> Task[None]:
        """Ask, follow, judge.

        Raises:
            ProbeFailed, OSError: the probe failed.
        """
        facts = run.attempt.facts = HttpFacts()
        url, method, request = self._url, self._options.method, self._request or self._encoded()
        onward = None
        while True:
            facts.secure = url.scheme == "https"
            facts.response = Response(method, self._limit, self._keep, decompress=bool(self._options.compression))
            yield from self._exchange(run, url, request, facts.response)
            target = self._next(run, url, facts)
            if target is None:
                break
            headers, body = onward or (self._headers(), self._body())
            if not http_request.may_be_trusted(self._url, target):
                headers, body = http_request.harmless(headers), b""
            if facts.response.status not in (307, 308) and method != "HEAD":
                method, body = "GET", b""
            onward = headers, body
            url, request = target, http_request.encode(method, target, headers, body)
        http_rules.judge(run, self._options, facts.response, secure=facts.secure)

    def _encoded(self) -> bytes:
        """The first request."""
        return http_request.encode(self._options.method, self._url, self._headers(), self._body())

    def _headers(self) -> dict[str, str]:
        options = self._options
        headers = dict(options.headers)
        if options.basic_auth is not None:
            headers["Authorization"] = options.basic_auth.header()
        elif options.bearer_token or options.bearer_token_file:
            token = options.bearer_token or secret(options.bearer_token_file)
            headers["Authorization"] = f"Bearer {token}"
        if options.compression:
            headers.setdefault("Accept-Encoding", options.compression)
        return headers

    def _body(self) -> bytes:
        if not self._options.body_file:
            return self._options.body.encode()
        try:
            return Path(self._options.body_file).read_bytes()
        except OSError as error:
            raise ProbeFailed("secret", f"body_file: {error}") from error

    def _exchange(self, run: Run, url: Url, request: bytes, response: Response) -> Task[None]:
        """One request and its response, over a connection of their own."""
        family, address = yield from run.resolve(url.host, self._wish)
        with Stream(run.loop, family) as stream:
            yield from run.connect(stream, address, url.port)
            if url.scheme == "https":
                own = self._server_name if url.origin == self._url.origin else ""
                yield from run.secure(stream, self._options.tls_config, own or url.host)
            yield from self._read(run, stream, request, response)

    def _read(self, run: Run, stream: Stream, request: bytes, response: Response) -> Task[None]:
        """The steps `processing` (until the first byte comes) and `transfer`."""
        attempt, began = run.attempt, run.enter("processing")
        try:
            yield from stream.send(request)
            data = yield from stream.receive()
        finally:
            now = run.loop.now()
            attempt.spend("processing", now - began)
        began = now
        attempt.enter(now, "transfer")
        try:
            while data:
                if not attempt.snippet:
                    attempt.snippet = data[:SNIPPET_BYTES]
                if response.feed(data):
                    break
                data = yield from stream.receive()
            else:
                response.end()
        finally:
            attempt.spend("transfer", run.loop.now() - began)
        run.note("status {}, {} bytes of body", response.status, response.received)

    def _next(self, run: Run, url: Url, facts: HttpFacts) -> Url | None:
        """Where the response leads; None where it is the last one.

        Raises:
            ProbeFailed: it leads too far, or to where it must not (`redirect`).
        """
        response = facts.response
        location = response.header("location") if response else None
        if response is None or response.status not in _REDIRECTS or not location or not self._follows:
            return None
        run.enter("redirect")
        if facts.redirects >= self._options.max_redirects:
            raise run.fail("redirect", f"more than {self._options.max_redirects} redirects")
        try:
            target = http_request.follow(url, location)
        except ValueError as error:
            raise run.fail("redirect", f"redirected to what is no URL: {error}") from error
        if not run.may_follow(str(target)):
            raise run.fail("redirect", f"redirected to {target}, which allow_targets does not allow")
        facts.redirects += 1
        run.attempt.snippet = b""
        run.note("status {} leads to {}", response.status, target)
        return target


def named_host(headers: Mapping[str, str]) -> str:
    """The host that a Host header names, without its port; empty where there is none."""
    value = next((value for name, value in headers.items() if name.lower() == "host"), "")
    try:
        return http_request.parse(f"https://{value}/").host if value else ""
    except ValueError:
        return ""


def families(attempt: Attempt) -> list[Family]:
    """What only an HTTP probe has to say."""
    facts = attempt.facts if isinstance(attempt.facts, HttpFacts) else HttpFacts()
    response = facts.response
    found = [
        phases(SECONDS, attempt, PHASES),
        Family(STATUS, response.status if response else 0),
        Family(REDIRECTS, facts.redirects),
        Family(SSL, facts.secure and response is not None and response.status > 0),
        Family(VERSION, float(response.version) if response and response.version else 0),
        Family(CONTENT_LENGTH, response.length if response and response.status else 0),
        Family(BODY_LENGTH, response.decoded if response else 0),
        Family(BY_PATTERN, attempt.by_pattern),
    ]
    modified = _modified(response)
    return [*found, Family(LAST_MODIFIED, modified)] if modified else found


def _modified(response: Response | None) -> float:
    """Unix seconds of Last-Modified, 0 where there is none that can be read."""
    text = response.header("last-modified") if response else None
    try:
        return parsedate_to_datetime(text).timestamp() if text else 0.0
    except (ValueError, OverflowError):
        return 0.0


PROBER = Prober(HttpPlan, families, PHASES)
