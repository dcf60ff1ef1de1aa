"""Walks one journey in Chromium and prints how it went, as one line of JSON. Run as a program, never imported.

    python -I browser_child.py < journey.json

It is a process of its own because playwright takes 20 MB and a browser some hundred, which end with it. It needs
nothing of this project: its interpreter may be one where only playwright is installed.
"""

import base64
import ctypes
import json
import signal
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

try:
    from playwright.sync_api import Error, sync_playwright
    from playwright.sync_api import TimeoutError as Late
except ImportError:
    sync_playwright = None
    Error = Late = Exception

_SUBREAPER = 36
_PARENT_DEATH_SIGNAL = 1
_MAX_SCREENSHOT_BYTES = 256 * 1024
_MAX_TEXT = 4096
_MAX_BLOCKED = 20


class StepFailed(Exception):
    """A step did not do what it should."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def main() -> None:
    """Read the order, walk, print."""
    order = json.load(sys.stdin)
    libc = ctypes.CDLL(None)
    libc.prctl(_SUBREAPER, 1)
    libc.prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL)
    signal.alarm(int(order["seconds"]) + 5)
    if sync_playwright is None:
        answer: dict[str, Any] = {"missing": True}
    else:
        try:
            answer = walk(order)
        except Error as error:
            answer = {"problem": str(error)[:_MAX_TEXT]}
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def walk(order: dict[str, Any]) -> dict[str, Any]:
    """The journey in a fresh browser without history, cache or cookies."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=order["executable"] or None,
            chromium_sandbox=order["sandbox"],
            args=list(arguments(order["hosts"])),
        )
        try:
            context = browser.new_context(service_workers="block", accept_downloads=False)
            return Visit(order, context).walk()
        finally:
            browser.close()


def arguments(hosts: list[str]) -> Iterator[str]:
    """Flags that keep the browser from asking any host but *hosts*, whatever a page does."""
    kept = "".join(f", EXCLUDE {host}" for host in hosts)
    yield f"--host-resolver-rules=MAP * ~NOTFOUND{kept}"
    yield "--disable-background-networking"
    yield "--disable-component-update"
    yield "--force-webrtc-ip-handling-policy=disable_non_proxied_udp"


class Visit:
    """One run of the steps in one page."""

    def __init__(self, order: dict[str, Any], context: Any) -> None:  # noqa: ANN401 -- playwright has no types here
        self._order = order
        self._blocked: list[str] = []
        self._filled: set[str] = set()
        self._steps: list[dict[str, Any]] = []
        self._actions: dict[str, Callable[[Any, int], None]] = {
            "goto": self._goto,
            "fill": self._fill,
            "click": self._click,
            "expect_selector": self._expect_selector,
            "expect_text": self._expect_text,
        }
        context.route("**/*", self._guard)
        self._page = context.new_page()

    def walk(self) -> dict[str, Any]:
        """Take the steps until one fails."""
        failure, screenshot = None, ""
        for step in self._order["steps"]:
            failure = self._take(step)
            if failure:
                failure |= {"url": self._page.url, "text": self._text(), "blocked": self._blocked}
                screenshot = self._screenshot()
                break
        return {"steps": self._steps, "failure": failure, "screenshot": screenshot}

    def _take(self, step: dict[str, Any]) -> dict[str, Any] | None:
        """Do what *step* says; why it failed."""
        started = time.monotonic()
        failure = None
        try:
            for action, act in self._actions.items():
                left = step["timeout_seconds"] - (time.monotonic() - started)
                if step.get(action):
                    act(step[action], max(1, int(left * 1000)))
        except (StepFailed, Error) as error:
            reason = (
                error.reason if isinstance(error, StepFailed) else "timeout" if isinstance(error, Late) else "element"
            )
            failure = {"step": step["name"], "reason": reason, "detail": str(error)[:_MAX_TEXT]}
        seconds = time.monotonic() - started
        if failure is None and step["max_seconds"] and seconds > step["max_seconds"]:
            detail = f"the step took {seconds:.3f} s, more than {step['max_seconds']:g} s (max_seconds)"
            failure = {"step": step["name"], "reason": "slow", "detail": detail}
        self._steps.append({"name": step["name"], "success": failure is None, "seconds": seconds})
        return failure

    def _goto(self, url: str, timeout: int) -> None:
        try:
            response = self._page.goto(url, timeout=timeout)
        except Late:
            raise
        except Error as error:
            raise StepFailed("navigation", str(error)) from error
        if response is not None and response.status >= 400:
            raise StepFailed("navigation", f"{url}: HTTP {response.status}")

    def _fill(self, fields: dict[str, str], timeout: int) -> None:
        for selector, value in fields.items():
            self._filled.add(selector)
            self._page.fill(selector, value, timeout=timeout)

    def _click(self, selector: str, timeout: int) -> None:
        self._page.click(selector, timeout=timeout)

    def _expect_selector(self, selector: str, timeout: int) -> None:
        try:
            self._page.wait_for_selector(selector, timeout=timeout)
        except Late:
            raise StepFailed("assertion", f"nothing on the page matches {selector!r}") from None

    def _expect_text(self, text: str, timeout: int) -> None:
        try:
            self._page.get_by_text(text).first.wait_for(timeout=timeout)
        except Late:
            raise StepFailed("assertion", f"the page does not show {text!r}") from None

    def _guard(self, route: Any) -> None:  # noqa: ANN401 -- as above
        """Let requests to named hosts pass, and those that ask no host at all."""
        parts = urlsplit(route.request.url)
        host, scheme = parts.hostname or "", parts.scheme
        port = parts.port or (443 if scheme == "https" else 80)
        asks_nobody = scheme in ("data", "blob", "about")
        if asks_nobody or (scheme in ("http", "https") and [host, port] in self._order["allowed"]):
            route.continue_()
            return
        if host not in self._blocked and len(self._blocked) < _MAX_BLOCKED:
            self._blocked.append(host)
        route.abort("blockedbyclient")

    def _text(self) -> str:
        """The text that the page shows."""
        try:
            return str(self._page.inner_text("body", timeout=1000))
        except Error:
            return ""

    def _screenshot(self) -> str:
        """The page as JPEG in base64, filled fields covered; none where it shows a secret."""
        if any(word in self._text() for word in self._order["secrets"]):
            return ""
        covered = [self._page.locator(selector) for selector in self._filled]
        try:
            image = self._page.screenshot(type="jpeg", quality=40, timeout=3000, mask=covered)
        except Error:
            return ""
        return base64.b64encode(image).decode() if len(image) <= _MAX_SCREENSHOT_BYTES else ""


if __name__ == "__main__":
    main()
