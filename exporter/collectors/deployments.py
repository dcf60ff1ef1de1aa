"""Which version of what runs since when: from git checkouts, release files, and `POST /deployments`.

`GET /deployments` lists the last changes, the newest first. What is configured is looked at in the background; what
is posted survives a restart in a state file.
"""

import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar
from urllib.parse import parse_qs

import msgspec

from chassis.logs import event
from chassis.secret_files import SecretUnusable
from exporter.answers import Answer, Refused, Route, json_answer, text_answer
from exporter.collector import CollectorConfig, collector
from exporter.errors import CollectorError, ConfigError, SourceMalformed
from exporter.families import Family, Metric
from exporter.push import Bearer, read_body
from exporter.sampler import Sampler, Source
from exporter.sources.deploy_file import VERSION, Release, parse_time, read_release
from exporter.sources.deploy_history import Deployment, History
from exporter.sources.git_commit import Checkout, GitCommit
from exporter.state import KeepsState, state_file

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIEnvironment

log = logging.getLogger(__name__)

_SERVICE = ("service",)
INFO = Metric("nightshift_deploy_info", "info", "What runs.", ["service", "version", "commit"])
TIMESTAMP = Metric(
    "nightshift_deploy_timestamp_seconds", "gauge", "Unix time in seconds of the last deployment.", _SERVICE
)
DEPLOYS = Metric("nightshift_deploys_total", "counter", "Deployments that were seen or reported.", _SERVICE)
READABLE = Metric(
    "nightshift_deploy_readable", "gauge", "1 if the service's checkout or release file can be read.", _SERVICE
)

PATH = "/deployments"
MAX_BODY_BYTES = 16 * 1024
#: Seconds that the clock of whoever reports may be ahead.
_AHEAD_SECONDS = 3600.0

_Name = Annotated[str, msgspec.Meta(pattern=r"\A[A-Za-z0-9][A-Za-z0-9_.-]{0,63}\Z")]
_Version = Annotated[str, msgspec.Meta(pattern=rf"\A{VERSION}\Z")]
_Commit = Annotated[str, msgspec.Meta(pattern=r"\A([0-9a-f]{7,64})?\Z")]


class Posted(msgspec.Struct, frozen=True):
    """The body of `POST /deployments`; *time* is Unix seconds or ISO 8601, now where it is missing."""

    service: _Name
    version: _Version
    commit: _Commit = ""
    environment: _Name | None = None
    time: float | str | None = None


