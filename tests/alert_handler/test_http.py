import socket
from collections.abc import Iterator

import pytest

from alert_handler import http
from alert_handler.http import HttpClient, NoAnswer
from tests.alert_handler.doubles import HttpServer, Reply


@pytest.fixture
def client() -> HttpClient:
    """A client that waits a quarter of a second."""
    return HttpClient(0.25)


@pytest.fixture
def deaf() -> Iterator[str]:
    """The address of a socket that accepts and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.mark.parametrize("status", [200, 204, 400, 404, 500, 503])
def test_any_complete_answer_is_an_answer(client: HttpClient, server: HttpServer, status: int) -> None:
    """Whether a status is good is the caller's question."""
    server.replies = [Reply(status=status, body=b"" if status == 204 else b"words")]
    answer = client.get(server.url)
    assert (answer.status, answer.ok) == (status, status < 300)


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirect_is_answered_not_followed(client: HttpClient, server: HttpServer, status: int) -> None:
    """A credential or an alert must not follow a redirect to another host."""
    server.replies = [Reply(status=status, headers={"Location": f"{server.url}/elsewhere"})]
    assert client.get(f"{server.url}/a").status == status
    assert server.paths == ["/a"]


def test_parameters_are_encoded(client: HttpClient, server: HttpServer) -> None:
    """Whatever a query holds, it stays one parameter; half a surrogate pair cannot be sent and is replaced."""
    server.replies = [Reply()]
    client.get(f"{server.url}/q", {"query": 'up{a="b&c=d#e\n"} \ud800'})
    assert server.queries == [{"query": ['up{a="b&c=d#e\n"} ?']}]


def test_post_sends_json_with_its_headers(client: HttpClient, server: HttpServer) -> None:
    """The body is UTF-8 JSON."""
    server.replies = [Reply(status=202)]
    assert client.post_json(server.url, {"text": "ä"}, {"X-Key": "1"}).ok
    assert server.bodies == ['{"text": "ä"}'.encode()]


def test_server_that_never_answers_is_no_answer(client: HttpClient, deaf: str) -> None:
    """The wait ends."""
    with pytest.raises(NoAnswer, match="Timeout"):
        client.get(deaf)


def test_closed_port_is_no_answer(client: HttpClient) -> None:
    """Refused, with a name for the fault and no address in the text: an address can hold a secret."""
    with pytest.raises(NoAnswer) as caught:
        client.get("http://user:secret@127.0.0.1:1/")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://[::1", "nonsense", "ftp://127.0.0.1/", "http://127.0.0.1:99999/", ""])
def test_address_that_is_none_is_no_answer(client: HttpClient, url: str) -> None:
    """A bad address is never another exception."""
    with pytest.raises(NoAnswer):
        client.get(url)


def test_body_that_is_cut_off_is_no_answer(client: HttpClient, server: HttpServer) -> None:
    """Half an answer is none: it could read as a whole one."""
    server.replies = [Reply(body=b"half", length=400)]
    with pytest.raises(NoAnswer):
        client.get(server.url)


def test_body_that_drips_for_longer_than_the_timeout_is_no_answer(client: HttpClient, server: HttpServer) -> None:
    """Each byte comes in time, the whole does not: a worker is not held for as long as the server likes."""
    server.replies = [Reply(body=b"x" * 1000, drip_seconds=0.02)]
    with pytest.raises(NoAnswer, match="not complete in time"):
        client.get(server.url)


def test_too_long_an_answer_is_none_and_leaves_the_connection_clean(
    client: HttpClient, server: HttpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was not read of one answer is never taken for the next one."""
    monkeypatch.setattr(http, "MAX_ANSWER_BYTES", 10)
    server.replies = [Reply(body=b"x" * 200_000), Reply(body=b"good")]
    with pytest.raises(NoAnswer, match="over 10 bytes"):
        client.get(server.url)
    assert client.get(server.url).body == b"good"


def test_packed_answer_is_not_unpacked(client: HttpClient, server: HttpServer) -> None:
    """Nobody asked for gzip, so nothing can grow a thousandfold in memory."""
    server.replies = [Reply(body=b"\x1f\x8b packed", headers={"Content-Encoding": "gzip"})]
    assert client.get(server.url).body == b"\x1f\x8b packed"


def test_connection_is_kept(client: HttpClient, server: HttpServer) -> None:
    """Looks every two seconds do not open a connection each."""
    server.replies = [Reply(body=b"x")]
    for _ in range(3):
        client.get(server.url)
    (pool,) = (client._pool.pools.get(key) for key in client._pool.pools.keys())  # noqa: SIM118 -- no plain dict
    assert (pool.num_connections, pool.num_requests) == (1, 3)
