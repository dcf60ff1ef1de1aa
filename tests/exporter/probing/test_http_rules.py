import pytest

from exporter.probing.attempt import ProbeFailed
from exporter.probing.engine import Loop
from exporter.probing.http_options import HeaderRule, HttpOptions
from exporter.probing.http_response import Response
from exporter.probing.http_rules import judge
from exporter.probing.resolving import Resolver
from exporter.probing.run import Run


def reason(options: HttpOptions, *, secure: bool = False) -> str:
    """Why a fixed response is not well under *options*; empty where it is."""
    response = Response("GET", 1000, 1000)
    response.feed(b"HTTP/1.1 200 OK\r\nServer: nginx\r\nX-A: 1\r\nX-A: 2\r\nContent-Length: 5\r\n\r\nhello")
    loop = Loop()
    try:
        judge(Run(loop, Resolver()), options, response, secure=secure)
    except ProbeFailed as failed:
        return failed.reason
    finally:
        loop.close()
    return ""


@pytest.mark.parametrize(
    ("rule", "matches_fails", "not_matches_fails"),
    [
        (HeaderRule("server", "^nginx$"), "header", ""),
        (HeaderRule("Server", "apache"), "", "header"),
        (HeaderRule("X-A", "2"), "header", ""),
        (HeaderRule("X-Missing", "x"), "header", "header"),
        (HeaderRule("X-Missing", "x", allow_missing=True), "", ""),
    ],
)
def test_judge_headers(rule: HeaderRule, matches_fails: str, not_matches_fails: str) -> None:
    """A header rule looks at every value of its header, whose name has no case; a missing one fails unless allowed."""
    assert reason(HttpOptions(fail_if_header_matches=(rule,))) == matches_fails
    assert reason(HttpOptions(fail_if_header_not_matches=(rule,))) == not_matches_fails


def test_judge_ssl_where_there_must_be_none() -> None:
    """TLS is a failure where it is not wanted, and the lack of it where it is."""
    assert reason(HttpOptions(fail_if_ssl=True), secure=True) == "ssl"
    assert reason(HttpOptions(fail_if_not_ssl=True), secure=True) == ""
    assert reason(HttpOptions(fail_if_not_ssl=True)) == "ssl"


def test_judge_every_body_pattern_counts() -> None:
    """One pattern that matches, or one that does not, is enough."""
    assert reason(HttpOptions(fail_if_body_matches_regexp=("x", "l+o"))) == "body"
    assert reason(HttpOptions(fail_if_body_not_matches_regexp=("hello", "x"))) == "body"
    assert reason(HttpOptions(fail_if_body_not_matches_regexp=("hello", "^he"))) == ""
