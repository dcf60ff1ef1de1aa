"""Journeys in a browser: planned and judged here, walked in a child process (`browser_child.py`)."""

import sys
import threading
import time
from base64 import b64decode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec

from exporter.walks.child import converse
from exporter.walks.failures import DETAIL_CHARACTERS, SNIPPET_CHARACTERS, Failure, StepResult, Walk, timestamp
from exporter.walks.message import Deadline, StepFailed
from exporter.walks.plan import Plan, Seconds, check_needed, check_seconds, check_steps
from exporter.walks.request_rule import check_url
from exporter.walks.secret_words import SecretWords
from exporter.walks.template import fill, in_url, names
from exporter.walks.visitor import Hosts

#: Why a browser's step fails.
BROWSER_REASONS = ("timeout", "navigation", "element", "assertion", "slow", "variable", "browser", "error")
PROGRAM = Path(__file__).with_name("browser_child.py")
MISSING = "playwright is not installed for {python}: pip install nightshift[browser]"
#: Browsers at one time: each takes some hundred megabytes and all of a processor.
_BROWSERS = threading.BoundedSemaphore(1)


class BrowserRule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The browser.

    Attributes:
        executable: Chromium's path, e.g. /usr/bin/chromium; empty for the one that playwright has downloaded.
        python: an interpreter with playwright; empty for the exporter's own.
        sandbox: false switches Chromium's sandbox off, which it needs in containers and for root.
    """

    executable: str = ""
    python: str = ""
    sandbox: bool = True


class BrowserStep(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is done on a page, in this order. Texts may hold variables as `${name}`.

    Attributes:
        name: the label of its series.
        goto: a URL or a path below the base_url.
        fill: selector of a field -> what is typed into it.
        click: the selector of what is clicked.
        expect_selector: something on the page must match it.
        expect_text: the page must show it.
        timeout_seconds: bounds the step.
        max_seconds: a step that takes longer has failed (reason `slow`), though it ends; 0 for no such limit.
    """

    name: str
    goto: str = ""
    fill: dict[str, str] = {}
    click: str = ""
    expect_selector: str = ""
    expect_text: str = ""
    timeout_seconds: Seconds = 10.0
    max_seconds: float = 0.0

    def __post_init__(self) -> None:
        if not (self.goto or self.fill or self.click or self.expect_selector or self.expect_text):
            raise ValueError("give at least one of goto, fill, click, expect_selector, expect_text")
        if self.goto:
            check_url(self.goto)
        check_seconds("max_seconds", self.max_seconds)
        self.names()

    def names(self) -> set[str]:
        """The names of the variables that the step needs.

        Raises:
            ValueError: a `${` opens no name.
        """
        return {name for text in (self.goto, self.expect_text, *self.fill.values()) for name in names(text)}


