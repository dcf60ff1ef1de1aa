import http.client
import json
import threading
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from flask.testing import FlaskClient

from alert_handler.app import create_app
from alert_handler.config import Intake
from alert_handler.handler import Handler
from alert_handler.store import group_commit
from chassis.server import Server, parse_address
from tests.alert_handler.doubles import fill_up, make_room, wire_alert, wire_body
from tests.alert_handler.poison import INVALID, ODD, around

ADDRESS = "/api/v1/alertmanager"
BODY = wire_body(wire_alert())


def secret(file: Path, text: str) -> None:
    """A file that only its owner reads."""
    file.touch(mode=0o600)
    file.write_text(text)


@pytest.fixture
def protected(handler: Handler, token_file: Path) -> Handler:
    """Only senders with the token may send to it."""
    handler.config = msgspec.structs.replace(handler.config, intake=Intake(token_file=str(token_file)))
    return handler


def asked(handler: Handler, sender: str, code: int) -> float | None:
    """How many requests of *sender* were answered with *code*."""
    labels = {"sender": sender, "code": str(code)}
    return handler.metrics.registry.get_sample_value("nightshift_intake_requests_total", labels)


def test_receive_200_is_empty_and_means_stored(handler: Handler, client: FlaskClient) -> None:
    """Whoever reads 200 can forget the alert: the very bytes are in the store."""
    answer = client.post(ADDRESS, data=BODY)
    assert (answer.status_code, answer.data) == (200, b"")
    assert [delivery.body for delivery in handler.inbox.next(9)] == [BODY]
    assert asked(handler, "alertmanager", 200) == 1


def test_receive_does_not_answer_before_the_commit(handler: Handler, client: FlaskClient) -> None:
    """R2: the answer waits for the write, however long that takes."""
    committing, release, order = threading.Event(), threading.Event(), []
    write = handler.inbox._group._write

    def slow(items: object) -> None:
        committing.set()
        release.wait(20)
        write(items)  # type: ignore[arg-type]
        order.append("committed")

    handler.inbox._group._write = slow
    sender = threading.Thread(target=lambda: order.append(str(client.post(ADDRESS, data=BODY).status_code)))
    sender.start()
    assert committing.wait(20)
    assert order == []
    release.set()
    sender.join(20)
    assert order == ["committed", "200"]


@pytest.mark.parametrize("path", [ADDRESS, f"{ADDRESS}/", f"{ADDRESS}//"])
def test_receive_every_trailing_slash_stores_without_a_redirect(
    handler: Handler, client: FlaskClient, path: str
) -> None:
    """A redirect would lose the alert silently."""
    assert client.post(path, data=BODY).status_code == 200
    assert handler.inbox.pending() == 1


@pytest.mark.parametrize(
    "path", [f"/{ADDRESS}", "/api/v1//alertmanager", "/api//v1/alertmanager", "/API/v1/alertmanager"]
)
def test_receive_misspelt_address_is_404_never_a_redirect(handler: Handler, client: FlaskClient, path: str) -> None:
    """An Alertmanager with a wrong address is told so aloud, in its own log."""
    assert client.post(path, data=BODY).status_code == 404
    assert handler.inbox.pending() == 0


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH"])
def test_receive_other_methods_are_405(handler: Handler, client: FlaskClient, method: str) -> None:
    """Only POST sends; the answer says so."""
    answer = client.open(ADDRESS, method=method, data=BODY)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "OPTIONS, POST")
    assert handler.inbox.pending() == 0


def test_receive_unknown_sender_is_404_and_names_the_known(handler: Handler, client: FlaskClient) -> None:
    """A sender that is not understood; its name does not become a series."""
    answer = client.post("/api/v1/nagios", data=BODY)
    assert (answer.status_code, answer.text) == (404, "no such sender; known: alertmanager\n")
    assert (asked(handler, "unknown", 404), asked(handler, "nagios", 404)) == (1, None)


@pytest.mark.parametrize(
    ("content", "header", "status"),
    [
        ("s3cret\n", "Bearer s3cret", 200),
        ("s3cret", "Bearer s3cre", 401),
        ("s3cret", "Bearer ", 401),
        ("s3cret", "Basic s3cret", 401),
        ("s3cret", "bearer\u00e9 \u00e9", 401),
        ("", "Bearer ", 503),
        ("", "Bearer s3cret", 503),
        (None, "Bearer s3cret", 503),
    ],
)
def test_receive_token_lets_in_who_shows_it(
    client: FlaskClient, protected: Handler, content: str | None, header: str, status: int
) -> None:
    """What is refused is not stored. A missing or empty token file is our fault: nobody comes in, send again."""
    if content is not None:
        secret(Path(protected.config.intake.token_file), content)
    assert client.post(ADDRESS, data=BODY, headers={"Authorization": header}).status_code == status
    assert protected.inbox.pending() == (status == 200)


