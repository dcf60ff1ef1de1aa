"""The exporter's WSGI application: its own paths, and those that collectors answer."""

import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING

from chassis.logs import event
from exporter import exposition
from exporter.answers import Answer, Refused, Route, not_allowed, text_answer
from exporter.app import Exporter
from exporter.landing import landing
from exporter.scrape_timeout import scrape_seconds

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIEnvironment

log = logging.getLogger(__name__)


#: A smaller body goes as it is: to compress it takes as long as to collect half of it (measured: 16 KiB, 0.1 ms).
GZIP_FROM_BYTES = 32 * 1024

#: Who answers a path that only some configurations have.
OPTIONAL_PATHS = {
    "/probe": "probes",
    "/probes": "probes",
    "/api_checks": "api_checks",
    "/journey": "journeys",
    "/journeys": "journeys",
    "/journeys/screenshot": "journeys",
    "/errors": "error_log",
    "/deployments": "deployments",
}


class Application:
    """The WSGI callable over *exporter*."""

    def __init__(self, exporter: Exporter) -> None:
        self._exporter = exporter
        self._routes: dict[str, Route] = {
            "/": Route(self._landing),
            "/metrics": Route(self._metrics, title="Metrics"),
            "/-/healthy": Route(lambda _: text_answer("200 OK", "Nightshift exporter is healthy."), title="Healthy"),
            "/-/ready": Route(lambda _: text_answer("200 OK", "Nightshift exporter is ready."), title="Ready"),
            "/-/reload": Route(self._reload, ("POST", "PUT")),
        }

    def at_once(self, path: str) -> bool:
        """Whether the web server's loop may answer *path* itself: scrapes that wait for nothing."""
        return path == "/metrics" and not self._exporter.waits

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
        route = self._routes.get(path) or self._exporter.routes.get(path)
        if route is None:
            return text_answer("404 Not Found", f"Not found. {_hint(path)}")
        if environ["REQUEST_METHOD"] not in route.methods:
            return not_allowed(path, route.methods)
        try:
            return route.answer(environ)
        except Refused as refused:
            return refused.answer

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
            return text_answer("500 Internal Server Error", f"{problem}\nThe old configuration stays.")
        return text_answer("200 OK", "Configuration loaded.")

    def _landing(self, environ: "WSGIEnvironment") -> Answer:
        routes = {**self._routes, **self._exporter.routes}
        return landing(self._exporter.running, routes, environ.get("QUERY_STRING", ""))


def _hint(path: str) -> str:
    """Where to look instead of a path that nobody answers."""
    needed = OPTIONAL_PATHS.get(path)
    return f"{path} needs the collector {needed} in the configuration." if needed else "Metrics are at /metrics."
