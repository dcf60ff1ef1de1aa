import socket
import threading
from pathlib import Path
from typing import Any

import msgspec
import pytest

from chassis import config_file
from exporter.walks.failures import Walk
from exporter.walks.journey import HttpWalker, Journey, Step
from tests.exporter.walk_doubles import Shop, open_shop, raw_server

PURCHASE = {
    "variables": {"term": "blue lamp&x=1"},
    "steps": [
        {"name": "home", "url": "/", "capture": {"csrf": {"regex": 'name="csrf" value="([^"]+)"'}}},
        {
            "name": "search",
            "url": "/search?q=${term}",
            "expect": [{"json": "$.results[0].name", "equals": "blue lamp&x=1"}],
            "capture": {"results": {"json": "$.results[*]", "count": True}, "item": {"json": "$.results[0].id"}},
        },
        {
            "name": "cart",
            "url": "/cart",
            "method": "POST",
            "json": {"items": ["${item}"], "note": "csrf ${csrf}"},
            "status": [201],
            "expect": [{"json": "$.item", "equals": 7}],
            "capture": {"cart_total": {"json": "$.total", "number": True}},
        },
        {
            "name": "checkout",
            "url": "/checkout",
            "method": "POST",
            "form": {"csrf": "${csrf}", "password": "${password}"},
            "expect": [{"json": "$.orderId", "matches": "^O-[0-9]+$"}],
        },
    ],
}


@pytest.fixture
def password_file(tmp_path: Path) -> str:
    """A secret file with the shop's password."""
    path = tmp_path / "password"
    path.write_text("s3cret/word\n")
    path.chmod(0o600)
    return str(path)


def walk(document: dict[str, Any], url: str, **more: object) -> Walk:
    """One run of a journey below *url*."""
    journey = msgspec.convert({**document, "base_url": url, **more}, Journey)
    return HttpWalker(journey).walk(60)


def purchase(shop: Shop, password_file: str) -> Walk:
    """One run of the whole purchase."""
    with open_shop(shop):
        return walk(PURCHASE, shop.url, secret_files={"password": password_file})


def test_walk_purchase_succeeds(password_file: str) -> None:
    """Home, search, cart and checkout work with cookies, captures and a redirect."""
    shop = Shop()
    found = purchase(shop, password_file)
    assert found.failure is None
    assert [step.name for step in found.steps] == ["home", "search", "cart", "checkout"]
    assert found.values == {"results": 2.0, "cart_total": 12.5}
    assert [asked[1] for asked in shop.asked][1:3] == ["/search?q=blue%20lamp%26x%3D1", "/cart"]
    assert shop.asked[2][3] == '{"items":[7],"note":"csrf a+b/c="}'


@pytest.mark.parametrize(
    ("broken", "step", "taken"),
    [("/", "home", 1), ("/search", "search", 2), ("/cart", "cart", 3), ("/order", "checkout", 4)],
)
def test_walk_ends_at_the_step_that_fails(password_file: str, broken: str, step: str, taken: int) -> None:
    """The failed step is the last one that was taken, and is named with its reason."""
    found = purchase(Shop(broken=broken), password_file)
    assert found.failure is not None
    assert (found.failure.step, found.failure.reason, len(found.steps)) == (step, "status", taken)


def test_walk_failure_shows_request_and_answer_without_secrets(password_file: str) -> None:
    """A password that the server echoes, in its own spelling, is nowhere; neither is the session."""
    found = purchase(Shop(password="another"), password_file)
    assert found.failure is not None
    shown = repr(found)
    assert "refused: csrf=a%2Bb%2Fc%3D" in found.failure.response
    assert "s3cret" not in shown
    assert "abcdef123456" not in shown


