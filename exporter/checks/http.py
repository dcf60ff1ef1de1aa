"""Is it up? By an HTTP answer: its status and, if asked for, what its body says."""

import re
from collections.abc import Sequence

import msgspec

from exporter.checks.outcome import Check, Outcome
from exporter.sources.fetch import Fetcher, check_url

REASONS = ("refused", "timeout", "status", "body", "error")


class HttpRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An HTTP dependency: GET *url* must answer with one of *status*.

    Attributes:
        url: what is fetched.
        status: the expected statuses.
        body: a regex that must be found in the body (up to 256 KiB, bytes taken as UTF-8); empty asks for nothing.
    """

    url: str
    status: tuple[int, ...] = (200,)
    body: str = ""

    def __post_init__(self) -> None:
        check_url(self.url)
        if not self.status:
            raise ValueError("status is empty: give at least one expected status")
        try:
            re.compile(self.body)
        except (re.error, OverflowError, RecursionError) as error:
            raise ValueError(f"body is no regular expression: {error}") from error


def http_check(rule: HttpRule, fetcher: Fetcher) -> Check:
    """A check that the URL of *rule* answers as expected."""
    body = re.compile(rule.body)

    def check() -> Outcome:
        response = fetcher.get(rule.url)
        if response.status not in rule.status:
            return Outcome("status", f"{rule.url}: HTTP {response.status}, expected {_either(rule.status)}")
        if not body.search(response.body.decode("utf-8", "replace")):
            return Outcome("body", f"{rule.url}: the body has no match for {rule.body!r}")
        return Outcome()

    return check


def _either(statuses: Sequence[int]) -> str:
    return " or ".join(map(str, statuses))
