"""What a web request is answered with, and which path is answered by whom; collectors add paths of their own."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import msgspec

from exporter.errors import ExporterError

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

TEXT = "text/plain; charset=utf-8"
HTML = "text/html; charset=utf-8"
JSON = "application/json"


@dataclass(frozen=True, slots=True)
class Answer:
    """A response; the status is a whole line such as `200 OK`."""

    status: str
    body: bytes
    headers: tuple[tuple[str, str], ...] = (("Content-Type", TEXT),)


@dataclass(frozen=True, slots=True)
class Route:
    """What answers a path, and to which methods; *title* is its link on the landing page, none where it is empty."""

    answer: Callable[["WSGIEnvironment"], Answer]
    methods: tuple[str, ...] = ("GET", "HEAD")
    title: str = ""


class Refused(ExporterError):
    """A request that is not taken; `answer` says why and what to do."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


@runtime_checkable
class HasRoutes(Protocol):
    """A collector that answers web requests too; its class lists the paths as `paths`."""

    paths: tuple[str, ...]

    def routes(self) -> Mapping[str, Route]:
        """Path -> who answers it."""


def text_answer(status: str, text: str) -> Answer:
    """*text* as a line of its own."""
    return Answer(status, f"{text}\n".encode("utf-8", "replace"))


def json_answer(found: object, status: str = "200 OK") -> Answer:
    """*found* as indented JSON."""
    body = msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n"
    return Answer(status, body, (("Content-Type", JSON),))


def html_answer(page: str, status: str = "200 OK") -> Answer:
    """A page, which may load nothing and may not be framed; the caller has escaped what is not its own."""
    policy = (
        "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    headers = (
        ("Content-Type", HTML),
        ("Content-Security-Policy", policy),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "no-referrer"),
    )
    return Answer(status, page.encode("utf-8", "replace"), headers)


def not_allowed(path: str, methods: tuple[str, ...]) -> Answer:
    """405 with what is allowed."""
    allowed = ", ".join(methods)
    text = f"{path} takes {allowed}.\n".encode()
    return Answer("405 Method Not Allowed", text, (("Content-Type", TEXT), ("Allow", allowed)))
