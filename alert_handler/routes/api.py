"""JSON out: everything that a page shows, for programs. Times are Unix seconds. `/openapi.json` describes it."""

from datetime import UTC, datetime
from functools import cache
from importlib import resources as package_files

import msgspec
import yaml
from flask import Blueprint, Response

from alert_handler import runbooks, views
from alert_handler.handler import Handler
from alert_handler.routes import arguments
from alert_handler.routes.pages import Resources


def blueprint(handler: Handler, resources: Resources) -> Blueprint:
    """The read API of *handler*; *resources* reads how full everything is."""
    routes = Blueprint("api", __name__)
    _add_incidents(routes, handler)
    _add_status(routes, handler, resources)
    _add_documents(routes)
    return routes


def answer(content: object, status: int = 200) -> Response:
    """*content* as JSON."""
    return Response(msgspec.json.encode(content), status=status, mimetype="application/json")


def _add_incidents(routes: Blueprint, handler: Handler) -> None:
    @routes.get("/api/v1/incidents")
    def incidents() -> Response:
        cases = handler.incidents.list(state=arguments.state(), before=arguments.before(), limit=arguments.limit())
        return answer([views.incident_summary(case) for case in cases])

    @routes.get(f"/api/v1/incidents/<{arguments.ID}:number>")
    def incident(number: int) -> Response:
        found = views.incident(handler, number)
        return answer(found) if found else answer({"error": f"no incident {number}"}, 404)

    @routes.get("/api/v1/actions")
    def actions() -> Response:
        attempts = handler.attempts.list(before=arguments.before(), limit=arguments.limit())
        return answer([views.attempt(attempt) for attempt in attempts])

    @routes.get("/api/v1/rejects")
    def rejects() -> Response:
        return answer([views.reject(reject) for reject in handler.inbox.rejects(arguments.limit())])


def _add_status(routes: Blueprint, handler: Handler, resources: Resources) -> None:
    @routes.get("/api/v1/status")
    def status() -> Response:
        return answer(views.board(handler, resources()))

    @routes.get("/api/data")
    def data() -> Response:
        return answer(views.seed_data(handler, datetime.now(UTC)))


def _add_documents(routes: Blueprint) -> None:
    @routes.get("/api/v1/runbooks")
    def all_runbooks() -> Response:
        return answer([{"stem": r.stem, "title": r.title} for r in runbooks.everyone()])

    @routes.get("/api/v1/runbooks/<stem>")
    def runbook(stem: str) -> Response:
        found = runbooks.find(stem)
        return answer(found) if found else answer({"error": f"no runbook {stem[:80]}"}, 404)

    @routes.get("/openapi.json")
    def openapi() -> Response:
        return Response(_description(), mimetype="application/json")


@cache
def _description() -> bytes:
    """`openapi.yml` as JSON; kept, because reading YAML takes a tenth of a second."""
    text = package_files.files("alert_handler").joinpath("openapi.yml").read_text(encoding="utf-8")
    return msgspec.json.encode(yaml.safe_load(text))
