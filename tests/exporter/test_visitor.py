from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.walks.client import Client
from exporter.walks.message import Deadline, Headers, Reply, Request, StepFailed, origin_of
from exporter.walks.tls import TlsRule
from exporter.walks.visitor import Hosts, Visitor

HERE = "http://shop.example/"


class Scripted(Client):
    """A client that gives these answers one after the other, and keeps what it was asked."""

    def __init__(self, *replies: tuple[int, dict[str, str]]) -> None:
        super().__init__(TlsRule(), 1)
        self.replies = list(replies)
        self.asked: list[Request] = []

    def send(self, request: Request, deadline: Deadline) -> Reply:
        """The next answer."""
        deadline.left()
        self.asked.append(request)
        status, headers = self.replies.pop(0)
        return Reply(request.url, status, tuple(headers.items()), b"", 0.1)


def visit(client: Scripted, method: str = "GET", body: bytes = b"", headers: Headers = ()) -> Reply:
    """The answer to one request; `www.shop.example` may be asked too."""
    visitor = Visitor(client, Hosts([HERE], ["www.shop.example"]))
    return visitor.visit(Request(method, HERE, headers, body), Deadline(5), 3)


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("http://shop.example/x", True),
        ("https://SHOP.example./x", True),
        ("http://shop.example:8080/", False),
        ("http://evil-shop.example/", False),
        ("http://shop.example.evil/", False),
        ("http://127.0.0.1:9000/", True),
        ("http://127.0.0.1/", False),
        ("http://127.0.0.1:6379/", False),
    ],
)
def test_check_lets_named_hosts_pass(url: str, allowed: bool) -> None:  # noqa: FBT001
    """A host is named with its port; 80 and 443 go together."""
    hosts = Hosts(["http://shop.example/"], ["127.0.0.1:9000"])
    if allowed:
        hosts.check(url)
    else:
        with pytest.raises(StepFailed, match="is not named in the configuration"):
            hosts.check(url)


def test_visit_follows_and_adds_the_seconds() -> None:
    """A relative redirect is followed; the time is that of all exchanges."""
    client = Scripted((302, {"Location": "/a b?c#d"}), (200, {}))
    reply = visit(client)
    assert client.asked[1].url == "http://shop.example/a%20b?c"
    assert reply.seconds == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("status", "method", "after"),
    [(301, "POST", "GET"), (303, "PUT", "GET"), (307, "POST", "POST"), (308, "PUT", "PUT"), (302, "HEAD", "HEAD")],
)
def test_visit_method_after_a_redirect(status: int, method: str, after: str) -> None:
    """307 and 308 repeat the request with its body, the others ask with GET."""
    client = Scripted((status, {"Location": "/next"}), (200, {}))
    visit(client, method, b"body", (("Content-Type", "text/plain"),))
    assert client.asked[1].method == after
    assert client.asked[1].body == (b"body" if status in (307, 308) or method == "HEAD" else b"")


def test_visit_other_origin_gets_no_credentials() -> None:
    """What may be a credential stays with the origin that it was meant for, also when it comes back."""
    client = Scripted(
        (302, {"Location": "https://www.shop.example/"}), (302, {"Location": "http://shop.example/back"}), (200, {})
    )
    visit(client, headers=(("X-Api-Key", "k"), ("Accept", "a")))
    assert [dict(asked.headers) for asked in client.asked] == [
        {"X-Api-Key": "k", "Accept": "a"},
        {"Accept": "a"},
        {"Accept": "a"},
    ]


def test_visit_ends_a_loop() -> None:
    """One redirect too many fails the step; as many requests were made as are allowed."""
    client = Scripted(*[(302, {"Location": "/"})] * 9)
    with pytest.raises(StepFailed, match="more than 3 redirects"):
        visit(client)
    assert len(client.asked) == 4


def test_visit_sends_cookies_that_a_redirect_set() -> None:
    """A login that sets its cookie with the redirect works."""
    client = Scripted((303, {"Location": "/in", "Set-Cookie": "sid=1; Path=/"}), (200, {}))
    visit(client, "POST", b"x", (("Cookie", "own=2"),))
    assert dict(client.asked[1].headers)["Cookie"] == "own=2; sid=1"


@settings(deadline=None, max_examples=300)
@given(st.text(st.characters(codec="latin-1"), max_size=80))
def test_visit_any_location_stays_with_named_hosts(location: str) -> None:
    """Whatever a server writes into Location, nobody is asked who is not named, and the URL is clean."""
    client = Scripted((302, {"Location": location}), (200, {}))
    with suppress(StepFailed):
        visit(client)
    for asked in client.asked:
        assert origin_of(asked.url)[1] in ("shop.example", "www.shop.example")
        assert asked.url.isascii()
        assert asked.url.isprintable()
        assert " " not in asked.url
