import contextlib
import http.client
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from chassis import server
from chassis.server import AddressUnusable, Server, connection_limit, parse_address

Application = Callable[[dict[str, object], Callable[..., object]], Iterable[bytes]]
ROOT = Path(__file__).resolve().parents[2]

#: A daemon whose only request takes until a line comes on its standard input.
DAEMON = """
import sys, threading
from chassis.server import Server, Signals

def app(environ, start):
    if environ["PATH_INFO"] == "/slow":
        print("working", flush=True)
        release.wait(20)
    start("200 OK", [("Content-Length", "4")])
    return [b"done"]

def reload():
    reloads.append(1)
    print(f"reloads {len(reloads)}", flush=True)
    if len(reloads) == 1:
        raise RuntimeError("the first reload fails")

release, reloads = threading.Event(), []
threading.Thread(target=lambda: (sys.stdin.readline(), release.set()), daemon=True).start()
signals = Signals()
with Server(app, ["127.0.0.1:0"], threads=2) as running:
    print(running.addresses[0], flush=True)
    signals.until_stopped(reload)
print("stopped", flush=True)
"""


def hello(environ: dict[str, object], start: Callable[..., object]) -> Iterable[bytes]:
    """Reads the body and answers its length."""
    body = environ["wsgi.input"].read()  # type: ignore[attr-defined]
    start("200 OK", [("Content-Type", "text/plain")])
    return [str(len(body)).encode()]


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Starts servers that end with the test."""
    with ExitStack() as stack:
        yield lambda *addresses, **options: stack.enter_context(
            Server(hello, addresses or ("127.0.0.1:0",), threads=2, **options)
        )


def ask(address: str, body: bytes = b"") -> tuple[int, bytes]:
    """Status and body of one POST."""
    host, port = parse_address(address)
    connection = http.client.HTTPConnection(host, port, timeout=20)
    with contextlib.closing(connection):
        connection.request("POST", "/", body=body)
        answer = connection.getresponse()
        return answer.status, answer.read()


@pytest.fixture
def daemon() -> Iterator[subprocess.Popen[str]]:
    """A process that serves; ended after the test."""
    process = subprocess.Popen(
        [sys.executable, "-c", DAEMON],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with process:
        yield process
        process.kill()


def read_line(process: subprocess.Popen[str]) -> str:
    """The next line that it prints."""
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_server_answers_on_every_address(serve: Callable[..., Server]) -> None:
    """Two addresses of both families, with the ports that the kernel chose."""
    first, second = serve("127.0.0.1:0", "[::1]:0").addresses
    assert second.startswith("[::1]:")
    assert ask(first, b"abc") == ask(second, b"abc") == (200, b"3")


def test_server_body_over_the_limit_is_413(serve: Callable[..., Server]) -> None:
    """The bound holds to the byte, and the application never sees more."""
    [address] = serve(max_body_bytes=1000).addresses
    assert ask(address, b"x" * 999) == (200, b"999")
    assert ask(address, b"x" * 1001)[0] == 413


def test_server_half_open_clients_stop_nobody(serve: Callable[..., Server]) -> None:
    """300 clients that stop in the middle of their headers take no thread."""
    [address] = serve().addresses
    with ExitStack() as clients:
        for _ in range(300):
            client = clients.enter_context(socket.create_connection(parse_address(address), timeout=20))
            client.sendall(b"POST / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        assert ask(address, b"ok") == (200, b"2")


def test_server_takes_more_than_1024_connections(serve: Callable[..., Server]) -> None:
    """A storm opens more connections than select() can watch; the last one is served, and so is the first."""
    [address] = serve().addresses
    host, port = parse_address(address)
    with ExitStack() as clients:
        connections = [clients.enter_context(socket.create_connection((host, port), timeout=20)) for _ in range(1100)]
        assert ask(address) == (200, b"0")
        connections[0].sendall(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
        assert connections[0].recv(100).startswith(b"HTTP/1.1 200 OK")


def test_server_stop_answers_what_came_before() -> None:
    """A request that runs when the stop begins gets its whole answer, an idle connection is closed."""
    working, release = threading.Event(), threading.Event()

    def slow(_environ: dict[str, object], start: Callable[..., object]) -> Iterable[bytes]:
        working.set()
        release.wait(20)
        start("200 OK", [("Content-Length", "5")])
        return [b"whole"]

    running = Server(slow, ["127.0.0.1:0"], threads=1)
    with running, socket.create_connection(parse_address(running.addresses[0]), timeout=20) as client:
        idle = socket.create_connection(parse_address(running.addresses[0]), timeout=20)
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert working.wait(20)
        stop = threading.Thread(target=running.__exit__, args=(None, None, None))
        stop.start()
        assert idle.recv(1) == b""
        release.set()
        stop.join(20)
        assert client.makefile("rb").read().endswith(b"whole")
        idle.close()


def test_server_stop_keeps_the_wake_up_pipe_of_a_thread_that_hangs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that answers after the stop must not write its wake-up byte into another file's descriptor."""
    monkeypatch.setattr(server, "DRAIN_SECONDS", 0.0)
    working, release, ended = threading.Event(), threading.Event(), threading.Event()

    def hung(_environ: dict[str, object], start: Callable[..., object]) -> Iterable[bytes]:
        working.set()
        release.wait(20)
        start("200 OK", [])
        ended.set()
        return [b""]

    running = Server(hung, ["127.0.0.1:0"], threads=1)
    with socket.create_connection(parse_address(running.addresses[0]), timeout=20) as client:
        with running:
            client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert working.wait(20)
        pipe = running._waitress.trigger.trigger
        assert os.fstat(pipe)
        release.set()
        assert ended.wait(20)
    running._waitress.trigger.close()


