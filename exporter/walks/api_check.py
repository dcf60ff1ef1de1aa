"""One endpoint of an API: is it there, in time, well-formed, and does its answer make sense?"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from exporter.walks.client import Client
from exporter.walks.failures import Failure, StepResult, describe
from exporter.walks.findings import Rule
from exporter.walks.message import Deadline, Reply, StepFailed, failure_of, split_url
from exporter.walks.plan import Seconds, check_names, check_needed
from exporter.walks.request_rule import RequestRule, check_headers
from exporter.walks.schema import SchemaCheck, schema_check
from exporter.walks.secret_words import SecretWords
from exporter.walks.template import names
from exporter.walks.tls import TlsRule
from exporter.walks.visitor import Hosts, Visitor

#: What is judged, in this order; the first that fails is told as the failure of a run.
CHECKS = ("availability", "duration", "sla", "schema", "business")
_MAX_SCHEMA_BYTES = 1024 * 1024


class Endpoint(RequestRule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A request that is made again and again, and what its answer must be.

    Attributes:
        interval_seconds: from the start of one request to the next.
        timeout_seconds: the whole answer must be there by then (check `duration`).
        sla_seconds: it should be there by then (check `sla`).
        schema: the JSON Schema (draft 4 to 7) of the body (check `schema`).
        schema_file: a file that holds it as JSON.
        rules: what must hold of the answer (check `business`).
    """

    interval_seconds: Seconds = 30.0
    timeout_seconds: Seconds = 5.0
    sla_seconds: Seconds = 1.0
    schema: dict[str, Any] | None = None
    schema_file: str = ""
    rules: tuple[Rule, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.schema is not None and self.schema_file:
            raise ValueError("give schema or schema_file")
        if self.schema is not None:
            schema_check(self.schema)

    def checks(self) -> tuple[str, ...]:
        """The checks that are made: schema and business only where they are configured."""
        has_schema = self.schema is not None or self.schema_file
        left_out = {"" if has_schema else "schema", "" if self.rules else "business"}
        return tuple(check for check in CHECKS if check not in left_out)


class Api(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The endpoints of one service.

    Attributes:
        base_url: what the endpoints' paths are below.
        endpoints: name -> endpoint.
        headers: sent with every request.
        variables: name -> value, for `${name}` in the endpoints.
        secret_files: name -> file whose content is the value; it is hidden in failures and logs.
        hosts: further hosts that redirects may lead to, `host` or `host:port`.
        tls: how TLS is spoken.
        max_body_bytes: a larger answer is none.
    """

    base_url: str
    endpoints: dict[str, Endpoint]
    headers: dict[str, str] = {}
    variables: dict[str, str | int | float | bool] = {}
    secret_files: dict[str, str] = {}
    hosts: tuple[str, ...] = ()
    tls: TlsRule = TlsRule()
    max_body_bytes: int = 256 * 1024

    def __post_init__(self) -> None:
        split_url(self.base_url)
        check_headers(self.headers)
        check_names([*self.variables, *self.secret_files])
        shared = {name for value in self.headers.values() for name in names(value)}
        for name, endpoint in self.endpoints.items():
            check_needed(name, endpoint.names() | shared, {*self.variables, *self.secret_files})
            Hosts([self.base_url, endpoint.origin(self.base_url)], self.hosts)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one run found.

    Attributes:
        passed: check -> whether it passed; an endpoint that does not answer passes none.
        seconds: how long the request took.
        failure: the first check that failed; None where all passed.
    """

    passed: dict[str, bool]
    seconds: float
    failure: Failure | None = None


class ApiCheck:
    """Checks one endpoint of *api*; *monotonic* and *wall* are clocks in seconds.

    Raises:
        ValueError: the schema file cannot be used.
    """

    def __init__(
        self,
        api: Api,
        endpoint: Endpoint,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._api = api
        self._endpoint = endpoint
        self._monotonic = monotonic
        self._wall = wall
        self._hosts = Hosts([api.base_url, endpoint.origin(api.base_url)], api.hosts)
        self._client = Client(api.tls, api.max_body_bytes, monotonic)
        self._schema = _schema(endpoint)

    def run(self) -> Verdict:
        """Ask once and judge the answer."""
        words = SecretWords()
        visitor = Visitor(self._client, self._hosts)
        started = self._monotonic()
        checks = self._endpoint.checks()
        try:
            reply = self._ask(visitor, words)
        except Exception as error:  # noqa: BLE001 -- one of the four edges: one worker turn
            problems, seconds = dict.fromkeys(checks, failure_of(error)), self._monotonic() - started
        else:
            problems, seconds = self._problems(reply), reply.seconds
        passed = {check: check not in problems for check in checks}
        if not problems:
            return Verdict(passed, seconds)
        words.add_cookies(visitor.jar.values())
        first = next(check for check in checks if check in problems)
        step = StepResult(first, success=False, seconds=seconds)
        return Verdict(passed, seconds, describe(problems[first], step, visitor.last, words, self._wall()))

    def _ask(self, visitor: Visitor, words: SecretWords) -> Reply:
        endpoint, api = self._endpoint, self._api
        variables = {**api.variables, **words.read(api.secret_files)}
        request = endpoint.build(api.base_url, variables, api.headers)
        words.add_request(request)
        return visitor.visit(request, Deadline(endpoint.timeout_seconds, self._monotonic), endpoint.max_redirects)

    def _problems(self, reply: Reply) -> dict[str, StepFailed]:
        """What is wrong with an answer, by check."""
        judges: dict[str, Callable[[Reply], None]] = {
            "availability": self._endpoint.check_status,
            "sla": self._check_sla,
            "schema": self._check_schema,
            "business": self._check_rules,
        }
        problems = {}
        for check, judge in judges.items():
            try:
                judge(reply)
            except Exception as error:  # noqa: BLE001 -- as above
                problems[check] = failure_of(error)
        return problems

    def _check_sla(self, reply: Reply) -> None:
        if reply.seconds > self._endpoint.sla_seconds:
            limit = self._endpoint.sla_seconds
            raise StepFailed("slow", f"the answer took {reply.seconds:.3f} s, more than {limit:g} s (sla_seconds)")

    def _check_schema(self, reply: Reply) -> None:
        if self._schema:
            self._schema(reply.document)

    def _check_rules(self, reply: Reply) -> None:
        for rule in self._endpoint.rules:
            rule.check(reply)


def _schema(endpoint: Endpoint) -> SchemaCheck | None:
    """The schema of *endpoint*, read and compiled; None where it has none."""
    if not endpoint.schema_file:
        return None if endpoint.schema is None else schema_check(endpoint.schema)
    try:
        with Path(endpoint.schema_file).open("rb") as file:
            return schema_check(msgspec.json.decode(file.read(_MAX_SCHEMA_BYTES)))
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"the schema file {endpoint.schema_file} cannot be used: {error}") from error
