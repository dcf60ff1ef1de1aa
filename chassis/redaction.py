"""Text from outside made fit for showing: secrets removed, control characters made visible.

Used for what programs print and what servers answer, before either reaches a log, the store or a page.
"""

import re
from collections.abc import Iterable

from chassis.logs import clean

SHOWN = "<redacted>"

#: Shorter "secrets" would blot out ordinary text.
MIN_SECRET = 4

_WORD = r"(?:passwd|password|passphrase|secret|token|api[_-]?key|access[_-]?key|private[_-]?key|credentials?)"

# Each pattern: what is kept is group 1, the rest is a secret. All are linear: no repetition stands inside another.
_PATTERNS = (
    re.compile(r"()-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)", re.DOTALL),
    re.compile(r"((?:proxy-)?authorization[\"']?[ \t]{0,8}[:=][ \t]{0,8})[^\r\n]+", re.IGNORECASE),
    re.compile(r"((?:set-)?cookie[ \t]{0,8}:[ \t]{0,8})[^\r\n]+", re.IGNORECASE),
    re.compile(
        rf"({_WORD}[\"']?[ \t]{{0,8}}[:=][ \t]{{0,8}})(?:\"[^\"\r\n]*\"?|'[^'\r\n]*'?|[^\s\"']\S*)", re.IGNORECASE
    ),
    re.compile(rf"(--?{_WORD}[ \t]{{1,8}})(?!-)\S+", re.IGNORECASE),
    re.compile(r"(\bbearer[ \t]{1,8})[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE),
    re.compile(r"(://[^\s/:@]{0,256}:)[^\s/@]{1,256}(?=@)"),
    re.compile(r"()\b(?:gh[pousr]_|github_pat_|xox[abeprs]-|AKIA|glpat-)[A-Za-z0-9_-]{8,}"),
    re.compile(r"(hooks\.slack\.com/)[^\s\"'<>]+"),
)


def redact(text: str, secrets: Iterable[str] = ()) -> str:
    """*text* without *secrets* (each line of a secret counts) and without what is obviously one, e.g. `password=x`."""
    for secret in known_lines(secrets):
        text = text.replace(secret, SHOWN)
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\1{SHOWN}", text)
    return text


def known_lines(secrets: Iterable[str]) -> list[str]:
    """The lines of *secrets* that are long enough to be looked for, longest first (one may hold another)."""
    lines = {line.strip() for secret in secrets for line in secret.splitlines()}
    return sorted((line for line in lines if len(line) >= MIN_SECRET), key=lambda line: (-len(line), line))


def readable(text: str) -> str:
    """*text* with its line ends kept and every other control character escaped; a line over 2,000 is cut."""
    return "\n".join(clean(line) for line in text.replace("\r\n", "\n").expandtabs(4).split("\n"))


def well_formed(text: str) -> str:
    """*text* with lone surrogates replaced: they pass through JSON and break UTF-8 later."""
    return text.encode("utf-8", "replace").decode("utf-8")
