"""Everything that the exporter raises on purpose.

    ExporterError
    ├── ConfigError              the configuration cannot be used
    ├── CatalogueConflict        two collectors declare one metric
    ├── CollectorError           a collector cannot say what it measures
    │   ├── SourceUnavailable    the source does not answer
    │   └── SourceMalformed      the source answers what nobody can read
    ├── answers.Refused          a request that is not taken, with its answer
    ├── error_report.ReportInvalid    a report of an error that does not fit
    ├── log_position.PositionInvalid  a kept position that cannot be used
    ├── probing: ProbeFailed, DnsMalformed, CertificateUnreadable
    ├── checks: ReplyError, ScramRefused
    └── walks: StepFailed

Those after CollectorError live beside what raises them, because nobody else handles them. A class says what happened;
`reason` is its short form for metric labels, `retryable` whether the same call may succeed later.
"""

from typing import ClassVar


class ExporterError(Exception):
    """Root of the exporter's errors; the message says what happened, where, and what to do next."""

    reason: str = "error"
    retryable: ClassVar[bool] = False


class ConfigError(ExporterError):
    """A configuration that cannot be used; the message names file, path and remedy."""

    reason = "config"


class CatalogueConflict(ExporterError):
    """Two collectors declare the same metric; the message names both."""

    reason = "catalogue"


class CollectorError(ExporterError):
    """A collector that cannot say what it measures; its families are left out of this scrape."""


class SourceUnavailable(CollectorError):
    """A source that does not answer; *reason* is one of `refused timeout status not_running error`."""

    retryable = True

    def __init__(self, message: str, reason: str = "error") -> None:
        super().__init__(message)
        self.reason = reason


class SourceMalformed(CollectorError):
    """A source whose answer cannot be read; the message names the source and the place in it."""

    reason = "malformed"
