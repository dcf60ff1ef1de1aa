"""How a walk ended, and the last failures of each: a success never drives one out."""

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from exporter.walks.message import StepFailed
from exporter.walks.secret_words import SecretWords, reply_text, request_text
from exporter.walks.visitor import Exchange

#: Characters of a request, of an answer and of a trace that are kept.
SNIPPET_CHARACTERS = 2_048
DETAIL_CHARACTERS = 500


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """A failure as it is kept and shown; no text holds a secret.

    Attributes:
        time: when, as ISO 8601 in UTC.
        step: the step (or the check) that failed.
        reason: a word of a fixed set.
        detail: the same for people.
        seconds: how long the step took.
        request: the beginning of the last request.
        response: the beginning of its answer; empty where there was none.
    """

    time: str
    step: str
    reason: str
    detail: str
    seconds: float
    request: str = ""
    response: str = ""


@dataclass(frozen=True, slots=True)
class StepResult:
    """A step that was taken."""

    name: str
    success: bool
    seconds: float


@dataclass(frozen=True, slots=True)
class Walk:
    """How a walk ended.

    Attributes:
        steps: those that were taken; the failed one is the last.
        seconds: what all of it took.
        values: captured numbers.
        failure: None for a success.
        trace: what happened, line by line, for people; without secrets.
        screenshot: a browser's last view before the failure, a JPEG; empty where there is none.
    """

    steps: tuple[StepResult, ...]
    seconds: float
    values: Mapping[str, float]
    failure: Failure | None = None
    trace: tuple[str, ...] = ()
    screenshot: bytes = field(default=b"", repr=False)


def describe(problem: StepFailed, step: StepResult, last: Exchange | None, words: SecretWords, now: float) -> Failure:
    """*problem* of *step* as it is kept: the *last* request and its answer, without *words*, at Unix time *now*."""
    return Failure(
        time=timestamp(now),
        step=step.name,
        reason=problem.reason,
        detail=words.hide(problem.detail, DETAIL_CHARACTERS),
        seconds=step.seconds,
        request=words.hide(request_text(last.request), SNIPPET_CHARACTERS) if last else "",
        response=words.hide(reply_text(last.reply), SNIPPET_CHARACTERS) if last else "",
    )


class FailureLog:
    """The last *keep* failures of each name, newest first."""

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._lock = threading.Lock()
        self._kept: dict[str, deque[Failure]] = {}

    def add(self, name: str, failure: Failure) -> None:
        """Keep one more of *name*; its oldest goes."""
        with self._lock:
            self._kept.setdefault(name, deque(maxlen=self._keep)).appendleft(failure)

    def of(self, name: str) -> list[Failure]:
        """Those of *name*."""
        with self._lock:
            return list(self._kept.get(name, ()))


def timestamp(seconds: float) -> str:
    """Unix *seconds* as ISO 8601 in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
