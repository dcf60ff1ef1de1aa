import socket
import threading
import tracemalloc
from urllib.parse import quote

import pytest

from exporter.answers import Answer
from exporter.exposition import TEXT
from exporter.families import Family, Metric
from exporter.probing import asking as asking_module
from exporter.probing.asking import Asking
from exporter.probing.http_options import BasicAuth, HttpOptions
from exporter.probing.modules import DEFAULTS, Module
from exporter.probing.resolving import Resolver
from tests.exporter.probing.talkers import free_port, talking

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
SECRET = Module("http", timeout="2s", http=HttpOptions(basic_auth=BasicAuth("u", "hunter22")))


class Asker:
    """Somebody who asks /probe."""

    def __init__(self, *allowed: str, places: int = 3) -> None:
        self.told: list[tuple[str, str, str]] = []
        modules = {**DEFAULTS, "secret": SECRET}
        self._asking = Asking(modules, Resolver(), allowed, places, self.note)

    def note(self, target: str, name: str, _: object, attempt: object) -> None:
        """Write down what ran."""
        self.told.append((target, name, attempt.reason))  # type: ignore[attr-defined]

    def ask(
        self, target: str, module: str = "http_2xx", seconds: float = 5.0, more: str = "", accept: str = ""
    ) -> Answer:
        """The answer to a GET of /probe."""
        query = f"target={quote(target, safe='')}&module={module}{more}"
        return self._asking.answer({"QUERY_STRING": query, "HTTP_ACCEPT": accept}, seconds)


def test_answer_has_the_metrics_of_one_probe() -> None:
    """200 with the outcome, whatever it is, and whoever keeps failures is told."""
    asker = Asker()
    with talking(OK) as server:
        good = asker.ask(server.url)
    bad = asker.ask(f"http://127.0.0.1:{free_port()}/")
    assert (good.status, bad.status) == ("200 OK", "200 OK")
    assert b"\nprobe_success 1\n" in good.body
    assert b"\nprobe_success 0\n" in bad.body
    assert [reason for *_, reason in asker.told] == ["", "refused"]


def test_answer_in_openmetrics_when_asked() -> None:
    """Prometheus' own Accept header gets OpenMetrics."""
    with talking(OK) as server:
        answer = Asker().ask(server.url, accept="application/openmetrics-text;version=1.0.0")
    assert answer.body.endswith(b"# EOF\n")
    assert answer.headers[0][1].startswith("application/openmetrics-text")


@pytest.mark.parametrize(
    ("target", "module", "status", "text"),
    [
        ("", "http_2xx", "400 Bad Request", "Say what to probe"),
        ("x" * 9000, "http_2xx", "400 Bad Request", "Say what to probe"),
        ("http://x/", "nope", "400 Bad Request", "Known: dns_soa, http_2xx"),
        ("ftp://x/", "http_2xx", "400 Bad Request", "no http or https URL"),
        ("http://u:p@x/", "http_2xx", "400 Bad Request", "basic_auth"),
        ("no-port", "tcp_connect", "400 Bad Request", "HOST:PORT"),
    ],
)
def test_answer_to_a_mistake_says_how_to_ask(target: str, module: str, status: str, text: str) -> None:
    """Nothing is probed, and the answer names the remedy."""
    asker = Asker()
    answer = asker.ask(target, module)
    assert answer.status == status
    assert text in answer.body.decode()
    assert asker.told == []


def test_answer_keeps_to_allowed_targets_also_behind_redirects() -> None:
    """Whoever may only ask for some targets reaches no other, not even by way of one of them."""
    with talking(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n") as server:
        asker = Asker(rf"http://127\.0\.0\.1:{server.port}/.*")
        assert asker.ask("http://127.0.0.1:1/").status == "403 Forbidden"
        asker.ask(server.url)
    assert asker.told == [(server.url, "http_2xx", "redirect")]


def test_answer_to_too_many_at_once_is_503() -> None:
    """A hanging target takes its place and no more; the next one is told at once."""
    asker = Asker(places=1)
    heard = threading.Event()

    def hang(connection: socket.socket) -> None:
        heard.set()
        connection.recv(10000)
        connection.recv(10000)

    with talking(hang) as server:
        first = threading.Thread(target=asker.ask, args=(server.url, "http_2xx", 0.5))
        first.start()
        assert heard.wait(3)
        assert asker.ask(server.url).status == "503 Service Unavailable"
        first.join()
        assert asker.ask(server.url, seconds=0.05).status == "200 OK"
    assert [reason for *_, reason in asker.told] == ["timeout", "timeout"]


def test_answer_for_debugging_tells_everything_but_secrets() -> None:
    """Steps with times, phases, response, metrics and module, without the password in any form it is known."""
    with talking(b"HTTP/1.1 500 Oops\r\nContent-Length: 8\r\n\r\nhunter22") as server:
        text = Asker().ask(server.url, "secret", more="&debug=true").body.decode()
    assert text.startswith("Probe failed at step 5 (check): status")
    assert all(f"\n{title}:\n" in text for title in ("Steps", "Phases", "Response", "Metrics", "Module"))
    assert "hunter22" not in text


def test_answer_leaves_no_descriptor() -> None:
    """200 probes leave as many open files as there were before."""
    asker, port = Asker(), free_port()
    asker.ask(f"http://127.0.0.1:{port}/")
    with socket.socket() as before:
        first = before.fileno()
    for _ in range(200):
        asker.ask(f"http://127.0.0.1:{port}/")
    with socket.socket() as after:
        assert after.fileno() == first


def test_answer_to_a_crowd_of_fields_is_400() -> None:
    """More fields than anybody needs are refused as what they are, a bad request."""
    answer = Asker().ask("h", more="&a=b" * 100)
    assert (answer.status, b"more fields" in answer.body) == ("400 Bad Request", True)


def test_question_of_a_long_query_is_not_kept() -> None:
    """Strangers who ask for something else and long each time fill no memory."""
    asking = Asking(DEFAULTS, Resolver(), (), 1, lambda *_: None)
    tracemalloc.start()
    for number in range(300):
        asking.question(f"target=h{number}&x=" + "y" * 50_000)
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 1_000_000


def test_rendered_keeps_no_long_text() -> None:
    """A target that shows another long certificate each time fills no memory."""
    before = len(asking_module._templates)
    family = Family(Metric("x", "gauge", "X.", ["subject"]))
    family.add(1.5, "y" * 50_000)
    assert asking_module._rendered([family], TEXT).endswith(b" 1.5\n")
    assert len(asking_module._templates) == before
