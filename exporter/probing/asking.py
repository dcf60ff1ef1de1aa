"""`/probe?target=&module=`: one probe for whoever asks, answered as blackbox_exporter answers.

The probe runs in the thread of the request, with an engine of its own: to hand it to the schedule's thread and back
would cost more than the probe. Places are few, so that slow targets cannot take every thread of the server.
"""

import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

import yaml

from exporter.answers import Answer, text_answer
from exporter.exposition import TEXT, Format, negotiate, render
from exporter.families import Family
from exporter.probing import blackbox_metrics
from exporter.probing.attempt import Attempt
from exporter.probing.engine import Loop
from exporter.probing.failures import shown
from exporter.probing.modules import Module
from exporter.probing.resolving import Resolver
from exporter.probing.run import Plan, Run
from exporter.probing.settings import seconds

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

#: Told of every run that is over: its target, module name, module and record.
Listener = Callable[[str, str, Module, Attempt], None]

DEFAULT_MODULE = "http_2xx"
_MAX_TARGET = 8192
_MAX_FIELDS = 20
_KEPT_QUESTIONS = 2048
#: Longer queries are not kept, and longer texts neither: anybody may ask, and a target may show anything.
_KEPT_QUERY = 512
_KEPT_TEXT = 16 * 1024
_MARK = "\x01"
_templates: dict[tuple[bool, tuple[str, ...]], str] = {}


BUSY = text_answer("503 Service Unavailable", "As many probes as may run at once are running.")


@dataclass(frozen=True, slots=True)
class Question:
    """A probe that is asked for: its target, module, plan and the module's time limit (0: none), and how to answer."""

    target: str
    name: str
    module: Module
    plan: Plan
    timeout: float
    debug: bool


class Asking:
    """Answers `/probe`.

    Attributes:
        modules: by name.
        allowed: patterns of which a target must match one as a whole; none allow every target.
        places: how many run at once; who comes beyond that is answered 503.
    """

    def __init__(
        self,
        modules: Mapping[str, Module],
        resolver: Resolver,
        allowed: Sequence[str],
        places: int,
        listener: Listener,
    ) -> None:
        self.modules = modules
        self._resolver = resolver
        self._allowed = [re.compile(pattern) for pattern in allowed]
        self._places = threading.BoundedSemaphore(places)
        self._listener = listener
        self._kept = lru_cache(maxsize=_KEPT_QUESTIONS)(self._understand)

    def answer(self, environ: "WSGIEnvironment", longest: float) -> Answer:
        """The metrics of one probe of at most *longest* seconds; with `debug=true` everything that happened."""
        question = self.question(environ.get("QUERY_STRING", ""))
        if isinstance(question, Answer):
            return question
        if not self._places.acquire(blocking=False):
            return BUSY
        try:
            attempt = self._run(question, longest)
        finally:
            self._places.release()
        return self.shown(question, attempt, environ.get("HTTP_ACCEPT", ""))

    def question(self, query: str) -> Question | Answer:
        """What a query string asks for; an answer where that cannot be done. Prometheus asks for the same for ever."""
        return self._kept(query) if len(query) <= _KEPT_QUERY else self._understand(query)

    def _understand(self, query: str) -> Question | Answer:
        try:
            asked = parse_qs(query, max_num_fields=_MAX_FIELDS)
        except ValueError:
            return text_answer("400 Bad Request", f"The query has more fields than {_MAX_FIELDS}.")
        target, name = asked.get("target", [""])[0], asked.get("module", [DEFAULT_MODULE])[0]
        module = self.modules.get(name)
        if module is None:
            return text_answer("400 Bad Request", f"Unknown module. Known: {', '.join(sorted(self.modules))}.")
        if not target or len(target) > _MAX_TARGET:
            return text_answer("400 Bad Request", "Say what to probe: /probe?target=...&module=...")
        if not self.allows(target):
            return text_answer("403 Forbidden", "allow_targets does not allow this target.")
        try:
            if hostname := asked.get("hostname", [""])[0]:
                module = module.asked_as(hostname)
            plan = module.plan(target)
        except ValueError as error:
            return text_answer("400 Bad Request", f"The target cannot be probed: {error}.")
        debug = asked.get("debug", [""])[0] == "true"
        return Question(target, name, module, plan, seconds(module.timeout), debug)

    def start(self, loop: Loop, question: Question, longest: float, done: Callable[[Attempt], None]) -> None:
        """Begin the probe in *loop*, for *longest* seconds at the most; *done* is given its record."""
        run = Run(loop, self._resolver, self.allows)

        def ended(error: BaseException | None) -> None:
            run.attempt.finish(loop.now(), error)
            done(run.attempt)

        limit = min(longest, question.timeout or longest)
        loop.start(question.plan(run), run.attempt.began + limit, ended)

    def shown(self, question: Question, attempt: Attempt, accept: str) -> Answer:
        """The answer to *question*, whose probe is over; whoever keeps failures is told."""
        self._listener(question.target, question.name, question.module, attempt)
        if question.debug:
            return text_answer("200 OK", debug_text(question.module, attempt))
        form = negotiate(accept)
        headers = (("Content-Type", form.content_type), ("Vary", "Accept"))
        return Answer("200 OK", _rendered(families(question.module, attempt), form), headers)

    def allows(self, target: str) -> bool:
        """Whether *target* may be probed for whoever asks."""
        return not self._allowed or any(pattern.fullmatch(target) for pattern in self._allowed)

    def _run(self, question: Question, longest: float) -> Attempt:
        """Run the probe in an engine of its own."""
        loop = Loop()
        over: list[Attempt] = []
        try:
            self.start(loop, question, longest, over.append)
            while not over:
                loop.turn(1.0)
        finally:
            loop.close()
        return over[0]


