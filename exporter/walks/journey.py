"""A journey: requests one after the other, each using what those before it were answered."""

import time
from collections.abc import Callable
from contextlib import suppress

import msgspec

from exporter.walks.client import Client
from exporter.walks.failures import DETAIL_CHARACTERS, Failure, StepResult, Walk, describe
from exporter.walks.findings import Capture, Rule, as_number
from exporter.walks.message import REASONS, Deadline, Reply, StepFailed, failure_of
from exporter.walks.plan import Plan, Seconds, check_names, check_needed, check_seconds, check_steps
from exporter.walks.request_rule import RequestRule, check_headers
from exporter.walks.secret_words import SecretWords
from exporter.walks.template import as_text, names
from exporter.walks.tls import TlsRule
from exporter.walks.visitor import Hosts, Visitor

DEFAULT_BODY_BYTES = 1024 * 1024


class Step(RequestRule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One request of a journey, and what its answer must be.

    Attributes:
        name: the label of its series.
        timeout_seconds: bounds the step with its redirects.
        expect: what must hold of the answer.
        capture: name -> value of the answer that later steps use as `${name}`.
        max_seconds: a step that takes longer has failed (reason `slow`), though it ends; 0 for no such limit.
    """

    name: str
    timeout_seconds: Seconds = 10.0
    expect: tuple[Rule, ...] = ()
    capture: dict[str, Capture] = msgspec.field(default_factory=dict)
    max_seconds: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        check_names(self.capture)
        check_seconds("max_seconds", self.max_seconds)


class Journey(Plan, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Steps over HTTP with one cookie jar.

    Attributes:
        steps: taken in their order, until one fails.
        headers: sent with every request.
        tls: how TLS is spoken.
        max_body_bytes: a larger answer fails its step.
    """

    steps: tuple[Step, ...]
    headers: dict[str, str] = msgspec.field(default_factory=dict)
    tls: TlsRule = TlsRule()
    max_body_bytes: int = DEFAULT_BODY_BYTES

    def __post_init__(self) -> None:
        super().__post_init__()
        check_headers(self.headers)
        check_steps(self.step_names())
        shared = {name for value in self.headers.values() for name in names(value)}
        known = self.known()
        for step in self.steps:
            check_needed(step.name, step.names() | shared, known)
            known |= set(step.capture)
        hosts_of(self)

    def step_names(self) -> tuple[str, ...]:
        """The names of the steps, in their order."""
        return tuple(step.name for step in self.steps)


def hosts_of(journey: Journey) -> Hosts:
    """The hosts that a journey may ask."""
    origins = [step.origin(journey.base_url) for step in journey.steps]
    return Hosts([journey.base_url, *origins], journey.hosts)


class HttpWalker:
    """Walks one journey; *monotonic* and *wall* are clocks in seconds."""

    reasons = REASONS

    def __init__(
        self,
        journey: Journey,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._journey = journey
        self._monotonic = monotonic
        self._wall = wall
        self._hosts = hosts_of(journey)
        self._client = Client(journey.tls, journey.max_body_bytes, monotonic)

    def walk(self, seconds: float) -> Walk:
        """Take the steps once, within *seconds* and the journey's own timeout."""
        run = _Run(self._journey, Visitor(self._client, self._hosts), self._monotonic, self._wall)
        started = self._monotonic()
        deadline = Deadline(min(seconds, self._journey.timeout_seconds), self._monotonic)
        for step in self._journey.steps:
            if not run.take(step, deadline):
                break
        return run.result(self._monotonic() - started)


class _Run:
    """One run: its variables, its cookies and what has happened so far."""

    def __init__(
        self, journey: Journey, visitor: Visitor, monotonic: Callable[[], float], wall: Callable[[], float]
    ) -> None:
        self._journey = journey
        self._visitor = visitor
        self._monotonic = monotonic
        self._wall = wall
        self._words = SecretWords()
        self._variables: dict[str, object] = dict(journey.variables)
        self._steps: list[StepResult] = []
        self._values: dict[str, float] = {}
        self._trace: list[str] = []
        self._failure: Failure | None = None

    def take(self, step: Step, deadline: Deadline) -> bool:
        """Take *step*; whether it succeeded."""
        started = self._monotonic()
        problem: StepFailed | None = None
        try:
            self._judge(step, self._ask(step, deadline), started)
        except Exception as error:  # noqa: BLE001 -- one of the four edges: one worker turn
            problem = failure_of(error)
        seconds = self._monotonic() - started
        self._steps.append(StepResult(step.name, problem is None, seconds))
        self._tell(step)
        if problem:
            self._fail(step, problem)
        return problem is None

    def result(self, seconds: float) -> Walk:
        """How the run ended."""
        trace = tuple(self._words.hide(line, DETAIL_CHARACTERS) for line in self._trace)
        return Walk(tuple(self._steps), seconds, self._values, self._failure, trace)

    def _ask(self, step: Step, deadline: Deadline) -> Reply:
        """The answer to the request of *step*."""
        self._visitor.exchanges = []
        if not self._steps:
            self._variables |= self._words.read(self._journey.secret_files)
        request = step.build(self._journey.base_url, self._variables, self._journey.headers)
        self._words.add_request(request)
        return self._visitor.visit(request, deadline.within(step.timeout_seconds), step.max_redirects)

    def _judge(self, step: Step, reply: Reply, started: float) -> None:
        """Let an answer pass that is as *step* wants it, and take its captures."""
        step.check_status(reply)
        for rule in step.expect:
            rule.check(reply)
        for name, capture in step.capture.items():
            value = capture.take(reply)
            self._variables[name] = value
            number = as_number(value) if capture.shown else None
            if number is not None:
                self._values[name] = number
        seconds = self._monotonic() - started
        if step.max_seconds and seconds > step.max_seconds:
            raise StepFailed("slow", f"the step took {seconds:.3f} s, more than {step.max_seconds:g} s (max_seconds)")

    def _tell(self, step: Step) -> None:
        """Write down what *step* asked and was answered, and hide what it brought from now on."""
        self._words.add_cookies(self._visitor.jar.values())
        for exchange in self._visitor.exchanges:
            reply = exchange.reply
            end = f"HTTP {reply.status}, {len(reply.body)} bytes in {reply.seconds:.3f} s" if reply else "no answer"
            self._trace.append(f"{step.name}: {exchange.request.method} {exchange.request.url}: {end}")
        last = self._visitor.last.reply if self._visitor.last else None
        for name, capture in step.capture.items():
            if capture.secret and last:
                with suppress(StepFailed):
                    self._words.add(as_text(capture.take(last)))
            elif self._steps[-1].success:
                self._trace.append(f"{step.name}: {name} = {as_text(self._variables[name])}")

    def _fail(self, step: Step, problem: StepFailed) -> None:
        """Keep why *step* failed, with the last request and its answer."""
        self._trace.append(f"{step.name}: failed, {problem.reason}: {problem.detail}")
        self._failure = describe(problem, self._steps[-1], self._visitor.last, self._words, self._wall())