@pytest.mark.parametrize(
    "body",
    ["s3cret/word", "s3cret%2Fword", "s3cret%2fword", r"s3cret\/word", "czNjcmV0L3dvcmQ=", "x" * 2047 + "s3cret/word"],
)
def test_walk_hides_a_secret_in_every_spelling(password_file: str, body: str) -> None:
    """Percent-encoded, escaped in JSON, in base64, across the edge of what is kept: no part of it is shown."""
    shop = Shop(answers={"/": (500, {"X-Echo": body[:200]}, body)})
    with open_shop(shop):
        found = walk({"steps": [{"name": "a", "url": "/"}]}, shop.url, secret_files={"password": password_file})
    assert found.failure is not None
    assert not {"s3cret", "czNj"} & set(found.failure.response.replace("%", " ").replace("\\", " ").split())
    assert "s3c" not in found.failure.response


def test_walk_hides_a_captured_secret_of_the_failing_answer() -> None:
    """A token that comes in the answer that fails a rule is hidden too, in the detail as well."""
    answer = '{"token": "T0PS3CRET", "again": "T0PS3CRET"}'
    step = {
        "name": "login",
        "url": "/",
        "expect": [{"json": "$.again", "equals": "no"}],
        "capture": {"key": {"json": "$.token", "secret": True}},
    }
    with open_shop(Shop(answers={"/": (200, {}, answer)})) as shop:
        found = walk({"steps": [step]}, shop.url)
    assert found.failure is not None
    assert found.failure.reason == "assertion"
    assert "T0PS3CRET" not in repr(found)


def test_walk_hides_basic_credentials(password_file: str) -> None:
    """What is sent as basic authentication is not shown, not even as base64."""
    step = {"name": "a", "url": "/", "basic_auth": {"username": "joe", "password": "${password}"}}
    with open_shop(Shop(answers={"/": (401, {}, "am9lOnMzY3JldC93b3Jk")})) as shop:
        found = walk({"steps": [step]}, shop.url, secret_files={"password": password_file})
    assert shop.asked[0][2]["authorization"] == "Basic am9lOnMzY3JldC93b3Jk"
    assert "am9lOnMz" not in repr(found)


def reason(document: dict[str, Any], answer: tuple[int, dict[str, str], str]) -> str:
    """Why the step `s` fails on *answer*."""
    with open_shop(Shop(answers={"/": answer})) as shop:
        found = walk({"steps": [{"name": "s", "url": "/", **document}]}, shop.url)
    return found.failure.reason if found.failure else ""


@pytest.mark.parametrize(
    ("document", "answer", "expected"),
    [
        ({}, (204, {}, ""), ""),
        ({}, (404, {}, ""), "status"),
        ({"status": [404]}, (404, {}, ""), ""),
        ({"max_redirects": 0, "status": [302]}, (302, {"Location": "/"}, ""), ""),
        ({}, (302, {"Location": "/"}, ""), "redirect"),
        ({}, (302, {"Location": "http://[::1"}, ""), "redirect"),
        ({}, (302, {"Location": "http://stranger.example/"}, ""), "redirect"),
        ({}, (302, {"Location": "ftp://127.0.0.1/"}, ""), "redirect"),
        ({}, (302, {"Location": "http://127.0.0.1:1/"}, ""), "redirect"),
        ({"capture": {"x": {"json": "$.x"}}}, (200, {}, "{}"), "capture"),
        ({"capture": {"x": {"json": "$.x"}}}, (200, {}, "<html>"), "capture"),
        ({"capture": {"x": {"json": "$.x", "number": True}}}, (200, {}, '{"x": "many"}'), "capture"),
        ({"capture": {"x": {"regex": "(.*)"}}}, (200, {}, "x" * 9000), "capture"),
        ({"capture": {"x": {"header": "X-No"}}}, (200, {}, ""), "capture"),
        ({"expect": [{"json": "$..x"}]}, (200, {}, '{"a":' * 500 + "1" + "}" * 500), "assertion"),
        ({"expect": [{"json": "$.a"}]}, (200, {}, "[" * 100_000), "assertion"),
        ({"expect": [{"json": "$.a"}]}, (200, {}, "1" * 5_000), "assertion"),
        ({"expect": [{"regex": "caf\ufffd"}]}, (200, {"Content-Type": "text/plain; charset=UTF-8"}, "caf\ufffd"), ""),
    ],
)
def test_walk_reason_of_a_step(
    document: dict[str, Any], answer: tuple[int, dict[str, str], str], expected: str
) -> None:
    """Each way to fail has its reason."""
    assert reason(document, answer) == expected


