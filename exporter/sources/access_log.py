"""Access logs in combined format, with or without the request time in seconds at the end of the line.

    127.0.0.1 - - [21/Nov/2026:02:29:00 +0000] "GET /cart/17?x=1 HTTP/1.1" 200 512 "-" "curl/7.88" 0.043

One regular expression runs over a whole chunk of lines. It never goes back (possessive quantifiers), never crosses a
line, and bounds every number, so hostile lines cost what others cost.
"""

import re

#: The methods that get a label of their own; all others share `OTHER_METHOD`.
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER_METHOD = "OTHER"
OTHER_ROUTE = "other"

#: Groups: method, path without query, status, bytes or "-", request time or nothing.
LINE = re.compile(
    rb'\] "([A-Za-z]++) ([^ "?\n]++)[^"\n]*+" ([1-5][0-9][0-9]) ([0-9]{1,18}+|-)(?=[ \n])'
    rb'(?: "(?:[^"\\\n]++|\\.)*+" "(?:[^"\\\n]++|\\.)*+" ([0-9]{1,9}+(?:\.[0-9]{1,9}+)?+)(?=[ \n])|)'
    rb"[^\n]*+\n"
)

#: Deeper paths and longer segments end in an ellipsis.
MAX_SEGMENTS = 6
MAX_SEGMENT_LENGTH = 40

#: A segment that is a number, a UUID, a hash or a long token with a digit.
_IDENTIFIER = re.compile(
    rb"/(?:[0-9]++"
    rb"|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
    rb"|[0-9a-f]{16,}+"
    rb"|(?=[a-f]*[0-9])[0-9a-f]{8,15}"
    rb"|(?=[a-z_=-]*[0-9])[\w=-]{20,}+"
    rb")(?=/|$)",
    re.IGNORECASE,
)


def without_identifiers(path: bytes) -> bytes:
    """*path* with every segment that names one thing replaced: `/users/17/orders` is `/users/{id}/orders`."""
    return _IDENTIFIER.sub(b"/{id}", path)


def route_of(path: bytes) -> str:
    """The label of a path without identifiers; what is no path at all is `other`."""
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
