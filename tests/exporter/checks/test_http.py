import msgspec
import pytest

from exporter.checks import http
from exporter.checks.http import HttpRule
from exporter.checks.outcome import outcome_of
from exporter.sources.fetch import Fetcher
from tests.exporter.doubles import Site


def test_http_check_compares_the_status(site: Site) -> None:
    """The expected statuses are up, every other is down for its status."""
    site.answers |= {"/": (200, b""), "/login": (401, b"")}
    fetcher = Fetcher(1.0)
    assert http.http_check(HttpRule(site.url), fetcher)().up
    assert http.http_check(HttpRule(f"{site.url}/login", (200, 401)), fetcher)().up
    outcome = http.http_check(HttpRule(f"{site.url}/none"), fetcher)()
    assert (outcome.reason, outcome.detail) == ("status", f"{site.url}/none: HTTP 404, expected 200")


def test_http_check_without_a_server_is_refused() -> None:
    """A port that nobody listens on has its own reason."""
    fetcher = Fetcher(0.2)
    assert outcome_of(http.http_check(HttpRule("http://127.0.0.1:1/"), fetcher)).reason == "refused"


@pytest.mark.parametrize(("pattern", "reason"), [("", ""), ("^{.ok.: true", ""), ("maintenance", "body")])
def test_http_check_searches_the_body(site: Site, pattern: str, reason: str) -> None:
    """A good status with the wrong body is down, whatever bytes the body is of."""
    site.answers["/"] = (200, b'{"ok": true, "name": "\xff\xfe"}')
    fetcher = Fetcher(1.0)
    assert http.http_check(HttpRule(site.url, body=pattern), fetcher)().reason == reason


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"url": "http://h/", "status": []}, "status is empty"),
        ({"url": "h"}, "no http"),
        ({"url": "http://h/", "body": "("}, "body is no regular expression"),
        ({"url": "http://h/", "body": f"a{{{10**20}}}"}, "body is no regular expression"),
    ],
)
def test_http_rule_refuses_what_checks_nothing(document: dict[str, object], message: str) -> None:
    """A rule that can never say anything is an error of the configuration."""
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert(document, HttpRule)