def test_walk_slow_step_fails_though_it_ends() -> None:
    """A step that takes longer than max_seconds has failed."""
    pause = threading.Event()

    def slowly(peer: socket.socket) -> None:
        pause.wait(0.12)
        peer.sendall(b"HTTP/1.1 200 OK\r\n\r\n")

    with raw_server(slowly) as url:
        found = walk({"steps": [{"name": "s", "url": "/", "max_seconds": 0.05}]}, url)
    assert found.failure is not None
    assert found.failure.reason == "slow"


def test_walk_timeout_holds_for_redirects_together() -> None:
    """A step's time is shared by its redirects."""
    pause = threading.Event()

    def slowly(peer: socket.socket) -> None:
        pause.wait(0.1)
        peer.sendall(b"HTTP/1.1 302 Found\r\nLocation: /\r\n\r\n")

    with raw_server(slowly) as url:
        found = walk({"steps": [{"name": "s", "url": "/", "max_redirects": 20, "timeout_seconds": 0.25}]}, url)
    assert found.failure is not None
    assert found.failure.reason == "timeout"


@pytest.mark.parametrize("header", ["a\\r\\nX-Injected: yes", "a\\u0000b"])
def test_walk_captured_line_break_never_becomes_a_header(header: str) -> None:
    """A captured value cannot begin a header of its own: the step fails before it asks."""
    steps = [
        {"name": "a", "url": "/", "capture": {"x": {"json": "$.x"}}},
        {"name": "b", "url": "/b", "headers": {"X-Token": "${x}"}},
    ]
    with open_shop(Shop(answers={"/": (200, {}, f'{{"x": "{header}"}}')})) as shop:
        found = walk({"steps": steps}, shop.url)
    assert found.failure is not None
    assert (found.failure.reason, len(shop.asked)) == ("variable", 1)


@pytest.mark.parametrize("value", ["/../admin", "//stranger.example", "@stranger.example/", "x?y#z", "\\r\\nHost: x"])
def test_walk_captured_value_stays_in_its_place_of_the_url(value: str) -> None:
    """A captured value is percent-encoded, so it neither leaves its place nor leads to another host."""
    steps = [
        {"name": "a", "url": "/", "capture": {"x": {"json": "$.x"}}},
        {"name": "b", "url": "/item/${x}", "status": [404]},
    ]
    with open_shop(Shop(answers={"/": (200, {}, f'{{"x": "{value}"}}')})) as shop:
        found = walk({"steps": steps}, shop.url)
    assert found.failure is None
    assert set(shop.asked[1][1].removeprefix("/item/")).isdisjoint("/?#@\r\n ")


