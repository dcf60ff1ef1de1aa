"""One run of a probe: what it measured, how far it came, and why it failed.

A prober is a generator; while it runs it writes into its `Attempt`. The names of steps and the reasons are fixed sets,
so both may be labels of metrics. Steps are kept as tuples and become text only where somebody reads them.
"""

import socket
import ssl
from dataclasses import dataclass, field
from typing import Final

from exporter.errors import ExporterError
from exporter.probing.certificates import Certificate

#: Why a probe may fail; nothing else is ever shown as a reason.
REASONS: Final = (
    "resolve",  # the name has no address, or no name server answers
    "refused",  # nobody listens there
    "unreachable",  # no way to that address
    "reset",  # the other side ended the connection too early
    "timeout",
    "tls",  # handshake or certificate
    "ssl",  # TLS where there must be none, or none where there must be
    "protocol",  # the answer does not follow its protocol
    "version",  # an HTTP version that is not wanted
    "status",
    "header",
    "body",
    "too_large",
    "redirect",  # too many, not wanted, or to where it must not go
    "rcode",  # the name server's answer has another code than wanted
    "answer",  # records or text other than expected
    "permission",  # the system does not let this process probe like that
    "secret",  # a password or token file cannot be used
    "error",
)

#: Steps kept of one run: a response in 100,000 pieces must not fill the memory.
MAX_STEPS = 200


class ProbeFailed(ExporterError):
    """A probe that did not succeed; *reason* is one of `REASONS`, the message says what was found."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class TlsFacts:
    """What a handshake showed: version, cipher, the certificates from the leaf on, and whether they were verified."""

    version: str
    cipher: str
    chain: tuple[Certificate, ...]
    verified: bool

    @property
    def earliest_expiry(self) -> float:
        """Unix time in seconds at which the first certificate of the chain ends; 0 without certificates."""
        return min((certificate.not_after for certificate in self.chain), default=0.0)


@dataclass(slots=True)
class Attempt:
    """The record of one run.

    Attributes:
        began: monotonic seconds.
        phases: seconds by phase, in the order in which they were reached.
        steps: (monotonic seconds, text with {} places, values) of everything that happened.
        step: the number of the step that runs, from 1; where it failed, the failing one.
        step_name: the same as a word, e.g. `connect`.
        reason: one of `REASONS`, empty as long as nothing failed.
        detail: the failure as a sentence.
        family: the address family that was used, 0 before one was.
        address: the address that was used.
        tls: what the last handshake showed.
        facts: what the prober alone knows; its own type.
        snippet: the beginning of the response.
        by_pattern: it failed because of a regular expression of the module.
        duration: seconds of the whole run, once it is over.
    """

    began: float
    phases: dict[str, float] = field(default_factory=dict)
    steps: list[tuple[float, str, tuple[object, ...]]] = field(default_factory=list)
    step: int = 0
    step_name: str = ""
    reason: str = ""
    detail: str = ""
    family: int = 0
    address: str = ""
    tls: TlsFacts | None = None
    facts: object = None
    snippet: bytes = b""
    by_pattern: bool = False
    duration: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether nothing failed."""
        return not self.reason

    def enter(self, now: float, name: str) -> None:
        """Begin the next step."""
        self.step += 1
        self.step_name = name
        if len(self.steps) < MAX_STEPS:
            self.steps.append((now, name, ()))

    def note(self, now: float, text: str, *values: object) -> None:
        """Keep what happened; *values* go into the {} places of *text* when it is read."""
        if len(self.steps) < MAX_STEPS:
            self.steps.append((now, text, values))

    def spend(self, phase: str, seconds: float) -> None:
        """Add *seconds* to *phase*; a redirect goes through the phases again."""
        self.phases[phase] = self.phases.get(phase, 0.0) + seconds

    def finish(self, now: float, error: BaseException | None) -> None:
        """Close the record; *error* is what ended the run early."""
        self.duration = now - self.began
        if error is not None:
            self.reason, self.detail = explain(error)
            self.note(now, "failed ({}): {}", self.reason, self.detail)

    def forget(self) -> None:
        """Give back what nobody asks for later: what happened in detail, and the response."""
        self.steps = []
        self.snippet = b""

    def lines(self) -> list[str]:
        """The steps as text, each with the milliseconds since the beginning."""
        return [f"{(at - self.began) * 1000:9.3f} ms  {text.format(*values)}" for at, text, values in self.steps]


def explain(error: BaseException) -> tuple[str, str]:
    """The reason and the sentence for what ended a probe."""
    if isinstance(error, ProbeFailed):
        return error.reason, str(error)
    if isinstance(error, ssl.SSLCertVerificationError):
        return "tls", f"the certificate does not verify: {getattr(error, 'verify_message', error)}"
    if isinstance(error, ssl.SSLError):
        return "tls", f"TLS failed: {getattr(error, 'reason', None) or error}"
    for kind, reason in _SYSTEM_ERRORS:
        if isinstance(error, kind):
            return reason, getattr(error, "strerror", None) or str(error) or reason
    if isinstance(error, OSError):
        return "unreachable", error.strerror or str(error)
    return "error", f"{type(error).__name__}: {error}"


_SYSTEM_ERRORS: tuple[tuple[type[BaseException], str], ...] = (
    (TimeoutError, "timeout"),
    (ConnectionRefusedError, "refused"),
    (ConnectionError, "reset"),
    (PermissionError, "permission"),
    (socket.gaierror, "resolve"),
)
