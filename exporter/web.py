"""The exporter's WSGI application: `/metrics`, `/-/healthy`, `/-/ready`, `/-/reload` and a landing page."""

import logging
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chassis import VERSION
from chassis.logs import event
from exporter import exposition
from exporter.app import Exporter

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

log = logging.getLogger(__name__)

#: Seconds a scrape may take where Prometheus does not say how long it waits.
DEFAULT_TIMEOUT_SECONDS = 10.0
#: Seconds kept back for rendering and the way home.
OFFSET_SECONDS = 0.5
#: A scrape that is asked to end earlier than this is given this long all the same.
SHORTEST_SECONDS = 0.1
LONGEST_SECONDS = 120.0

#: A smaller body goes as it is: to compress it takes as long as to collect half of it (measured: 16 KiB, 0.1 ms).
GZIP_FROM_BYTES = 32 * 1024

_TEXT = "text/plain; charset=utf-8"
_PAGE = """<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Nightshift exporter</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem}}</style></head>
<body><h1>Nightshift exporter</h1><p>Version {version}. Collectors: {collectors}.</p>
<ul><li><a href="metrics">Metrics</a></li><li><a href="-/healthy">Healthy</a></li>
<li><a href="-/ready">Ready</a></li></ul></body></html>
"""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response; the status is a whole line such as `200 OK`."""

    status: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = (("Content-Type", _TEXT),)


@dataclass(frozen=True, slots=True)
class Route:
    """What answers a path, and to which methods."""

    answer: Callable[["WSGIEnvironment"], Answer]
    methods: tuple[str, ...] = ("GET", "HEAD")


class Application:
    """The WSGI callable over *exporter*."""

    def __init__(self, exporter: Exporter) -> None:
        self._exporter = exporter
        self._routes = {
            "/": Route(self._landing),
            "/metrics": Route(self._metrics),
            "/-/healthy": Route(lambda _: Answer("200 OK", b"Nightshift exporter is healthy.\n")),
            "/-/ready": Route(lambda _: Answer("200 OK", b"Nightshift exporter is ready.\n")),
            "/-/reload": Route(self._reload, ("POST", "PUT")),
        }

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer one request."""
        try:
            answer = self._answer(environ)
        except Exception as error:  # noqa: BLE001 -- one of the four edges: one request
            event(log, logging.ERROR, f"request failed: {type(error).__name__}: {error}", path=environ["PATH_INFO"])
            answer = Answer("500 Internal Server Error", b"The exporter failed to answer; its log says why.\n")
        length = ("Content-Length", str(len(answer.body)))
        start_response(answer.status, [*answer.headers, length])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [answer.body]

    def _answer(self, environ: "WSGIEnvironment") -> Answer:
        path = environ["PATH_INFO"] or "/"
        route = self._routes.get(path)
        if route is None:
            return Answer("404 Not Found", b"Not found. Metrics are at /metrics.\n")
        if environ["REQUEST_METHOD"] not in route.methods:
            allowed = ", ".join(route.methods)
            text = f"{path} takes {allowed}.\n".encode()
            return Answer("405 Method Not Allowed", text, (("Content-Type", _TEXT), ("Allow", allowed)))
        return route.answer(environ)

    def _metrics(self, environ: "WSGIEnvironment") -> Answer:
        form = exposition.negotiate(environ.get("HTTP_ACCEPT", ""))
        seconds = scrape_seconds(environ.get("HTTP_X_PROMETHEUS_SCRAPE_TIMEOUT_SECONDS", ""))
        body = self._exporter.exposition(seconds, form)
        headers = [("Content-Type", form.content_type), ("Vary", "Accept, Accept-Encoding")]
        if len(body) >= GZIP_FROM_BYTES and exposition.wants_gzip(environ.get("HTTP_ACCEPT_ENCODING", "")):
            body = exposition.gzip(body)
            headers.append(("Content-Encoding", "gzip"))
        return Answer("200 OK", body, tuple(headers))

    def _reload(self, _: "WSGIEnvironment") -> Answer:
        problem = self._exporter.reload()
        if problem:
            return Answer("500 Internal Server Error", f"{problem}\nThe old configuration stays.\n".encode())
        return Answer("200 OK", b"Configuration loaded.\n")

    def _landing(self, _: "WSGIEnvironment") -> Answer:
        # Both are this program's own words: the names of files in its collectors folder.
        page = _PAGE.format(version=VERSION, collectors=", ".join(self._exporter.running) or "none")
        return Answer("200 OK", page.encode(), (("Content-Type", "text/html; charset=utf-8"),))


def scrape_seconds(header: str) -> float:
    """Seconds for a scrape from X-Prometheus-Scrape-Timeout-Seconds; 9.5 where it says nothing usable."""
    try:
        timeout = float(header or DEFAULT_TIMEOUT_SECONDS)
    except ValueError:
        timeout = DEFAULT_TIMEOUT_SECONDS
    if not math.isfinite(timeout) or timeout <= 0:
        timeout = DEFAULT_TIMEOUT_SECONDS
    return min(LONGEST_SECONDS, max(SHORTEST_SECONDS, timeout - OFFSET_SECONDS))
