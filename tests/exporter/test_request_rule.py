from typing import Any

import msgspec
import pytest

from chassis.config_file import ConfigInvalid, decode
from exporter.walks.message import Reply, Request, StepFailed
from exporter.walks.request_rule import RequestRule

VARIABLES = {"id": 7, "name": "a b", "on": True}


def build(base: str = "http://h:81/app/", **document: Any) -> Request:
    """The request of a rule below *base*."""
    rule = msgspec.convert({"url": "/", **document}, RequestRule)
    return rule.build(base, VARIABLES, {"X-Shared": "${name}", "Accept": "shared"})


@pytest.mark.parametrize(
    ("url", "built"),
    [
        ("/x/${name}", "http://h:81/app/x/a%20b"),
        ("/x?q=${name}&r=50%25", "http://h:81/app/x?q=a%20b&r=50%25"),
        ("https://other/${id}", "https://other/7"),
        ("/café", "http://h:81/app/caf%C3%A9"),
    ],
)
def test_build_url(url: str, built: str) -> None:
    """A path stands below the base URL; variables and what is no ASCII are percent-encoded."""
    assert build(url=url).url == built


def test_build_headers() -> None:
    """Those of every request, replaced by the request's own in any case of letters."""
    headers = dict(build(headers={"accept": "own", "X-Id": "${id}"}).headers)
    assert headers == {"X-Shared": "a b", "accept": "own", "X-Id": "7"}


@pytest.mark.parametrize(
    ("document", "body", "content_type"),
    [
        ({"body": "hi ${name}"}, b"hi a b", "text/plain; charset=utf-8"),
        ({"form": {"n": "${name}", "x": "&="}}, b"n=a+b&x=%26%3D", "application/x-www-form-urlencoded"),
        ({"json": {"id": "${id}", "on": ["${on}"]}}, b'{"id":7,"on":[true]}', "application/json"),
        ({"json": None}, b"null", "application/json"),
    ],
)
def test_build_body(document: dict[str, Any], body: bytes, content_type: str) -> None:
    """Each kind of body with its type."""
    request = build(method="POST", **document)
    assert request.body == body
    assert dict(request.headers)["Content-Type"] == content_type


def test_build_without_a_body_has_no_type() -> None:
    """A GET says nothing of content."""
    assert "Content-Type" not in dict(build().headers)


def test_build_basic_auth() -> None:
    """Credentials are encoded once their variables are known."""
    headers = dict(build(basic_auth={"username": "joe", "password": "${id}"}).headers)
    assert headers["Authorization"] == "Basic am9lOjc="


@pytest.mark.parametrize(("status", "wanted", "passes"), [(204, [], True), (302, [], False), (302, [301, 302], True)])
def test_check_status(status: int, wanted: list[int], passes: bool) -> None:  # noqa: FBT001
    """The configured statuses, or any success where there are none."""
    rule = msgspec.convert({"url": "/", "status": wanted}, RequestRule)
    if passes:
        rule.check_status(Reply("http://h/", status, (), b""))
    else:
        with pytest.raises(StepFailed, match=f"HTTP {status}, expected 200 to 299"):
            rule.check_status(Reply("http://h/", status, (), b""))


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"url": "shop/x"}, "is no URL"),
        ({"url": "http://h${id}/"}, "host is written out"),
        ({"url": "http://café/"}, "in ASCII"),
        ({"headers": {"a b": "x"}}, "cannot be set"),
        ({"headers": {"Transfer-Encoding": "chunked"}}, "cannot be set"),
        ({"headers": {"X": "${"}}, "without a name"),
        ({"method": "GE T"}, "write e.g. GET"),
        ({"max_redirects": 21}, "max_redirects: is 21; write 0 to 20"),
        ({"json": {}, "body": "x"}, "at most one"),
    ],
)
def test_rule_refuses_what_cannot_be_sent(document: dict[str, Any], message: str) -> None:
    """A mistake is found when the configuration is read."""
    with pytest.raises(ConfigInvalid, match=message):
        decode({"url": "/", **document}, RequestRule, "exporter.yml")
