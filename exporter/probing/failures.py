"""The last failures of every target: a success never evicts one, so they are there when somebody asks at last."""

import threading
from collections import OrderedDict, deque
from dataclasses import dataclass

from chassis.redaction import readable, redact
from exporter.probing.attempt import Attempt
from exporter.probing.modules import Module

#: Targets of which failures are kept; past it, those that have not failed for the longest time are forgotten.
MAX_TARGETS = 2048


@dataclass(frozen=True, slots=True)
class Failure:
    """A failed run, fit to be shown: without the module's secrets.

    Attributes:
        at: Unix time in seconds.
        reason: one of the fixed set.
        step: number and name of the step that failed.
        detail: what was found, as a sentence.
        seconds: how long the run took.
        steps: everything that happened, a line each.
        response: the beginning of the response.
    """

    at: float
    reason: str
    step: str
    detail: str
    seconds: float
    steps: str
    response: str


def failure(attempt: Attempt, module: Module, at: float) -> Failure:
    """What is kept of a failed *attempt* that ended *at* (Unix seconds)."""
    secrets = module.secrets()
    return Failure(
        at=at,
        reason=attempt.reason,
        step=f"{attempt.step} {attempt.step_name}",
        detail=shown(attempt.detail, secrets),
        seconds=attempt.duration,
        steps=shown("\n".join(attempt.lines()), secrets),
        response=shown(attempt.snippet.decode("utf-8", "replace"), secrets),
    )


def shown(text: str, secrets: list[str]) -> str:
    """*text* without secrets and control characters."""
    return readable(redact(text, secrets))


class Failures:
    """The last *keep* failures of each target and module; safe to use from several threads."""

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, str], deque[Failure]] = OrderedDict()

    def add(self, key: tuple[str, str], failed: Failure) -> None:
        """Keep a failure of the target and module in *key*."""
        if not self._keep:
            return
        with self._lock:
            self._kept.setdefault(key, deque(maxlen=self._keep)).append(failed)
            self._kept.move_to_end(key)
            if len(self._kept) > MAX_TARGETS:
                self._kept.popitem(last=False)

    def of(self, key: tuple[str, str]) -> list[Failure]:
        """The kept failures of a target and module, the newest first."""
        with self._lock:
            return list(reversed(self._kept.get(key, ())))

    def failed(self) -> list[tuple[str, str]]:
        """The targets and modules that have failed, the newest failure first."""
        with self._lock:
            return list(reversed(self._kept))
