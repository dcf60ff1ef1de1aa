"""Routes of requests: the paths with what names one thing taken out, by templates that are given or by its looks."""

import re
from collections.abc import Sequence

#: The methods that get a label of their own; all others share `OTHER_METHOD`.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER_METHOD = "OTHER"
OTHER_ROUTE = "other"

#: Deeper paths and longer segments end in an ellipsis.
MAX_SEGMENTS = 6
MAX_SEGMENT_LENGTH = 40
MAX_TEMPLATES = 200

#: A segment with a digit that is a number or a date; a UUID; a hash; a long token; words with a number (a slug),
#: where three or more are joined, or where the last is a number of three or more digits. Whether there is a digit at
#: all is asked first, and no case is ignored: both make it three times quicker.
_LOOKS = (
    rb"(?=[A-Za-z_=.:-]*+[0-9])(?:[0-9]++(?:[-._:][0-9]++)*+"
    rb"|[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
    rb"|[0-9A-Fa-f]{8,}+"
    rb"|[\w=-]{20,}+"
    rb"|[A-Za-z0-9]++(?:[-_][A-Za-z0-9]++){2,}+"
    rb"|[A-Za-z]++[-_][0-9]{3,}+"
    rb")(?:\.html?)?+(?![^/\n])"
)
_IDENTIFIER = re.compile(b"/" + _LOOKS)
_TEMPLATE = re.compile(r"(?:/(?:\{\w+\}|[^/{}*\s?#]*))+(?:(?<=/)\*)?")


class Routes:
    """Gives paths their routes: the first of *templates* that fits, else their own, where those are looked for.

    In a template `{name}` stands for one segment and a `*` at its end for all that follows.

    Raises:
        ValueError: a template is none; the message says which.
    """

    def __init__(self, templates: Sequence[str], *, found: bool = True) -> None:
        if len(templates) > MAX_TEMPLATES:
            raise ValueError(f"{len(templates)} templates of routes; write at most {MAX_TEMPLATES}")
        for template in templates:
            if not _TEMPLATE.fullmatch(template):
                raise ValueError(f'"{template}" is no template of a route; write it like /user/{{id}} or /shop/*')
        self.templates = frozenset(templates)
        self._ordered = tuple(templates)
        self._found = found
        self._identifier = _identifier_but(templates)
        self._pattern = re.compile(b"|".join(b"(%b)" % _expression(template) for template in templates))

    def without_identifiers(self, paths: bytes) -> bytes:
        """*paths*, one a line, with segments that name one thing replaced: `/users/17/bag` is `/users/{id}/bag`.

        A segment that a template spells out stays as it is.
        """
        return self._identifier.sub(b"/{id}", paths)

    def of(self, path: bytes) -> str:
        """The route of *path*, from which identifiers are taken out; what is no path at all is `other`."""
        fitting = self._pattern.fullmatch(path) if self._ordered else None
        if fitting and fitting.lastindex:
            return self._ordered[fitting.lastindex - 1]
        return found_route(path) if self._found else OTHER_ROUTE


def _identifier_but(templates: Sequence[str]) -> re.Pattern[bytes]:
    """What segments that look like identifiers are found by, but for those of *templates*: `/404` is not `/{id}`."""
    segments = {segment.encode() for template in templates for segment in template.split("/")}
    spelled = sorted(segment for segment in segments if _IDENTIFIER.fullmatch(b"/" + segment))
    if not spelled:
        return _IDENTIFIER
    return re.compile(rb"/(?!(?:%b)(?![^/\n]))%b" % (b"|".join(map(re.escape, spelled)), _LOOKS))


def _expression(template: str) -> bytes:
    """The regular expression of a template."""
    pieces = re.split(r"(\{\w+\}|\*$)", template)
    wild = {True: b".*+", False: b"[^/]++"}
    return b"".join(
        wild[piece == "*"] if number % 2 else re.escape(piece).encode() for number, piece in enumerate(pieces)
    )


def found_route(path: bytes) -> str:
    """The route of a path without identifiers, by its own words; what is no path at all is `other`."""
    if not path.startswith(b"/"):
        return OTHER_ROUTE
    segments = path[1:2048].decode("utf-8", "replace").split("/")
    shown = [_shorten(segment) for segment in segments[:MAX_SEGMENTS]]
    if len(segments) > MAX_SEGMENTS:
        shown.append("...")
    return "/" + "/".join(shown)


def _shorten(segment: str) -> str:
    return segment if len(segment) <= MAX_SEGMENT_LENGTH else f"{segment[:MAX_SEGMENT_LENGTH]}..."


def method_of(method: bytes) -> str:
    """The label of a request method, from a fixed set."""
    text = method.decode("ascii", "replace")
    return text if text in METHODS else OTHER_METHOD
