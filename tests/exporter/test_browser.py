import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from exporter.walks.browser import BrowserJourney, BrowserRule, BrowserWalker
from exporter.walks.failures import Walk
from tests.exporter.walk_doubles import Shop, open_shop

CACHE = Path(__file__).parents[2] / ".cache" / "browser"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
HOME = """<h1>The Shop</h1><form action="/found"><input id="q" name="q"><input id="p" type="password" name="p">
<button id="go">Go</button></form>"""
STEP = {"name": "home", "goto": "/"}
Fake = Callable[[str], str]


def journey(url: str, *steps: dict[str, Any], **more: object) -> BrowserJourney:
    """A journey below *url*."""
    return msgspec.convert({"base_url": url, "steps": list(steps), **more}, BrowserJourney)


def html(text: str, status: int = 200, **headers: str) -> tuple[int, dict[str, str], str]:
    """An answer of the shop."""
    return status, {"Content-Type": "text/html", **headers}, text


@pytest.fixture
def fake(tmp_path: Path) -> Fake:
    """Writes an interpreter that answers with a text, whatever it is told to run."""

    def write(answer: str) -> str:
        path = tmp_path / "python"
        path.write_text(f"#!/bin/sh\ncat > {tmp_path}/order\ncat <<'END'\n{answer}\nEND\n")
        path.chmod(0o755)
        return str(path)

    return write


def failure_of(answer: str, fake: Fake) -> tuple[str, str]:
    """Reason and detail of a walk whose child gives *answer*."""
    found = BrowserWalker(journey("http://h", STEP), BrowserRule(python=fake(answer))).walk(20).failure
    assert found is not None
    return found.reason, found.detail


def test_walk_without_playwright_says_what_to_install(fake: Fake) -> None:
    """Without the extra the failure is its own remedy."""
    reason, detail = failure_of('{"missing": true}', fake)
    assert reason == "browser"
    assert "pip install nightshift[browser]" in detail


@pytest.mark.skipif(importlib.util.find_spec("playwright") is not None, reason="playwright is installed here")
def test_child_without_playwright_says_so() -> None:
    """The real child, run by an interpreter without playwright, answers instead of failing."""
    found = BrowserWalker(journey("http://h", STEP), BrowserRule()).walk(20).failure
    assert found is not None
    assert "pip install nightshift[browser]" in found.detail


@pytest.mark.parametrize(
    ("answer", "detail"),
    [('{"problem": "no display"}', "no display"), ("", "ended without a word"), ("{nonsense", "malformed")],
)
def test_walk_unusable_browser_is_told(fake: Fake, answer: str, detail: str) -> None:
    """What the child says, or that it said nothing usable, is the reason of the first step."""
    reason, told = failure_of(answer, fake)
    assert reason == "browser"
    assert detail in told


def test_walk_unknown_reason_becomes_error(fake: Fake) -> None:
    """Only the fixed reasons become labels."""
    answer = {
        "steps": [{"name": "home", "success": False, "seconds": 1.0}],
        "failure": {"step": "home", "reason": "surprise", "detail": "?"},
        "screenshot": "",
    }
    assert failure_of(json.dumps(answer), fake)[0] == "error"


def test_order_holds_filled_steps_and_hosts(fake: Fake, tmp_path: Path) -> None:
    """The child is told ready texts: URLs encoded, fields as they are."""
    steps = [{"name": "a", "goto": "/s?q=${term}", "fill": {"#q": "${term}"}}]
    plan = journey("http://h:81/app", *steps, variables={"term": "a b&c"}, hosts=["cdn"])
    BrowserWalker(plan, BrowserRule(python=fake('{"missing": true}'))).walk(20)
    order = json.loads((tmp_path / "order").read_text())
    assert order["steps"][0]["goto"] == "http://h:81/app/s?q=a%20b%26c"
    assert order["steps"][0]["fill"] == {"#q": "a b&c"}
    assert order["hosts"] == ["cdn", "h"]


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({"name": "a"}, "at least one of goto"),
        ({"name": "a", "goto": "file:///etc/passwd"}, "is no URL"),
        ({"name": "a", "fill": {"#q": "${x}"}}, "nothing before it sets"),
    ],
)
def test_journey_refuses_what_cannot_work(step: dict[str, Any], message: str) -> None:
    """A mistake is found when the configuration is read."""
    with pytest.raises(msgspec.ValidationError, match=message):
        journey("http://h", step)


