import http.server
import json
import threading
from collections.abc import Iterator
from typing import ClassVar

import pytest

from demo.clients import Handler, Prometheus, UnreachableError, get

INCIDENT = {
    "id": 7,
    "alertname": "NightshiftServiceDown",
    "labels": {"service": "demo-worker"},
    "status": "firing",
    "state": "open",
    "received_at": 1.0,
    "starts_at": 1.0,
    "new_field": "is tolerated",
}


class Canned(http.server.BaseHTTPRequestHandler):
    """Answers by path from `answers`, else 404."""

    answers: ClassVar[dict[str, object]] = {}

    def do_GET(self) -> None:
        """One canned document."""
        path = self.path.partition("?")[0]
        self.send_response(200 if path in self.answers else 404)
        self.end_headers()
        self.wfile.write(json.dumps(self.answers.get(path)).encode())

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class's name
        """Silent."""


@pytest.fixture
def url() -> Iterator[str]:
    """A server of canned answers."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Canned) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def _vector(*series: tuple[dict[str, str], str]) -> dict[str, object]:
    """Prometheus' answer to an instant query."""
    return {"data": {"result": [{"metric": labels, "value": [0, value]} for labels, value in series]}}


def test_incidents_are_decoded_and_new_fields_tolerated(url: str) -> None:
    """What the handler tells becomes typed; a field added later does no harm."""
    Canned.answers = {"/api/v1/incidents": [INCIDENT], "/api/v1/incidents/7": INCIDENT}
    assert [incident.id for incident in Handler(url).incidents()] == [7]
    assert Handler(url).incident(7).labels == {"service": "demo-worker"}


def test_incidents_of_another_shape_are_an_error(url: str) -> None:
    """An answer that does not fit is named, not guessed at."""
    Canned.answers = {"/api/v1/incidents": {"unexpected": 1}}
    with pytest.raises(UnreachableError, match="not what was expected"):
        Handler(url).incidents()


def test_active_since_is_the_earliest(url: str) -> None:
    """Of several series of one alert the first counts; without any there is none."""
    Canned.answers = {"/api/v1/query": _vector(({"a": "1"}, "20"), ({"a": "2"}, "10"))}
    assert Prometheus(url).active_since(alertname="x") == 10
    Canned.answers = {"/api/v1/query": _vector()}
    assert Prometheus(url).active_since(alertname="x") is None


def test_query_without_a_vector_is_an_error(url: str) -> None:
    """Prometheus' errors come as documents too."""
    Canned.answers = {"/api/v1/query": {"status": "error"}}
    with pytest.raises(UnreachableError, match="no vector"):
        Prometheus(url).firing(severity="critical")


def test_get_refused_connection_names_the_url() -> None:
    """Whoever does not answer is named."""
    with pytest.raises(UnreachableError, match=r"http://127\.0\.0\.1:1/x"):
        get("http://127.0.0.1:1/x")
