import http.client
import json
import re
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from demo.breakage import Breakage
from demo.configs import ROOT
from demo.processes import Child, command_line, free_ports
from demo.service import BREAK_HEADER, Answer, Server, Shop, break_it, main
from demo.vitals import Vitals, living_pid
from demo.waiting import until

# What nginx calls combined, and its $request_time.
COMBINED = re.compile(r'127\.0\.0\.1 - - \[[^]]+\] "GET /products HTTP/1\.1" 200 \d+ "-" "[^"]*" \d+\.\d{3}')


@pytest.fixture
def shop(vitals: Vitals) -> Iterator[Server]:
    """The service on a free port, without worker and visitors."""
    with (
        vitals.place.access_log.open("a", encoding="utf-8") as log,
        Server(("127.0.0.1", 0), Answer) as server,
    ):
        Answer.shop = Shop(vitals, Breakage(vitals), log)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield server
        server.shutdown()


def _ask(server: Server, method: str, path: str, headers: dict[str, str] | None = None) -> tuple[int, object]:
    """One request: status and decoded body."""
    connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=10)
    connection.request(method, path, headers=headers or {})
    response = connection.getresponse()
    answer = response.status, json.loads(response.read())
    connection.close()
    return answer


def _url(server: Server) -> str:
    """The service's address."""
    return f"http://127.0.0.1:{server.server_address[1]}"


@pytest.mark.parametrize("path", ["/", "/products", "/cart", "/health/resources", "/health/system"])
def test_get_known_path_is_answered(shop: Server, path: str) -> None:
    """Pages and health documents are there."""
    assert _ask(shop, "GET", path)[0] == 200


def test_get_unknown_path_is_404(shop: Server) -> None:
    """Anything else is not."""
    assert _ask(shop, "GET", "/nothing")[0] == 404
    assert _ask(shop, "POST", "/nothing")[0] == 404


def test_request_writes_an_access_log_line(shop: Server, vitals: Vitals) -> None:
    """Each request leaves a line in combined format with its time at the end."""
    _ask(shop, "GET", "/products")
    assert COMBINED.fullmatch(vitals.place.access_log.read_text(encoding="utf-8").strip())


def test_post_break_fills_the_log_folder(shop: Server, vitals: Vitals) -> None:
    """Breaking is a POST that answers when it is broken."""
    answer = break_it(_url(shop), "disk")
    assert answer["broken"] == "disk"
    assert vitals.disk_ratio() > 0.85


def test_post_break_without_header_is_refused(shop: Server, vitals: Vitals) -> None:
    """A web page of another origin cannot send the header, so it cannot break anything."""
    assert _ask(shop, "POST", "/break/disk")[0] == 403
    assert vitals.disk_ratio() < 0.01


def test_post_break_errors_makes_pages_fail(shop: Server) -> None:
    """After breaking it so, some of the next requests are answered 500."""
    _ask(shop, "POST", "/break/errors", {BREAK_HEADER: "1"})
    assert 500 in {_ask(shop, "POST", "/checkout")[0] for _ in range(60)}


def test_break_it_unknown_way_says_so(shop: Server) -> None:
    """The client passes the service's explanation on."""
    with pytest.raises(RuntimeError, match='no way to break "dsik"'):
        break_it(_url(shop), "dsik")


def test_main_break_without_service_fails_clearly(capsys: pytest.CaptureFixture[str]) -> None:
    """Nobody listens: exit 1 and the reason."""
    assert main(["break", "disk", "--url", "http://127.0.0.1:1"]) == 1
    assert "refused" in capsys.readouterr().err


def test_serve_starts_a_worker_and_ends_it(tmp_path: Path) -> None:
    """The running service has a living worker; SIGTERM ends both."""
    child = _served(tmp_path)
    try:
        pid = until(lambda: living_pid(tmp_path / "worker.pid"), "the worker", 10)
    finally:
        child.stop()
    until(lambda: not command_line(pid), "the worker's end", 10)
    assert not (tmp_path / "worker.pid").exists()


def test_serve_visitors_leave_lines(tmp_path: Path) -> None:
    """With visitors there is traffic without anybody asking."""
    child = _served(tmp_path, "--visitors-per-second", "200")
    log = tmp_path / "logs" / "access.log"
    try:
        until(lambda: log.exists() and '"visitor"' in log.read_text(encoding="utf-8"), "a visitor's line", 10)
    finally:
        child.stop()


def _served(folder: Path, *more: str) -> Child:
    """The service as a process of its own."""
    port = free_ports(1)[0]
    argv = [sys.executable, "-m", "demo.service", "serve", "--listen", f"127.0.0.1:{port}"]
    argv += ["--logs", str(folder / "logs"), "--cache", str(folder / "cache")]
    argv += ["--pid-file", str(folder / "worker.pid"), *more]
    child = Child("service", argv, folder / "service.log", {"PYTHONPATH": str(ROOT)})
    child.start()
    return child