def test_server_address_in_use_is_told_and_leaves_nothing_open(serve: Callable[..., Server]) -> None:
    """A taken port is named; the addresses before it are let go of."""
    [taken] = serve().addresses
    with pytest.raises(
        AddressUnusable, match=rf"^cannot listen on {taken}: Address already in use; free it or give another "
    ):
        Server(hello, ["127.0.0.1:0", taken])


def test_server_address_given_twice_is_told() -> None:
    """The same address twice is a mistake with a message, not a traceback."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    with pytest.raises(AddressUnusable, match="Address already in use"):
        Server(hello, [address, address])


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [(":9093", "0.0.0.0", 9093), ("[::1]:80", "::1", 80), ("127.0.0.1:0", "127.0.0.1", 0), ("a.b:1", "a.b", 1)],
)
def test_parse_address_gives_host_and_port(text: str, host: str, port: int) -> None:
    """The three spellings of Prometheus' own flag."""
    assert parse_address(text) == (host, port)


@pytest.mark.parametrize("text", ["", "127.0.0.1", "a:b", "a:-1", "a:65536", "a:" + "9" * 5000, "a:", "::1"])
def test_parse_address_malformed_is_told(text: str) -> None:
    """What is no address is answered with an example of one."""
    if text == "::1":
        assert parse_address(text) == (":", 1)
        return
    with pytest.raises(AddressUnusable, match=r"write HOST:PORT, e\.g\. 127\.0\.0\.1:19093"):
        parse_address(text)


@pytest.mark.parametrize("address", ["nowhere.invalid:80", "192.0.2.1:80"])
def test_server_address_that_is_not_ours_is_told(address: str) -> None:
    """An unknown name and another machine's address."""
    with pytest.raises(AddressUnusable, match=f"^cannot listen on {address}: "):
        Server(hello, [address])


def test_connection_limit_raises_the_soft_limit_of_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that starts with 1,024 descriptors gets as many as connections need, as far as it may."""
    limits = {"now": (1024, 2000)}
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: limits["now"])
    monkeypatch.setattr(resource, "setrlimit", lambda _kind, value: limits.update(now=value))
    assert connection_limit() == 2000 - server.OTHER_DESCRIPTORS
    assert limits["now"] == (2000, 2000)


@pytest.mark.parametrize("hard", [10**6, resource.RLIM_INFINITY])
def test_connection_limit_is_never_over_what_is_needed(monkeypatch: pytest.MonkeyPatch, hard: int) -> None:
    """With room to spare the limit is ours."""
    monkeypatch.setattr(resource, "getrlimit", lambda _kind: (1024, hard))
    monkeypatch.setattr(resource, "setrlimit", lambda _kind, _value: None)
    assert connection_limit() == server.CONNECTION_LIMIT


def test_until_stopped_sigterm_drains_and_exits_0(daemon: subprocess.Popen[str]) -> None:
    """SIGTERM while a request runs: the request is answered, then the process ends with status 0."""
    address = read_line(daemon)
    with socket.create_connection(parse_address(address), timeout=20) as client:
        client.sendall(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n")
        assert read_line(daemon) == "working"
        daemon.send_signal(signal.SIGTERM)
        assert daemon.stdin is not None
        daemon.stdin.write("go\n")
        daemon.stdin.flush()
        assert client.makefile("rb").read().endswith(b"done")
    assert read_line(daemon) == "stopped"
    assert daemon.wait(20) == 0


def test_until_stopped_sighup_reloads_and_survives_a_failing_reload(daemon: subprocess.Popen[str]) -> None:
    """The first reload raises, the second counts, SIGINT ends it with status 0."""
    read_line(daemon)
    for number in (1, 2):
        daemon.send_signal(signal.SIGHUP)
        assert read_line(daemon) == f"reloads {number}"
    daemon.send_signal(signal.SIGINT)
    assert read_line(daemon) == "stopped"
    assert daemon.wait(20) == 0


def test_until_stopped_a_hail_of_signals_never_deadlocks(daemon: subprocess.Popen[str]) -> None:
    """A signal that comes while another one is being received must not block the process for ever."""
    read_line(daemon)
    for _ in range(2000):
        daemon.send_signal(signal.SIGHUP)
    daemon.send_signal(signal.SIGTERM)
    assert daemon.communicate(timeout=30)[0].endswith("stopped\n")
    assert daemon.returncode == 0
