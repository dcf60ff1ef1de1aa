"""The Flask application over a running handler, and the handler's life from start to SIGTERM."""

import logging
from collections.abc import Callable
from pathlib import Path

from flask import Flask, Response
from werkzeug.exceptions import HTTPException

from alert_handler import config as configuration
from alert_handler.errors import AlertHandlerError, StoreUnavailable
from alert_handler.handler import Handler
from alert_handler.resources import LiveResources
from alert_handler.routes import api, intake, management, pages
from chassis.logs import event
from chassis.memory import one_arena
from chassis.server import Server, Signals

log = logging.getLogger(__name__)

#: Pages show hostile text: nothing but our own style sheet is loaded, nothing is framed, nothing runs.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
#: Requests answered at once. Each thread holds a connection to the store: 16 of them cost 2 MB more and gain nothing.
THREADS = 8
#: Alertmanager posts whole groups: thousands of alerts in one body.
MAX_BODY_BYTES = 32 * 1024 * 1024


class Reloader:
    """Takes the configuration file anew; a bad one leaves the old one in force."""

    def __init__(self, handler: Handler, path: Path | None) -> None:
        self._handler = handler
        self._path = path
        self._done(ok=True)

    def __call__(self) -> str:
        """Reload; "" or what is wrong with the new configuration."""
        try:
            config = configuration.load(self._path)
            with configuration.built_from(self._path):
                self._handler.reload(config)
        except AlertHandlerError as error:
            event(log, logging.ERROR, "the new configuration is refused, the old one stays", error=error)
            self._done(ok=False)
            return str(error)
        event(log, logging.INFO, "configuration reloaded", file=self._path)
        self._done(ok=True)
        return ""

    def _done(self, *, ok: bool) -> None:
        metrics = self._handler.metrics
        metrics.reload_successful.set(ok)
        if ok:
            metrics.reload_timestamp.set(self._handler.clock())


def create_app(handler: Handler, reload: management.Reload) -> Flask:
    """The WSGI application over *handler*."""
    app = Flask(__name__)
    # A redirect loses an alert silently, so no address redirects to another spelling of itself.
    app.url_map.strict_slashes = False
    app.url_map.merge_slashes = False
    app.register_blueprint(management.blueprint(handler, reload))
    resources = LiveResources(lambda: handler.config.prometheus.url, handler.clock).read
    app.register_blueprint(api.blueprint(handler, resources))
    app.register_blueprint(pages.blueprint(handler, resources))
    app.register_blueprint(intake.blueprint(handler))
    app.register_error_handler(StoreUnavailable, _unavailable)
    app.register_error_handler(HTTPException, _http_error)
    app.after_request(_with_headers)
    return app


def serve(config_path: Path | None, server_of: Callable[[Flask], Server], external_url: str) -> None:
    """Run until SIGTERM or SIGINT; *server_of* gives the server of the application.

    Raises:
        ConfigInvalid: the configuration cannot be used.
        AddressUnusable: an address cannot be listened on.
    """
    signals = Signals()
    one_arena()
    config = configuration.load(config_path)
    with configuration.built_from(config_path):
        handler = Handler(config, external_url)
    reload = Reloader(handler, config_path)
    try:
        with server_of(create_app(handler, reload)):
            handler.start()
            signals.until_stopped(reload)
            event(log, logging.INFO, "stopping: requests and stages that run are finished")
    finally:
        handler.stop()


def _unavailable(error: StoreUnavailable) -> Response:
    event(log, logging.ERROR, "a page cannot be shown", error=error)
    return Response("the store cannot be read now\n", status=503, mimetype="text/plain")


def _http_error(error: HTTPException) -> Response:
    response = Response(f"{error.code} {error.name}\n", status=error.code, mimetype="text/plain")
    allowed = getattr(error, "valid_methods", None)
    if allowed:
        response.headers["Allow"] = ", ".join(sorted(allowed))
    return response


def _with_headers(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    return response
