import pytest
from flask.testing import FlaskClient

from alert_handler.app import create_app
from alert_handler.handler import Handler
from tests.alert_handler.doubles import fill_up, make_room


def test_metrics_negotiates_text_and_openmetrics(client: FlaskClient) -> None:
    """Prometheus asks for the newer form, people get the older one."""
    plain = client.get("/metrics")
    newer = client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
    assert plain.content_type.startswith("text/plain; version=")
    assert newer.content_type.startswith("application/openmetrics-text")
    assert newer.text.endswith("# EOF\n")
    assert "nightshift_store_writable 1.0" in plain.text


def test_metrics_and_health_are_shown_while_the_store_is_closed(handler: Handler, client: FlaskClient) -> None:
    """How else would anybody learn of it."""
    handler.database.close()
    assert client.get("/metrics").status_code == 200
    assert client.get("/-/healthy").status_code == 200
    assert client.get("/-/ready").status_code == 503


def test_ready_is_503_while_the_store_is_full_and_200_again(handler: Handler, client: FlaskClient) -> None:
    """R14: red, with the reason, and green without a restart."""
    fill_up(handler.database)
    handler.database.probe()
    answer = client.get("/-/ready")
    assert (answer.status_code, answer.text) == (503, "the store cannot be written\n")
    assert "nightshift_store_writable 0.0" in client.get("/metrics").text
    make_room(handler.database)
    assert client.get("/-/ready").status_code == 200


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_reload_tells_success_or_what_is_wrong(handler: Handler, method: str) -> None:
    """As Prometheus does: 200, or 500 with the reason."""
    problems = ["", "app.yml: mode: unknown"]
    client = create_app(handler, lambda: problems.pop(0)).test_client()
    answers = [client.open("/-/reload", method=method) for _ in range(2)]
    assert [(a.status_code, a.text) for a in answers] == [
        (200, "configuration reloaded\n"),
        (500, "app.yml: mode: unknown\n"),
    ]


def test_reload_by_get_is_405(client: FlaskClient) -> None:
    """S7: looking changes nothing."""
    assert client.get("/-/reload").status_code == 405
