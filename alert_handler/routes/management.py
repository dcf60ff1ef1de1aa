"""Prometheus' management API for this daemon, and its metrics: /metrics, /-/healthy, /-/ready, /-/reload."""

from collections.abc import Callable

from flask import Blueprint, Response, request
from prometheus_client.exposition import choose_encoder

from alert_handler.handler import Handler

Reload = Callable[[], str]


def blueprint(handler: Handler, reload: Reload) -> Blueprint:
    """The process routes; *reload* takes the configuration anew and gives "" or what is wrong with it."""
    routes = Blueprint("process", __name__)

    @routes.get("/metrics")
    def metrics() -> Response:
        handler.upkeep.refresh(handler.switches)
        encode, content_type = choose_encoder(request.headers.get("Accept", ""))
        return Response(encode(handler.metrics.registry), content_type=content_type)

    @routes.get("/-/healthy")
    def healthy() -> Response:
        return _say(200, "Nightshift alert handler is healthy.")

    @routes.get("/-/ready")
    def ready() -> Response:
        problem = handler.ready()
        return _say(503, problem) if problem else _say(200, "Nightshift alert handler is ready.")

    @routes.route("/-/reload", methods=["POST", "PUT"])
    def reload_now() -> Response:
        problem = reload()
        return _say(500, problem) if problem else _say(200, "configuration reloaded")

    return routes


def _say(status: int, text: str) -> Response:
    return Response(f"{text}\n", status=status, mimetype="text/plain")
