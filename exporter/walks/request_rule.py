"""A request as the configuration tells it, and as it is sent once its variables are known."""

import re
from base64 import b64encode
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import msgspec

from exporter.walks.message import URL_CHARACTERS, Reply, Request, StepFailed, split_url
from exporter.walks.template import Variables, fill, fill_tree, in_header, in_url, names, names_in

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_ABSOLUTE = re.compile(r"(?P<origin>https?://[^/?#]*)", re.IGNORECASE)
#: Set by the client, which frames the message.
_FRAMING = frozenset(("content-length", "transfer-encoding", "connection", "expect", "te", "upgrade"))


class BasicAuth(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A user name and password, both with variables: `{username: shop, password: "${password}"}`."""

    username: str
    password: str


class RequestRule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request. Texts may hold variables as `${name}`.

    Attributes:
        url: absolute, or a path (`/cart?item=${item}`) below the base_url; variables are percent-encoded.
        method: GET, HEAD, POST, ...
        headers: name -> value.
        body: a text that is sent as it is.
        form: fields that are sent as a form.
        json: a value that is sent as JSON; a text that is one variable and nothing else keeps the variable's type.
        basic_auth: credentials.
        status: the statuses that are right; none means 200 to 299.
        max_redirects: followed at most; 0 takes a redirect as the answer.
    """

    url: str
    method: str = "GET"
    headers: dict[str, str] = {}
    body: str = ""
    form: dict[str, str] = {}
    json: Any = msgspec.UNSET
    basic_auth: BasicAuth | None = None
    status: tuple[int, ...] = ()
    max_redirects: Annotated[int, msgspec.Meta(ge=0, le=20)] = 5

    def __post_init__(self) -> None:
        check_url(self.url)
        self.names()
        if not _TOKEN.fullmatch(self.method) or self.method != self.method.upper():
            raise ValueError(f"method is {self.method!r}; write e.g. GET or POST")
        if [bool(self.body), bool(self.form), self.json is not msgspec.UNSET].count(True) > 1:
            raise ValueError("give at most one of body, form, json")
        check_headers(self.headers)

    def names(self) -> set[str]:
        """The names of the variables that the request needs.

        Raises:
            ValueError: a `${` opens no name.
        """
        auth = (self.basic_auth.username, self.basic_auth.password) if self.basic_auth else ()
        texts = [self.url, self.body, *self.headers.values(), *self.form.values(), *auth]
        return names_in([*texts, self.json if self.has_json else None])

    @property
    def has_json(self) -> bool:
        """Whether the body is JSON."""
        return self.json is not msgspec.UNSET

    def origin(self, base_url: str) -> str:
        """Scheme, host and port as the configuration writes them."""
        found = _ABSOLUTE.match(self.url)
        return found["origin"] if found else base_url

    def build(self, base_url: str, variables: Variables, headers: Mapping[str, str]) -> Request:
        """The request with its variables; *headers* are those of every request, which its own replace.

        Raises:
            StepFailed: a variable is missing, or does not fit its place.
        """
        url = fill(self.url, variables, in_url)
        url = url if _ABSOLUTE.match(url) else base_url.rstrip("/") + url
        own = {name.lower() for name in self.headers}
        sent = {name: value for name, value in headers.items() if name.lower() not in own} | self.headers
        filled = {name: fill(value, variables, in_header) for name, value in sent.items()}
        if self.basic_auth:
            filled["Authorization"] = _basic(self.basic_auth, variables)
        body, content_type = self._body(variables)
        if content_type and "content-type" not in {name.lower() for name in filled}:
            filled["Content-Type"] = content_type
        return Request(self.method, quote(url, safe=URL_CHARACTERS), tuple(filled.items()), body)

    def check_status(self, reply: Reply) -> None:
        """Let a reply pass whose status is right.

        Raises:
            StepFailed: it is not (reason `status`).
        """
        right = reply.status in self.status if self.status else 200 <= reply.status < 300
        if not right:
            wanted = " or ".join(map(str, self.status)) or "200 to 299"
            raise StepFailed("status", f"{reply.url}: HTTP {reply.status}, expected {wanted}")

    def _body(self, variables: Variables) -> tuple[bytes, str]:
        """The body and the type of its content."""
        if self.has_json:
            return msgspec.json.encode(fill_tree(self.json, variables)), "application/json"
        if self.form:
            fields = {fill(name, variables): fill(value, variables) for name, value in self.form.items()}
            return urlencode(fields, errors="replace").encode(), "application/x-www-form-urlencoded"
        return fill(self.body, variables).encode("utf-8", "replace"), "text/plain; charset=utf-8" if self.body else ""


def check_headers(headers: Mapping[str, str]) -> None:
    """Check the names of *headers* and that their values are one line.

    Raises:
        ValueError: one cannot be sent.
    """
    for name, value in headers.items():
        if not _TOKEN.fullmatch(name) or name.lower() in _FRAMING:
            raise ValueError(f"the header {name!r} cannot be set")
        names(value)
        if not value.isprintable():
            raise ValueError(f"the header {name} has a line break or another character that cannot be sent")


def check_url(url: str) -> None:
    """Check that a URL of the configuration names its host without variables, or is a path.

    Raises:
        ValueError: it is neither.
    """
    found = _ABSOLUTE.match(url)
    if found:
        if "$" in found["origin"] or not found["origin"].isascii():
            raise ValueError(f"{url!r}: the host is written out and in ASCII (xn--...), variables stand behind it")
        split_url(found["origin"])
    elif not url.startswith("/") or url.startswith("//"):
        raise ValueError(f"{url!r} is no URL: write http(s)://... or a path such as /cart")


def _basic(auth: BasicAuth, variables: Variables) -> str:
    pair = f"{fill(auth.username, variables)}:{fill(auth.password, variables)}"
    return f"Basic {b64encode(pair.encode('utf-8', 'replace')).decode()}"
