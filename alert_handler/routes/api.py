"""JSON out: everything that a page shows, for programs. Times are Unix seconds."""

from datetime import UTC, datetime

import msgspec
from flask import Blueprint, Response, request

from alert_handler import views
from alert_handler.handler import Handler

MAX_LIMIT = 1000


def blueprint(handler: Handler) -> Blueprint:
    """The read API of *handler*."""
    routes = Blueprint("api", __name__)

    @routes.get("/api/v1/incidents")
    def incidents() -> Response:
        cases = handler.incidents.list(state=_state(), before=_number("before", 2**62), limit=_limit())
        return answer([views.incident_summary(case) for case in cases])

    @routes.get("/api/v1/incidents/<int:number>")
    def incident(number: int) -> Response:
        found = views.incident(handler, number)
        return answer(found) if found else answer({"error": f"no incident {number}"}, 404)

    @routes.get("/api/v1/actions")
    def actions() -> Response:
        attempts = handler.attempts.list(before=_number("before", 2**62), limit=_limit())
        return answer([views.attempt(attempt) for attempt in attempts])

    @routes.get("/api/v1/status")
    def status() -> Response:
        return answer(views.status(handler))

    @routes.get("/api/v1/rejects")
    def rejects() -> Response:
        return answer([views.reject(reject) for reject in handler.inbox.rejects(_limit())])

    @routes.get("/api/data")
    def data() -> Response:
        return answer(views.seed_data(handler, datetime.now(UTC)))

    return routes


def answer(content: object, status: int = 200) -> Response:
    """*content* as JSON."""
    return Response(msgspec.json.encode(content), status=status, mimetype="application/json")


def _state() -> str:
    state = request.args.get("state", "")
    return state if state in ("open", "closed") else ""


def _limit() -> int:
    return max(1, min(_number("limit", 100), MAX_LIMIT))


def _number(name: str, default: int) -> int:
    text = request.args.get(name, "")
    return int(text) if text.isdecimal() and len(text) < 19 else default
