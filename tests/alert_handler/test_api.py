import json
import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest

from chassis import VERSION
from tests.alert_handler.house import INTAKE, House, alert, house, repaired

#: Methods that Flask adds by itself.
_AUTOMATIC = {"HEAD", "OPTIONS"}
_VALUES = {"number": "1", "stem": "disk", "filename": "style.css", "sender": "alertmanager"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house with a repaired incident, open ones, and a refused webhook."""
    with house(tmp_path_factory.mktemp("house")) as built:
        repaired(built)
        for name in ("Odd", "Even"):
            built.receive(alert({"alertname": name, "severity": "warning", "service": "checkout"}))
        built.client.post(INTAKE, data=b"not json")
        yield built


@pytest.fixture(scope="module")
def document(home: House) -> dict[str, Any]:
    """The API's description of itself."""
    content: dict[str, Any] = home.json("/openapi.json")
    return content


def test_every_route_is_described_and_every_description_is_a_route(home: House, document: dict[str, Any]) -> None:
    """Neither side knows more than the other."""
    described = {
        (path, method.upper()) for path, item in document["paths"].items() for method in item.keys() - {"parameters"}
    }
    assert described == set(_routes(home))


def test_every_route_answers_as_described(home: House, document: dict[str, Any]) -> None:
    """Status and content type of a GET are among those described, and a JSON body fits its schema."""
    for path, item in document["paths"].items():
        if "get" in item:
            address = re.sub(r"{(\w+)}", lambda match: _VALUES[match.group(1)], path)
            _check(home.client.get(address, buffered=True), item["get"]["responses"], document)


def test_missing_things_are_described_too(home: House, document: dict[str, Any]) -> None:
    """404 as the document says."""
    for address, path in (("/api/v1/incidents/99", "/api/v1/incidents/{number}"), ("/runbooks/x", "/runbooks/{stem}")):
        _check(home.client.get(address), document["paths"][path]["get"]["responses"], document)


def test_references_of_the_document_lead_somewhere(document: dict[str, Any]) -> None:
    """No schema or parameter is named that is not there."""
    for reference in re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document)):
        place: Any = document
        for part in reference.split("/"):
            place = place[part]


def test_document_tells_the_version(document: dict[str, Any]) -> None:
    """The one that runs."""
    assert document["info"]["version"] == VERSION


def test_intake_answers_are_described(home: House, document: dict[str, Any]) -> None:
    """200, 400 and 404 of a webhook."""
    described = document["paths"]["/api/v1/{sender}"]["post"]["responses"]
    for address, body in ((INTAKE, b'{"version":"4","alerts":[]}'), (INTAKE, b"no"), ("/api/v1/nobody", b"{}")):
        assert str(home.client.post(address, data=body).status_code) in described


@pytest.mark.parametrize(("page", "twin"), [("/", "/api/v1/status"), ("/incidents", "/api/v1/incidents")])
def test_page_names_its_twin(home: House, page: str, twin: str) -> None:
    """The link JSON in the footer."""
    assert f'<a href="{twin}">JSON</a>' in home.get(page)


def test_incident_and_its_twin_tell_the_same(home: House) -> None:
    """Every text of the timeline, the attempts and the decision stands on the page."""
    seen, page = home.json("/api/v1/incidents/1"), home.get("/incidents/1")
    facts = [step["text"] for step in seen["timeline"]] + [a["summary"] for a in seen["attempts"]]
    for fact in [*facts, seen["decision"]["text"], seen["verdict_text"], seen["lesson"], *seen["labels"].values()]:
        assert fact.replace("<", "&lt;") in page


def test_status_and_its_twin_tell_the_same(home: House) -> None:
    """State, incidents, checks and actions of the board are those of the API."""
    seen, page = home.json("/api/v1/status"), home.get("/")
    for incident in seen["open"] + seen["recent"]:
        assert incident["alertname"] in page
        assert incident["standing"]["text"].replace("<", "&lt;") in page
    assert f"<h1>{seen['state']}</h1>" in page
    assert all(check["text"] in page for check in seen["checks"])


def test_lists_and_their_twins_tell_the_same(home: House) -> None:
    """Numbers of incidents and attempts, in the same order."""
    ids = [incident["id"] for incident in home.json("/api/v1/incidents")]
    assert re.findall(r'data-label="No.">(\d+)<', home.get("/incidents")) == [str(number) for number in ids]
    attempts = home.json("/api/v1/actions")
    assert home.get("/actions").count('data-label="Action"') == len(attempts) == 1


def test_rejects_and_their_twin_tell_the_same(home: House) -> None:
    """Reason and sample."""
    page = home.get("/rejects")
    assert all(reject["error"] in page and reject["sample"] in page for reject in home.json("/api/v1/rejects"))


def test_incidents_narrow_and_page(home: House) -> None:
    """`state`, `before` and `limit`; nonsense counts as not given."""
    assert [i["alertname"] for i in home.json("/api/v1/incidents?state=closed")] == ["DiskFull"]
    assert [i["id"] for i in home.json("/api/v1/incidents?before=3&limit=1")] == [2]
    assert len(home.json("/api/v1/incidents?before=x&limit=-1&state=odd")) == 3


def test_missing_incident_is_json_too(home: House) -> None:
    """A program gets what it can read."""
    missing = home.client.get("/api/v1/incidents/99")
    assert (missing.status_code, missing.json) == (404, {"error": "no incident 99"})


def test_data_is_that_of_the_status(home: House) -> None:
    """`/api/data` for existing consumers."""
    data = home.json("/api/data")
    assert data["metrics"]["overall_status"] == home.json("/api/v1/status")["state"]


def _routes(home: House) -> Iterator[tuple[str, str]]:
    for rule in home.app.url_map.iter_rules():
        path = re.sub(r"<(?:[^:>]+:)?(\w+)>", r"{\1}", rule.rule)
        yield from ((path, method) for method in (rule.methods or set()) - _AUTOMATIC)


def _check(response: Any, described: dict[str, Any], document: dict[str, Any]) -> None:  # noqa: ANN401
    answer = described[str(response.status_code)]
    assert response.mimetype in answer["content"], response.request.path
    schema = answer["content"][response.mimetype].get("schema")
    if schema:
        jsonschema.Draft202012Validator({**schema, "components": document["components"]}).validate(response.json)
