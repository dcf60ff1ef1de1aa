"""What goes out and what comes back, within which time, and why it did not work."""

import logging
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import SplitResult, urlsplit

import msgspec

from chassis.logs import event
from exporter.errors import ExporterError

log = logging.getLogger(__name__)

#: Why a step fails; the whole set, because it is a label.
REASONS = (
    "dns",
    "refused",
    "connection",
    "timeout",
    "tls",
    "protocol",
    "too_large",
    "redirect",
    "status",
    "assertion",
    "capture",
    "slow",
    "variable",
    "error",
)
DEFAULT_PORTS = {"http": 80, "https": 443}
#: What stands for itself in a URL; everything else is percent-encoded.
URL_CHARACTERS = "/%:?#[]@!$&'()*+,;=-._~"
_CHARSETS = {"utf-8": "utf-8", "utf8": "utf-8", "us-ascii": "utf-8", "iso-8859-1": "latin-1", "latin1": "latin-1"}


class StepFailed(ExporterError):
    """A step did not do what it should; *reason* is one of `REASONS` (or a browser's), *detail* is for people."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def failure_of(error: Exception) -> StepFailed:
    """*error* as a failed step; one that nobody foresaw is logged, because it is a fault of ours."""
    if isinstance(error, StepFailed):
        return error
    told = f"{type(error).__name__}: {error}"
    event(log, logging.ERROR, f"a step failed in an unforeseen way: {type(error).__name__}", where=_where(error))
    return StepFailed("error", told)


def _where(error: Exception) -> str:
    """File and line that raised *error*; its text may hold a secret."""
    frame = traceback.extract_tb(error.__traceback__, -1)
    return f"{frame[0].filename}:{frame[0].lineno}" if frame else "unknown"


class Deadline:
    """*seconds* from now on, by the clock *monotonic*."""

    __slots__ = ("_ends", "_monotonic", "seconds")

    def __init__(self, seconds: float, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._monotonic = monotonic
        self._ends = monotonic() + seconds

    def left(self) -> float:
        """Seconds that are left.

        Raises:
            TimeoutError: none are.
        """
        left = self._ends - self._monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def within(self, seconds: float) -> "Deadline":
        """A deadline in *seconds*, or this one where it comes first."""
        return Deadline(min(seconds, max(0.0, self._ends - self._monotonic())), self._monotonic)


Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it is sent; *url* is absolute, and every part is free of control characters."""

    method: str
    url: str
    headers: Headers = ()
    body: bytes = b""


@dataclass(frozen=True)
class Reply:
    """An answer: *url* is what answered after redirects, *seconds* what it took, the body is decompressed."""

    url: str
    status: int
    headers: Headers
    body: bytes
    seconds: float = 0.0

    def header(self, name: str) -> str | None:
        """The first header of this name, in any case."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)

    @cached_property
    def text(self) -> str:
        """The body as text; what is not in its charset becomes U+FFFD."""
        charset = (self.header("content-type") or "").lower().partition("charset=")[2].partition(";")[0].strip(" \"'")
        return self.body.decode(_CHARSETS.get(charset, "utf-8"), "replace")

    @cached_property
    def document(self) -> object:
        """The body as JSON.

        Raises:
            StepFailed: it is none, or nested too deeply.
        """
        try:
            return msgspec.json.decode(self.body)
        except (ValueError, RecursionError) as error:
            raise StepFailed("assertion", f"the body is no usable JSON: {error}") from error


def split_url(url: str) -> SplitResult:
    """The parts of an absolute http or https URL.

    Raises:
        ValueError: it is none, or carries a name and password.
    """
    parts = urlsplit(url)
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        raise ValueError(f"{url!r} is no http(s) URL: write e.g. http://127.0.0.1:8000/path")
    if "@" in parts.netloc:
        raise ValueError("the URL holds a name or password: write basic_auth instead")
    if not 0 < port_of(parts) < 65536:
        raise ValueError(f"{url!r} has no usable port")
    return parts


def port_of(parts: SplitResult) -> int:
    """The port of a URL, that of its scheme where it names none.

    Raises:
        ValueError: it is no number.
    """
    return DEFAULT_PORTS.get(parts.scheme, 0) if parts.port is None else parts.port


def origin_of(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of a URL: what credentials belong to."""
    parts = split_url(url)
    return parts.scheme, (parts.hostname or "").rstrip("."), port_of(parts)
