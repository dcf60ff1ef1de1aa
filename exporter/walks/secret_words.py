"""The words of a run that nobody may see: what secret files hold, what is captured as secret, cookies, credentials."""

import json
import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from html import escape
from urllib.parse import quote, quote_plus

from chassis.redaction import MIN_SECRET, SHOWN, known_lines, readable, redact
from chassis.secret_files import SecretUnusable, read_secret
from exporter.walks.message import Reply, Request, StepFailed

#: Characters of a text that are searched for what looks like a secret; more is never shown.
_WINDOW = 8_192
#: Cookies shorter than this are words like `true`, whose hiding would blot out the rest.
_SHORTEST_COOKIE = 8
_ESCAPE = re.compile(r"%[0-9A-F]{2}")
_UNICODE = re.compile(r"\\u[0-9a-f]{4}")
#: What writers of JSON escape besides what they must (Go and Django, PHP, .NET), and mustache templates in HTML.
_IN_SCRIPTS = [str.maketrans({char: f"\\u{ord(char):04x}" for char in more}) for more in ("<>&", "<>&'", "<>&'+")]
_IN_TEMPLATES = str.maketrans({char: f"&#x{ord(char):X};" for char in "/=`"})


class SecretWords:
    """Collects words and hides them, in every spelling in which a server may give them back."""

    def __init__(self) -> None:
        self._words: set[str] = set()

    def read(self, files: Mapping[str, str]) -> dict[str, str]:
        """The content of secret *files*, by the names of their variables.

        Raises:
            StepFailed: one cannot be used (reason `variable`).
        """
        found = {}
        for name, path in files.items():
            try:
                found[name] = read_secret(path)
            except SecretUnusable as error:
                raise StepFailed("variable", str(error)) from error
            if any(0 < len(line.strip()) < MIN_SECRET for line in found[name].splitlines()):
                raise StepFailed(
                    "variable",
                    f"the secret file {path} has a line of less than {MIN_SECRET} characters, too short to hide",
                )
            self.add(found[name])
        return found

    def add(self, text: str) -> None:
        """Hide *text*, line by line, from now on."""
        for line in known_lines([text]):
            self._words.update(_spellings(line))

    def add_request(self, request: Request) -> None:
        """Hide the credentials of *request*."""
        for name, value in request.headers:
            if name.lower() in ("authorization", "proxy-authorization"):
                self.add(value.partition(" ")[2] or value)

    def add_cookies(self, values: Iterable[str]) -> None:
        """Hide the *values* of cookies."""
        for value in values:
            if len(value) >= _SHORTEST_COOKIE:
                self.add(value)

    def hide(self, text: str, characters: int) -> str:
        """The first *characters* of *text*, without secrets and control characters.

        Known words are replaced before anything is cut, so that no half of one is left at an edge.
        """
        for word in sorted(self._words, key=len, reverse=True):
            text = text.replace(word, SHOWN)
        shown = readable(redact(text[:_WINDOW]))
        return shown if len(shown) <= characters else f"{shown[:characters]}..."

    def spellings(self) -> list[str]:
        """Every word in every spelling."""
        return sorted(self._words)


def request_text(request: Request) -> str:
    """A request as people read it; the caller hides what is secret."""
    head = [f"{request.method} {request.url}", *(f"{name}: {value}" for name, value in request.headers)]
    return "\n".join([*head, "", request.body.decode("utf-8", "replace")]).rstrip()


def reply_text(reply: Reply | None) -> str:
    """An answer as people read it; the caller hides what is secret."""
    if reply is None:
        return ""
    head = [f"HTTP {reply.status}", *(f"{name}: {value}" for name, value in reply.headers)]
    return "\n".join([*head, "", reply.text]).rstrip()


def _spellings(word: str) -> set[str]:
    """*word* as it stands in URLs (encoded once or twice), forms, JSON, HTML, base64 and hexadecimal."""
    quoted = {quote(word, safe="", errors="replace"), quote(word, errors="replace"), quote_plus(word, errors="replace")}
    quoted |= {_ESCAPE.sub(lambda hit: hit[0].lower(), one) for one in quoted}
    in_json = {json.dumps(word)[1:-1], json.dumps(word, ensure_ascii=False)[1:-1]}
    in_json |= {one.replace("/", r"\/") for one in in_json} | {
        one.translate(more) for one in in_json for more in _IN_SCRIPTS
    }
    in_json |= {_UNICODE.sub(lambda hit: hit[0].upper().replace("U", "u"), one) for one in in_json}
    in_html = {escape(word), escape(word).replace("&#x27;", "&#39;").replace("&quot;", "&#34;")}
    in_html.add(escape(word).replace("&#x27;", "&#39;").translate(_IN_TEMPLATES))
    twice = {quote(one, safe="") for one in quoted}
    raw = word.encode("utf-8", "replace")
    in_base64 = {b64encode(raw).decode().rstrip("="), urlsafe_b64encode(raw).decode().rstrip("=")}
    return {word, *quoted, *twice, *in_json, *in_html, *in_base64, raw.hex(), b64encode(raw).decode()}
