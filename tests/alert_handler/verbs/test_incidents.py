import argparse
import json

import msgspec
import pytest

from alert_handler.errors import UpstreamError
from alert_handler.verbs import incidents
from tests.alert_handler.doubles import HttpServer, Reply

ROW = {
    "id": 7,
    "alertname": "Disk\x1b[31mFull",
    "service": "shop\nforged",
    "state": "open",
    "severity": "critical",
    "opened_at": 0.0,
    "verdict": "",
    "decision": {"reason": "cooldown"},
    "timeline": [{"at": 60.0, "stage": "triage", "outcome": "critical", "text": "a\r\nb"}],
}


def ask(server: HttpServer, content: object, *, number: int | None = None, output: str = "text") -> str:
    """What the verb prints when the handler answers *content*."""
    server.replies = [Reply(body=content if isinstance(content, bytes) else msgspec.json.encode(content))]
    arguments = argparse.Namespace(id=number, external_url=server.url + "/", state="open", format=output)
    return incidents.run(arguments)


def test_list_is_one_line_an_incident(server: HttpServer) -> None:
    """Number, time, state, severity, name, service and what happens; control characters do not reach the terminal."""
    text = ask(server, [ROW, {**ROW, "verdict": "fixed", "decision": None}])
    lines = text.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("7  1970-01-01 00:00:00Z  open  critical  ")
    assert (lines[0].endswith("cooldown"), lines[1].endswith("fixed"), "\x1b" in text) == (True, True, False)
    assert server.paths == ["/api/v1/incidents?state=open"]


def test_empty_list_is_said(server: HttpServer) -> None:
    """Nothing printed would look like a failure."""
    assert ask(server, []) == "no incidents\n"


def test_one_incident_is_shown_with_its_timeline(server: HttpServer) -> None:
    """A line a step, below the incident's own."""
    text = ask(server, ROW, number=7)
    assert server.paths == ["/api/v1/incidents/7?state=open"]
    assert len(text.splitlines()) == 2
    assert "1970-01-01 00:01:00Z  triage    critical" in text


def test_json_is_handed_on(server: HttpServer) -> None:
    """For programs."""
    assert json.loads(ask(server, [ROW], output="json")) == [ROW]


@pytest.mark.parametrize(
    ("content", "number", "problem"),
    [
        ({"error": "no incident 9"}, 9, "no incident 9"),
        (b"the store cannot be read now\n", None, "is the handler running there"),
        ([{"id": 1}], None, "not an alert handler's"),
        ({"status": "ok"}, None, "not an alert handler's"),
        ([1], None, "not an alert handler's"),
        (7, None, "not an alert handler's"),
        ([], 7, "not an alert handler's"),
    ],
)
def test_answer_that_is_none_is_an_error_with_the_address(
    server: HttpServer, content: object, number: int | None, problem: str
) -> None:
    """Another server's answer, or none: a message and the exit status of an error, not a traceback."""
    with pytest.raises(UpstreamError, match=problem) as caught:
        ask(server, content, number=number)
    assert server.url in str(caught.value)


def test_handler_that_does_not_run_is_an_error() -> None:
    """The address is named, and the flag that changes it."""
    arguments = argparse.Namespace(id=None, external_url="http://127.0.0.1:1", state="", format="text")
    with pytest.raises(UpstreamError, match=r"127\.0\.0\.1:1/.*--web\.external-url"):
        incidents.run(arguments)