@pytest.mark.usefixtures("protected")
def test_receive_new_token_counts_at_once(client: FlaskClient, token_file: Path) -> None:
    """A rotated secret needs no reload, and without a header nobody comes in."""
    secret(token_file, "old")
    secret(token_file, "new")
    assert client.post(ADDRESS, data=BODY, headers={"Authorization": "Bearer old"}).status_code == 401
    assert client.post(ADDRESS, data=BODY).status_code == 401
    assert client.post(ADDRESS, data=BODY, headers={"Authorization": "Bearer new"}).status_code == 200


@pytest.mark.parametrize(("encoding", "status"), [("gzip", 415), ("br", 415), ("identity", 200), ("Identity", 200)])
def test_receive_compressed_body_is_415(client: FlaskClient, encoding: str, status: int) -> None:
    """What expands without bound is not taken."""
    assert client.post(ADDRESS, data=BODY, headers={"Content-Encoding": encoding}).status_code == status


@pytest.mark.parametrize("name", sorted(INVALID))
def test_receive_malformed_body_is_400_with_a_kept_sample(handler: Handler, client: FlaskClient, name: str) -> None:
    """The sender hears the JSON path, and the person who has to find out why sees the bytes."""
    content, message = INVALID[name]
    answer = client.post(ADDRESS, data=content)
    assert answer.status_code == 400
    assert answer.text.startswith(message)
    [reject] = handler.inbox.rejects()
    assert (reject.error, content.startswith(reject.sample)) == (answer.text.rstrip("\n"), True)


@pytest.mark.parametrize("name", sorted(ODD))
def test_receive_one_odd_alert_of_ten_is_200(handler: Handler, client: FlaskClient, name: str) -> None:
    """R15: never a 500, never a refusal of the nine others, and no delivery that comes back for ever."""
    assert client.post(ADDRESS, data=around(ODD[name])).status_code == 200
    handler.lifecycle.absorb()
    assert handler.inbox.pending() == 0


def test_receive_full_store_is_503_with_retry_after_and_recovers(handler: Handler, client: FlaskClient) -> None:
    """R14: not stored, send again; with room again the same process takes it."""
    write = handler.inbox._group._write

    def full(items: object) -> None:
        fill_up(handler.database)
        try:
            write(items)  # type: ignore[arg-type]
        finally:
            make_room(handler.database)

    handler.inbox._group._write = full
    answer = client.post(ADDRESS, data=wire_body(wire_alert(alertname="x" * 100_000)))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert handler.inbox.pending() == 0
    handler.inbox._group._write = write
    assert client.post(ADDRESS, data=BODY).status_code == 200


def test_receive_store_that_hangs_is_503(
    handler: Handler, client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that does not answer must not hold the sender until its own deadline."""
    release = threading.Event()
    monkeypatch.setattr(group_commit, "MAX_WAIT_SECONDS", 0.0)

    def hang(_items: object) -> None:
        release.wait(20)

    handler.inbox._group._write = hang
    assert client.post(ADDRESS, data=BODY).status_code == 503
    release.set()


def test_receive_malformed_body_with_a_full_store_is_still_400(handler: Handler, client: FlaskClient) -> None:
    """Only the sample is lost: sending it again would not make it better."""
    fill_up(handler.database)
    assert client.post(ADDRESS, data=b"x" * 100_000).status_code == 400
    make_room(handler.database)


def test_receive_body_over_the_limit_is_413_through_the_real_server(handler: Handler) -> None:
    """S12: the bound holds to the byte, and what is too large reaches neither memory nor store."""
    body = BODY + b" " * (2000 - len(BODY))
    with Server(create_app(handler, lambda: ""), ["127.0.0.1:0"], threads=2, max_body_bytes=2000) as server:
        codes = [post(server.addresses[0], content) for content in (body[:-1], body + b"  ")]
    assert codes == [200, 413]
    assert handler.inbox.pending() == 1


def post(address: str, content: bytes) -> int:
    """The status of one POST over a real connection."""
    host, port = parse_address(address)
    with closing(http.client.HTTPConnection(host, port, timeout=20)) as connection:
        connection.request("POST", ADDRESS, body=content)
        return connection.getresponse().status


def test_receive_answers_carry_no_secret_and_no_type_guess(client: FlaskClient) -> None:
    """Alertmanager logs what it is answered; a browser must not take it for a page."""
    answer = client.post(ADDRESS, data=json.dumps({"alerts": "<script>"}))
    assert answer.mimetype == "text/plain"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