def test_walk_unforeseen_error_fails_the_step(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A fault of our own is a failed run and a line in the log, not a run that goes on looking well."""

    def stumble(*_: object) -> None:
        raise ZeroDivisionError("with a secret")

    monkeypatch.setattr(Step, "check_status", stumble)
    with open_shop(Shop()) as shop:
        found = walk({"steps": [{"name": "a", "url": "/"}]}, shop.url)
    assert found.failure is not None
    assert (found.failure.reason, found.failure.detail) == ("error", "ZeroDivisionError: with a secret")
    assert "ZeroDivisionError" in caplog.text
    assert "with a secret" not in caplog.text


def test_walk_captured_dots_are_refused() -> None:
    """Two dots are a path whichever way they are encoded, so they are refused."""
    steps = [
        {"name": "a", "url": "/", "capture": {"x": {"json": "$.x"}}},
        {"name": "b", "url": "/item/${x}/edit"},
    ]
    with open_shop(Shop(answers={"/": (200, {}, '{"x": ".."}')})) as shop:
        found = walk({"steps": steps}, shop.url)
    assert found.failure is not None
    assert found.failure.reason == "variable"


def test_walk_credentials_stay_with_their_origin() -> None:
    """A redirect to another named host takes neither headers nor cookies along."""
    with open_shop(Shop()) as other, open_shop(Shop()) as shop:
        shop.answers["/"] = (302, {"Location": f"{other.url}/home", "Set-Cookie": "sid=12345678; Path=/"}, "")
        other.answers["/home"] = (200, {}, "")
        step = {"name": "a", "url": "/", "headers": {"X-Key": "k", "Authorization": "Bearer b", "Cookie": "own=1"}}
        found = walk({"steps": [step]}, shop.url, hosts=[other.url[7:]])
    assert found.failure is None
    assert not {"x-key", "authorization"} & set(other.asked[0][2])
    assert "own" not in other.asked[0][2].get("cookie", "")
    assert shop.asked[0][2]["authorization"] == "Bearer b"


def test_walk_body_is_not_sent_to_another_origin() -> None:
    """A 307 to another host would carry the form there: the step fails."""
    with open_shop(Shop()) as other, open_shop(Shop()) as shop:
        shop.answers["/"] = (307, {"Location": f"{other.url}/"}, "")
        step = {"name": "a", "url": "/", "method": "POST", "form": {"password": "x"}}
        found = walk({"steps": [step]}, shop.url, hosts=[other.url[7:]])
    assert found.failure is not None
    assert (found.failure.reason, other.asked) == ("redirect", [])


def test_walk_missing_secret_file_fails_the_first_step() -> None:
    """A secret that cannot be read is told with its file, and nothing is asked."""
    with open_shop(Shop()) as shop:
        found = walk({"steps": [{"name": "a", "url": "/"}]}, shop.url, secret_files={"p": "/nowhere/p"})
    assert found.failure is not None
    assert "/nowhere/p" in found.failure.detail
    assert shop.asked == []


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"steps": []}, "write 1 to 50"),
        ({"steps": [{"name": "a", "url": "/"}, {"name": "a", "url": "/"}]}, "two steps are named 'a'"),
        ({"steps": [{"name": "a", "url": "/${x}"}]}, r"uses \$\{x\}, which nothing before it sets"),
        ({"steps": [{"name": "a", "url": "/${"}]}, "without a name"),
        ({"steps": [{"name": "a", "url": "http://${host}/"}]}, "host is written out"),
        ({"steps": [{"name": "a", "url": "//host/x"}]}, "is no URL"),
        ({"steps": [{"name": "a", "url": "http://joe:x@host/"}]}, "write basic_auth instead"),
        ({"steps": [{"name": "a", "url": "/", "method": "get"}]}, "write e.g. GET"),
        ({"steps": [{"name": "a", "url": "/", "body": "x", "form": {"a": "b"}}]}, "at most one of body, form, json"),
        ({"steps": [{"name": "a", "url": "/", "headers": {"Content-Length": "1"}}]}, "cannot be set"),
        ({"steps": [{"name": "a", "url": "/", "headers": {"X": "a\nb"}}]}, "line break"),
        ({"steps": [{"name": "a", "url": "/", "capture": {"x": {}}}]}, "exactly one of json, regex, header"),
        ({"steps": [{"name": "a", "url": "/", "capture": {"x": {"json": "$.["}}}]}, "is no JSONPath"),
        ({"steps": [{"name": "a", "url": "/", "expect": [{"regex": "("}]}]}, "is no regular expression"),
        ({"steps": [{"name": "a", "url": "/", "expcet": []}]}, 'did you mean "expect"'),
    ],
)
def test_journey_refuses_what_cannot_work(document: dict[str, Any], message: str) -> None:
    """A mistake in a journey is found when the configuration is read."""
    with pytest.raises(config_file.ConfigInvalid, match=message):
        config_file.decode({"base_url": "http://h", **document}, Journey, "exporter.yml")