class Target(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the version of a service is read.

    Attributes:
        git: a git checkout or repository on this machine.
        file: a release file: JSON, YAML, `KEY=VALUE` lines, or only a version.
        interval_seconds: between two looks.
    """

    git: str = ""
    file: str = ""
    interval_seconds: Annotated[float, msgspec.Meta(ge=0.05, le=3600)] = 10.0

    def __post_init__(self) -> None:
        if bool(self.git) == bool(self.file):
            raise ValueError("give git or file")


class Config(KeepsState, frozen=True):
    """Whose deployments are shown.

    Attributes:
        services: name -> where its version is read.
        token_file: holds the token that `POST /deployments` needs; without it nobody may post.
        environment: only deployments to this environment are what runs; empty for all.
        max_services: further services that are posted are refused.
        keep: changes that `GET /deployments` lists.
    """

    services: dict[str, Target] = msgspec.field(default_factory=dict)
    token_file: str = ""
    environment: str = ""
    max_services: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100
    keep: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 100

    def __post_init__(self) -> None:
        for service in self.services:
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", service):
                raise ValueError(f"{service!r} is no name: use letters, digits, _ . and -, up to 64")


@collector("deployments")
class Deployments:
    """Shows what runs, and answers `/deployments`; *wall* is the clock, in seconds."""

    config: ClassVar[type[CollectorConfig]] = Config
    metrics: ClassVar[tuple[Metric, ...]] = (INFO, TIMESTAMP, DEPLOYS, READABLE)
    paths: ClassVar[tuple[str, ...]] = (PATH,)

    def __init__(self, config: Config, wall: Callable[[], float] = time.time) -> None:
        self._config = config
        self._wall = wall
        try:
            self._bearer = Bearer(config.token_file)
        except SecretUnusable as error:
            raise ConfigError(f"token_file: {error}") from error
        self._history = History(state_file(config, "deployments.json"), config.keep, config.max_services)
        self._history.forget(self._still_shown)
        self._sampler = Sampler()
        self._looks = {name: self._look(name, target) for name, target in sorted(config.services.items())}

    def routes(self) -> Mapping[str, Route]:
        """`/deployments`, for those who report and those who read."""
        return {PATH: Route(self._answer, ("GET", "HEAD", "POST"), "Deployments")}

    def collect(self) -> Iterator[Family]:
        """What runs at this moment; the first scrape waits for the first look."""
        self._sampler.settle()
        info, since, deploys, readable = (Family(metric) for metric in self.metrics)
        for one in self._history.current():
            info.add(1, one.service, one.version, one.commit)
            since.add(one.time, one.service)
        for service, count in (dict.fromkeys(self._config.services, 0) | self._history.counts()).items():
            deploys.add(count, service)
        for service, look in self._looks.items():
            if look.sample is not None:
                readable.add(look.sample.value, service)
        yield from (info, since, deploys, readable)

    def close(self) -> None:
        """End the looking."""
        self._sampler.close()

    def _still_shown(self, one: Deployment) -> bool:
        """Whether a deployment that was kept is of a service that can still be shown."""
        return one.service in self._config.services or (one.source == "webhook" and bool(self._config.token_file))

    def _look(self, service: str, target: Target) -> Source[bool]:
        """The look at the version of *service*, begun."""
        checkout = Checkout(target.git)
        read: Callable[[], GitCommit | Release] = checkout.read if target.git else lambda: read_release(target.file)
        kind = "git" if target.git else "file"
        problems = [""]

        def take() -> bool:
            try:
                found = read()
            except CollectorError as error:
                if problems[0] != str(error):
                    event(log, logging.WARNING, f"version cannot be read: {error}", service=service)
                problems[0] = str(error)
                return False
            problems[0] = ""
            one = Deployment(service, found.version, found.since, found.commit, self._config.environment, kind)
            if self._history.found(one):
                _tell(one)
            return True

        return self._sampler.start(Source(f"deployment {service}", take, lambda _: target.interval_seconds))

    def _answer(self, environ: "WSGIEnvironment") -> Answer:
        """Answer one request."""
        if environ["REQUEST_METHOD"] != "POST":
            wanted = parse_qs(environ.get("QUERY_STRING", "")[:1000]).get("service")
            return json_answer([one for one in self._history.changes() if not wanted or one.service in wanted])
        try:
            self._bearer.check(environ)
            return self._take(read_body(environ, MAX_BODY_BYTES))
        except Refused as refused:
            return refused.answer

    def _take(self, body: bytes) -> Answer:
        """Take note of a deployment that was posted.

        Raises:
            Refused: it cannot be taken; the answer says why.
        """
        one = self._checked(body)
        shown = not self._config.environment or one.environment in ("", self._config.environment)
        try:
            fresh = self._history.told(one, shown=shown)
        except OverflowError as error:
            raise Refused(text_answer("403 Forbidden", f"{error}; raise max_services for more.")) from error
        if fresh:
            _tell(one)
        return json_answer({"stored": True, "known": not fresh})

    def _checked(self, body: bytes) -> Deployment:
        try:
            posted = msgspec.json.decode(body, type=Posted)
            moment = self._wall() if posted.time is None else parse_time(str(posted.time))
        except (msgspec.MsgspecError, UnicodeDecodeError, SourceMalformed, RecursionError) as error:
            raise Refused(text_answer("400 Bad Request", f"This is no deployment: {error}")) from error
        if moment > self._wall() + _AHEAD_SECONDS:
            raise Refused(text_answer("400 Bad Request", "time lies in the future; send Unix seconds or ISO 8601."))
        if posted.service in self._config.services:
            text = f"The version of {posted.service} is read from its checkout or file; do not post it."
            raise Refused(text_answer("409 Conflict", text))
        return Deployment(
            posted.service, posted.version, moment, posted.commit, posted.environment or "", source="webhook"
        )


def _tell(one: Deployment) -> None:
    """A change, for the log."""
    fields = {"service": one.service, "version": one.version, "commit": one.commit, "environment": one.environment}
    event(log, logging.INFO, "deployed", source=one.source, **{key: word for key, word in fields.items() if word})