@pytest.fixture(scope="session")
def browser() -> BrowserRule:
    """A real Chromium and an interpreter with playwright, which is installed below .cache where there is none."""
    if not CHROMIUM:
        pytest.skip("no chromium on PATH: apt install chromium")
    python = sys.executable
    if importlib.util.find_spec("playwright") is None:
        python = str(CACHE / "bin" / "python")
        commands = ([sys.executable, "-m", "venv", str(CACHE)], [python, "-m", "pip", "install", "-q", "playwright"])
        for command in () if (CACHE / "ready").exists() else commands:
            if subprocess.run(command, capture_output=True, timeout=300, check=False).returncode:
                pytest.skip("playwright is not installed and cannot be: pip install nightshift[browser]")
        (CACHE / "ready").touch()
    return BrowserRule(executable=CHROMIUM, python=python, sandbox=os.geteuid() != 0)


@pytest.fixture
def shop() -> Iterator[Shop]:
    """An open shop with a form."""
    answers = {"/": html(HOME), "/found": html("<p>2 results</p>"), "/favicon.ico": html("")}
    with open_shop(Shop(answers=answers)) as place:
        yield place


def walk(browser: BrowserRule, shop: Shop, *steps: dict[str, Any], **more: object) -> Walk:
    """One run in the real browser."""
    return BrowserWalker(journey(shop.url, *steps, **more), browser).walk(60)


@pytest.mark.acceptance
def test_walk_fills_clicks_and_reads(browser: BrowserRule, shop: Shop) -> None:
    """A search by hand, as a person does it."""
    steps = (
        {"name": "home", "goto": "/", "expect_text": "the shop"},
        {"name": "search", "fill": {"#q": "${term}"}, "click": "#go", "expect_text": "2 results"},
    )
    found = walk(browser, shop, *steps, variables={"term": "a&b"})
    assert found.failure is None
    assert [(step.name, step.success) for step in found.steps] == [("home", True), ("search", True)]
    assert "/found?q=a%26b&p=" in [path for _, path, _, _ in shop.asked]


@pytest.mark.acceptance
def test_walk_failure_has_a_picture_and_the_text(browser: BrowserRule, shop: Shop) -> None:
    """What the browser saw is kept, small, with the page's text and who was blocked."""
    shop.answers["/"] = html('<h1>Sorry</h1><img src="http://tracker.example/x.png">')
    found = walk(browser, shop, STEP | {"expect_text": "welcome", "timeout_seconds": 1})
    assert found.failure is not None
    assert (found.failure.reason, found.failure.response) == ("assertion", "Sorry")
    assert "blocked hosts: tracker.example" in found.failure.request
    assert found.screenshot[:2] == b"\xff\xd8"
    assert len(found.screenshot) <= 256 * 1024


@pytest.mark.acceptance
def test_walk_shows_no_secret_and_no_picture_of_one(browser: BrowserRule, shop: Shop, tmp_path: Path) -> None:
    """A page that shows the password is not photographed, and its text is kept without it."""
    secret = tmp_path / "password"
    secret.write_text("hunter22")
    secret.chmod(0o600)
    shop.answers["/found"] = html("<p>unknown user hunter22</p>")
    steps = (STEP, {"name": "login", "fill": {"#p": "${p}"}, "click": "#go", "expect_text": "x", "timeout_seconds": 1})
    found = walk(browser, shop, *steps, secret_files={"p": str(secret)})
    assert found.failure is not None
    assert found.failure.response == "unknown user <redacted>"
    assert "hunter22" not in repr(found)
    assert found.screenshot == b""


@pytest.mark.acceptance
@pytest.mark.parametrize("host", ["localhost", "127.0.0.2"])
def test_walk_redirect_to_a_stranger_is_not_followed(browser: BrowserRule, shop: Shop, host: str) -> None:
    """A host that is not named cannot be reached, also not by a redirect, which pages need not ask for."""
    shop.answers["/"] = html("", 302, Location=shop.url.replace("127.0.0.1", host) + "/found")
    found = walk(browser, shop, STEP)
    assert found.failure is not None
    assert found.failure.reason == "navigation"
    assert "/found" not in [path for _, path, _, _ in shop.asked]


@pytest.mark.acceptance
@pytest.mark.parametrize(
    ("step", "reason"),
    [
        ({"goto": "/broken"}, "navigation"),
        ({"goto": "/", "click": "#nowhere", "timeout_seconds": 0.5}, "timeout"),
        ({"goto": "/", "expect_selector": "#nowhere", "timeout_seconds": 3}, "assertion"),
        ({"goto": "/", "max_seconds": 0.05, "expect_text": "shop"}, "slow"),
    ],
)
def test_walk_reason_of_a_step(browser: BrowserRule, shop: Shop, step: dict[str, Any], reason: str) -> None:
    """Each way to fail has its reason."""
    shop.broken = "/broken"
    found = walk(browser, shop, {"name": "s", **step})
    assert found.failure is not None
    assert found.failure.reason == reason