def families(module: Module, attempt: Attempt) -> list[Family]:
    """The metrics of a run, by blackbox_exporter's names."""
    return [*blackbox_metrics.families(attempt), *module.kind.families(attempt)]


def _rendered(found: Sequence[Family], form: Format) -> bytes:
    """The exposition of *found*; its text is kept without its values, as it is the same at every probe of a target."""
    names: list[str] = []
    values: list[float] = []
    for family in found:
        names += family.samples
        values += family.samples.values()
    key = (form.openmetrics, tuple(names))
    template = _templates.get(key)
    if template is None:
        text = render([_with_marks(family) for family in found], form).decode()
        template = text.replace("%", "%%").replace(_MARK, "%s")
        if len(_templates) >= _KEPT_QUESTIONS:
            _templates.clear()
        if len(template) <= _KEPT_TEXT:
            _templates[key] = template
    return (template % tuple(values)).encode()


def _with_marks(family: Family) -> Family:
    """*family* with marks for its values."""
    marked = Family(family.metric)
    marked.samples = dict.fromkeys(family.samples, _Mark())
    return marked


class _Mark(float):
    """A number that is written as a mark, which no label can have: a control character."""

    def __str__(self) -> str:
        return _MARK


def debug_text(module: Module, attempt: Attempt) -> str:
    """Everything that happened with its times, the beginning of the response, the metrics, the module."""
    outcome = "succeeded" if attempt.ok else f"failed at step {attempt.step} ({attempt.step_name}): {attempt.reason}"
    phases = "".join(f"{name:>12} {spent * 1000:9.3f} ms\n" for name, spent in attempt.phases.items())
    parts = {
        "Steps": "\n".join(attempt.lines()),
        "Phases": phases.rstrip("\n"),
        "Response": attempt.snippet.decode("utf-8", "replace") or "none",
        "Metrics": render(families(module, attempt), TEXT).decode(),
        "Module": yaml.safe_dump(module.shown(), sort_keys=False),
    }
    when = time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime())
    text = "".join(f"\n{title}:\n{body}\n" for title, body in parts.items())
    return shown(f"Probe {outcome}, {attempt.duration * 1000:.3f} ms, {when}\n{text}", module.secrets())
