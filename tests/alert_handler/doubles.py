"""Doubles at the edge of the machine that several tests of the alert handler share: clock, Prometheus, remediation."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

import msgspec

from alert_handler.errors import RemediationRefused
from alert_handler.model import (
    Attempt,
    Case,
    Decision,
    DecisionVerdict,
    Incident,
    Labels,
    Outcome,
    Plan,
    Reason,
    Risk,
    Verdict,
    identity,
)
from alert_handler.playbooks import Playbook, Verify
from alert_handler.prometheus_api import Sample, Series
from alert_handler.remediation import Limits
from alert_handler.store.sqlite import Database

NOW = 1_700_000_000.0
LABELS = {"alertname": "DiskFull", "service": "shop", "severity": "critical"}


class FakeClock:
    """A clock that stands still until it is moved."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        """Unix seconds."""
        return self.now

    def advance(self, seconds: float) -> float:
        """Move by *seconds*; the new time."""
        self.now += seconds
        return self.now


class ScriptedPrometheus:
    """Answers queries with what it was told last; `answer` is the values of an instant answer, or an error."""

    def __init__(self, *answer: float) -> None:
        self.answer: tuple[float, ...] | Exception = answer
        self.series: list[Series] | Exception = []
        self.asked: list[str] = []

    def query(self, expression: str, at: float | None = None) -> list[Sample]:
        """One sample a value."""
        self.asked.append(expression)
        if isinstance(self.answer, Exception):
            raise self.answer
        return [Sample({}, value, at or NOW) for value in self.answer]

    def query_range(self, expression: str, start: float, end: float, step: float) -> list[Series]:
        """The series it was told."""
        self.asked.append(f"{expression} {end - start:.0f}/{step:.0f}")
        if isinstance(self.series, Exception):
            raise self.series
        return self.series


class LedgerParams(msgspec.Struct, frozen=True):
    """Which target to write down."""

    target: str = "shop"


class LedgerRemediation:
    """A remediation whose effect is one line in a file a run: what ran twice shows twice."""

    idempotent: ClassVar[bool] = False
    risk: ClassVar[Risk] = Risk.SAFE
    Params: ClassVar[type[msgspec.Struct]] = LedgerParams

    def __init__(self, file: Path) -> None:
        self.file = file
        self.outcome = Outcome(status="succeeded", summary="written")
        self.before: Callable[[], None] = lambda: None
        self.after: Callable[[], None] = lambda: None
        self.refusal = ""

    @property
    def lines(self) -> list[str]:
        """One line a run."""
        return self.file.read_text().splitlines() if self.file.exists() else []

    def plan(self, params: msgspec.Struct) -> Plan:
        """What would be written."""
        if self.refusal:
            raise RemediationRefused(self.refusal)
        target = getattr(params, "target", "")
        return Plan(remediation="ledger", target=target, summary=f"write {target} down").sealed()

    def run(self, plan: Plan, limits: Limits) -> Outcome:
        """Write the line; *limits* are those of the attempt."""
        self.before()
        with self.file.open("a") as ledger:
            ledger.write(f"{plan.target} {limits.lock_file.name}\n")
        self.after()
        return self.outcome


class Reply(msgspec.Struct, frozen=True):
    """One HTTP answer; `length` is the promised Content-Length, by default the true one."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = {}
    length: int | None = None
    #: Sent after each byte of the body: seconds to pause.
    drip_seconds: float = 0.0