class BrowserJourney(Plan, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Steps in one page of a fresh browser; requests to hosts that are not named are blocked.

    Attributes:
        steps: taken in their order, until one fails.
    """

    steps: tuple[BrowserStep, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        check_steps(self.step_names())
        for step in self.steps:
            check_needed(step.name, step.names(), self.known())
        hosts_of(self)

    def step_names(self) -> tuple[str, ...]:
        """The names of the steps, in their order."""
        return tuple(step.name for step in self.steps)


def hosts_of(journey: BrowserJourney) -> Hosts:
    """The hosts that the browser may ask."""
    absolute = [step.goto for step in journey.steps if step.goto and not step.goto.startswith("/")]
    return Hosts([journey.base_url, *absolute], journey.hosts)


class BrowserWalker:
    """Walks one journey in a child process; *monotonic* and *wall* are clocks in seconds."""

    reasons = BROWSER_REASONS

    def __init__(
        self,
        journey: BrowserJourney,
        rule: BrowserRule,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._journey = journey
        self._python = rule.python or sys.executable
        self._rule = rule
        self._monotonic = monotonic
        self._wall = wall

    def walk(self, seconds: float) -> Walk:
        """Take the steps once, within *seconds* and the journey's own timeout."""
        words = SecretWords()
        seconds = min(seconds, self._journey.timeout_seconds)
        started = self._monotonic()
        try:
            answer = self._ask(self._order(words, seconds), seconds)
        except StepFailed as problem:
            first = StepResult(self._journey.steps[0].name, success=False, seconds=self._monotonic() - started)
            return self._failed((first,), {"reason": problem.reason, "detail": problem.detail}, words)
        steps = tuple(StepResult(**step) for step in answer["steps"])
        if answer["failure"]:
            return self._failed(steps, answer["failure"], words, b64decode(answer["screenshot"]))
        trace = tuple(f"{step.name}: done in {step.seconds:.3f} s" for step in steps)
        return Walk(steps, sum(step.seconds for step in steps), {}, None, trace)

    def _order(self, words: SecretWords, seconds: float) -> dict[str, Any]:
        """What the child is told.

        Raises:
            StepFailed: a secret file cannot be used.
        """
        variables = {**self._journey.variables, **words.read(self._journey.secret_files)}
        steps = []
        for step in self._journey.steps:
            url = fill(step.goto, variables, in_url)
            told = msgspec.structs.asdict(step) | {
                "goto": self._journey.base_url.rstrip("/") + url if url.startswith("/") else url,
                "fill": {selector: fill(value, variables) for selector, value in step.fill.items()},
                "expect_text": fill(step.expect_text, variables),
            }
            steps.append(told)
        return {
            "steps": steps,
            "hosts": hosts_of(self._journey).names,
            "allowed": sorted(hosts_of(self._journey).allowed),
            "secrets": words.spellings(),
            "executable": self._rule.executable,
            "sandbox": self._rule.sandbox,
            "seconds": seconds,
        }

    def _ask(self, order: dict[str, Any], seconds: float) -> dict[str, Any]:
        """What the child answers.

        Raises:
            StepFailed: nothing usable, with what to do about it.
        """
        if not _BROWSERS.acquire(timeout=seconds):
            raise StepFailed("browser", "another browser was busy for all of the time; lengthen interval_seconds")
        try:
            deadline = Deadline(seconds, self._monotonic)
            line = converse([self._python, "-I", str(PROGRAM)], msgspec.json.encode(order), deadline)
            answer: dict[str, Any] = msgspec.json.decode(line or b'{"problem": "it ended without a word"}')
        except TimeoutError:
            raise StepFailed("timeout", f"the browser was not done within {seconds:g} s and was ended") from None
        except (OSError, ValueError) as error:
            raise StepFailed("browser", f"{self._python}: {error}") from error
        finally:
            _BROWSERS.release()
        if "missing" in answer:
            raise StepFailed("browser", MISSING.format(python=self._python))
        if "problem" in answer:
            hint = "; check browser.executable, and browser.sandbox in a container or for root"
            raise StepFailed("browser", f"the browser cannot be used: {answer['problem']}{hint}")
        return answer

    def _failed(
        self, steps: tuple[StepResult, ...], told: dict[str, Any], words: SecretWords, screenshot: bytes = b""
    ) -> Walk:
        """A walk that ended at the last of *steps* for the reason that was *told*."""
        last = steps[-1]
        reason = told["reason"] if told["reason"] in BROWSER_REASONS else "error"
        blocked = f"\nblocked hosts: {', '.join(told['blocked'])}" if told.get("blocked") else ""
        failure = Failure(
            time=timestamp(self._wall()),
            step=last.name,
            reason=reason,
            detail=words.hide(told["detail"], DETAIL_CHARACTERS),
            seconds=last.seconds,
            request=words.hide(f"{told.get('url', '')}{blocked}", SNIPPET_CHARACTERS),
            response=words.hide(told.get("text", ""), SNIPPET_CHARACTERS),
        )
        done = [f"{step.name}: done in {step.seconds:.3f} s" for step in steps[:-1]]
        trace = (*done, f"{last.name}: failed, {reason}: {failure.detail}")
        return Walk(steps, sum(step.seconds for step in steps), {}, failure, trace, screenshot)
