"""The pages: what a person sees at 3 a.m., rendered from the same views as the API. They only show, nothing acts."""

from collections.abc import Callable
from urllib.parse import urlsplit

from flask import Blueprint, Response, render_template, request
from werkzeug.exceptions import NotFound

from alert_handler import runbooks, views
from alert_handler.handler import Handler
from alert_handler.presentation import markdown, rendering
from alert_handler.resources import Reading
from alert_handler.routes import arguments
from chassis import VERSION

#: Rows of the status board; the lists and the API show the rest.
MOST_OPEN = 30
MOST_ACTIONS = 5
MOST_RESOURCES = 12
MOST_STEPS = 50
PAGE = 50
#: People are told within this time of an action; a message that waits longer is late.
LATE_SECONDS = 30.0
#: Programs ask here; they get plain text for an address that is not there.
_FOR_PROGRAMS = ("/api/", "/-/", "/metrics")

Resources = Callable[[], Reading]


class Pages:
    """Renders templates with what every page needs: the time, the way to other pages, the JSON twin."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        #: A reverse proxy may serve the handler below a path.
        self._root = urlsplit(handler.external_url).path.rstrip("/")

    def render(self, template: str, twin: str, **content: object) -> str:
        """The page; *twin* is the address of the same facts as JSON."""
        common = {
            "here": request.path.rstrip("/") or "/",
            "now": self._handler.clock(),
            "root": self._root,
            "version": VERSION,
        }
        return render_template(template, twin=twin, **common, **content)

    def missing(self) -> tuple[str, int]:
        """The page for an address where nothing is."""
        return self.render("missing.html", "/api/v1/status", path=request.path), 404


def blueprint(handler: Handler, resources: Resources) -> Blueprint:
    """The pages of *handler*; *resources* reads how full everything is."""
    routes = Blueprint("pages", __name__)
    routes.record_once(lambda state: rendering.install(state.app.jinja_env))
    pages = Pages(handler)
    _add_boards(routes, pages, handler, resources)
    _add_incidents(routes, pages, handler)
    _add_runbooks(routes, pages)

    @routes.app_errorhandler(404)
    def missing(error: NotFound) -> Response | tuple[str, int]:
        if request.path.startswith(_FOR_PROGRAMS):
            return Response(f"{error.code} {error.name}\n", status=error.code, mimetype="text/plain")
        return pages.missing()

    return routes


def _add_boards(routes: Blueprint, pages: Pages, handler: Handler, resources: Resources) -> None:
    @routes.get("/")
    def status() -> str:
        seen = views.board(handler, resources())
        limits = {"most": MOST_OPEN, "most_actions": MOST_ACTIONS, "most_resources": MOST_RESOURCES}
        kill_file = handler.config.switches.kill_file
        return pages.render(
            "status.html", "/api/v1/status", status=seen, kill_file=kill_file, late_seconds=LATE_SECONDS, **limits
        )

    @routes.get("/actions")
    def actions() -> str:
        limit = arguments.limit(PAGE)
        shown = [views.attempt(a) for a in handler.attempts.list(before=arguments.before(), limit=limit)]
        older = arguments.older(shown, limit)
        return pages.render("actions.html", "/api/v1/actions", actions=shown, older=older)

    @routes.get("/rejects")
    def rejects() -> str:
        shown = [views.reject(reject) for reject in handler.inbox.rejects(arguments.limit(PAGE))]
        return pages.render("rejects.html", "/api/v1/rejects", rejects=shown)


def _add_incidents(routes: Blueprint, pages: Pages, handler: Handler) -> None:
    @routes.get("/incidents")
    def incidents() -> str:
        state, limit = arguments.state(), arguments.limit(PAGE)
        cases = handler.incidents.list(state=state, before=arguments.before(), limit=limit)
        shown = [views.incident_summary(case) for case in cases]
        older = arguments.older(shown, limit)
        return pages.render("incidents.html", "/api/v1/incidents", incidents=shown, state=state, older=older)

    @routes.get(f"/incidents/<{arguments.ID}:number>")
    def incident(number: int) -> str | tuple[str, int]:
        found = views.incident(handler, number)
        if found is None:
            return pages.missing()
        twin = f"/api/v1/incidents/{number}"
        return pages.render("incident.html", twin, incident=found, most_steps=MOST_STEPS)


def _add_runbooks(routes: Blueprint, pages: Pages) -> None:
    @routes.get("/runbooks")
    def all_runbooks() -> str:
        return pages.render("runbooks.html", "/api/v1/runbooks", runbooks=list(runbooks.everyone()))

    @routes.get("/runbooks/<stem>")
    def runbook(stem: str) -> str | tuple[str, int]:
        found = runbooks.find(stem.removesuffix(".md"))
        if found is None:
            return pages.missing()
        content = markdown.render(found.markdown)
        return pages.render("runbook.html", f"/api/v1/runbooks/{found.stem}", runbook=found, content=content)