class HttpServer:
    """A real HTTP server on loopback that gives the replies it was told, the last one for ever."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self.paths: list[str] = []
        self.bodies: list[bytes] = []
        self.release = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._server.server_port}"

    @property
    def queries(self) -> list[dict[str, list[str]]]:
        """The query strings of the requests that came."""
        return [parse_qs(urlsplit(path).query) for path in self.paths]

    def prometheus(self, result_type: str, result: object) -> None:
        """Answer as Prometheus' API does, from now on."""
        answer = {"status": "success", "data": {"resultType": result_type, "result": result}}
        self.replies = [Reply(body=msgspec.json.encode(answer))]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                server.paths.append(self.path)
                self._reply(server.replies.pop(0) if len(server.replies) > 1 else server.replies[0])

            def do_POST(self) -> None:
                server.bodies.append(self.rfile.read(int(self.headers.get("Content-Length", "0"))))
                self.do_GET()

            def _reply(self, reply: Reply) -> None:
                self.send_response(reply.status)
                length = len(reply.body) if reply.length is None else reply.length
                for name, value in {"Content-Length": str(length), **reply.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self._send(reply)
                self.close_connection = self.close_connection or length != len(reply.body)

            def _send(self, reply: Reply) -> None:
                try:
                    if not reply.drip_seconds:
                        self.wfile.write(reply.body)
                        return
                    for byte in reply.body:
                        self.wfile.write(bytes([byte]))
                        self.wfile.flush()
                        server.release.wait(reply.drip_seconds)
                except ConnectionError:
                    self.close_connection = True  # the client has had enough, which some tests want

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler

    @contextmanager
    def running(self) -> Iterator["HttpServer"]:
        """Serve until the block ends."""
        self._thread.start()
        try:
            yield self
        finally:
            self.release.set()
            self._server.shutdown()
            self._server.server_close()
            self._thread.join()


def playbook(**changes: object) -> Playbook:
    """A playbook that answers DiskFull with the ledger."""
    entry = Playbook(
        name="disk",
        match=('alertname="DiskFull"',),
        remediation="ledger",
        verify=Verify(query='used{service="{service}"}', healthy="< 0.8"),
        params={"target": "{service}"},
    )
    return msgspec.structs.replace(entry, **changes)


def incident(labels: Labels | None = None, **changes: object) -> Incident:
    """An open, firing incident."""
    labels = LABELS if labels is None else labels
    found = Incident(
        id=1, identity=identity(labels), labels=labels, opened_at=NOW, starts_at=NOW, received_at=NOW, last_seen_at=NOW
    )
    return found.evolve(**changes)


def attempt(**changes: object) -> Attempt:
    """An attempt that ended well."""
    ended = Attempt(
        id=1,
        incident_id=1,
        number=1,
        playbook="disk",
        remediation="ledger",
        target="shop",
        digest="",
        state="succeeded",
        claimed_at=NOW,
        started_at=NOW,
        finished_at=NOW,
        outcome=Outcome(status="succeeded", summary="written"),
    )
    return ended.evolve(**changes)


def decision(
    verdict: DecisionVerdict = DecisionVerdict.ACT, reason: Reason = Reason.ALLOWED, **changes: object
) -> Decision:
    """A decision made just now."""
    plan = Plan(remediation="ledger", target="shop", summary="write shop down").sealed()
    made = Decision(verdict=verdict, reason=reason, text="because", at=NOW, playbook="disk", plan=plan)
    return made.evolve(**changes)


def verdict(value: str = "fixed", **changes: object) -> Verdict:
    """A verdict of just now."""
    return msgspec.convert({"value": value, "text": "0.5", "at": NOW}, Verdict).evolve(**changes)


def case(**changes: object) -> Case:
    """A case of a fresh incident."""
    return Case(incident=incident()).evolve(**changes)


def stored_incident(database: Database, labels: Labels | None = None, at: float = NOW) -> int:
    """Write an open incident as intake does; its id."""
    labels = LABELS if labels is None else labels
    row = {
        "identity": identity(labels),
        "labels": msgspec.json.encode(labels).decode(),
        "annotations": "{}",
        "generator_url": "",
        "starts_at": at,
        "received_at": at,
    }
    with database.write() as tx:
        return tx.add("incident_add", row)


def fill_up(database: Database) -> None:
    """No room for another page on this thread's connection: SQLITE_FULL, as on a full disk."""
    with database.write():
        pages = database._connection().execute("PRAGMA page_count").fetchone()[0]
    database._connection().execute(f"PRAGMA max_page_count = {pages}")


def make_room(database: Database) -> None:
    """The disk has room again, for this thread's connection."""
    database._connection().execute("PRAGMA max_page_count = 1000000")


def wire_alert(starts_at: float = NOW, status: str = "firing", **labels: str) -> dict[str, object]:
    """One alert as Alertmanager writes it."""
    shown = datetime.fromtimestamp(starts_at, UTC).isoformat().replace("+00:00", "Z")
    return {"status": status, "labels": labels or LABELS, "startsAt": shown, "annotations": {}}


def wire_body(*alerts: object) -> bytes:
    """A webhook body of Alertmanager with *alerts*."""
    return msgspec.json.encode({"version": "4", "alerts": alerts})
