import argparse
import http.client
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from chassis import web
from chassis.config_file import ConfigInvalid
from chassis.server import AddressUnusable

ROOT = Path(__file__).resolve().parents[2]


def options(**given: object) -> argparse.Namespace:
    """A command line."""
    return argparse.Namespace(
        **{"web_config_file": None, "systemd_socket": False, "listen": ["127.0.0.1:0"], "route_prefix": "", **given}
    )


def hello(*_: object) -> list[bytes]:
    """An application that is not asked."""
    return []


def test_serve_is_plain_http_on_the_addresses_given() -> None:
    """The default."""
    with web.serve(hello, options(), 19100, threads=1, max_body_bytes=100) as server:
        assert server.addresses[0].startswith("127.0.0.1:")


def test_serve_refuses_a_body_that_is_too_large() -> None:
    """Before any of it has come: nobody fills the disk with what no application would take."""
    with web.serve(hello, options(), 19100, threads=1, max_body_bytes=100) as server:
        connection = http.client.HTTPConnection(server.addresses[0], timeout=30)
        connection.putrequest("POST", "/")
        connection.putheader("Content-Length", "101")
        connection.endheaders()
        assert connection.getresponse().status == 413
        connection.close()


def test_security_without_a_file_loads_neither_tls_nor_bcrypt() -> None:
    """Who does not use them does not pay for them."""
    code = "import sys; from chassis import web; web.security(None); sys.exit(len({'ssl', 'bcrypt'} & {*sys.modules}))"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False, timeout=60).returncode == 0


def test_security_of_a_missing_file_is_an_error(tmp_path: Path) -> None:
    """A protection that was asked for is not left out."""
    with pytest.raises(ConfigInvalid, match="cannot be read"):
        web.security(tmp_path / "none.yml")


@pytest.mark.parametrize(
    "environment", [{}, {"LISTEN_PID": "1", "LISTEN_FDS": "1"}, {"LISTEN_PID": "self", "LISTEN_FDS": "0"}]
)
def test_systemd_sockets_that_are_not_there_are_an_error(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]
) -> None:
    """Not started by a socket unit, meant for another process, or none at all."""
    for name in ("LISTEN_PID", "LISTEN_FDS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value.replace("self", str(web.os.getpid())))
    with pytest.raises(AddressUnusable, match="systemd handed no socket over"):
        web.systemd_sockets()


def test_serve_takes_systemds_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    """The descriptors after the third are listened on, whatever the addresses say."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        monkeypatch.setattr(web, "_FIRST_DESCRIPTOR", listening.fileno())
        monkeypatch.setenv("LISTEN_PID", str(web.os.getpid()))
        monkeypatch.setenv("LISTEN_FDS", "1")
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        with web.serve(hello, options(systemd_socket=True), 19100, threads=1, max_body_bytes=100) as server:
            assert server.addresses == [address]
        listening.detach()


def below(path: str, method: str = "GET") -> tuple[str, list[str], bytes]:
    """Status, what the application was asked for, and the body, of a request to a server below `/night/shift`."""
    said: list[str] = []
    asked: list[str] = []

    def application(environ: dict[str, str], start: Callable[..., object]) -> list[bytes]:
        asked.extend((environ["SCRIPT_NAME"], environ["PATH_INFO"]))
        start("200 OK", [])
        return [b"hello"]

    environ = {"PATH_INFO": path, "REQUEST_METHOD": method}
    body = b"".join(web.Below(application, "night/shift/")(environ, lambda status, _: said.append(status)))  # type: ignore[arg-type]
    return said[0], asked, body


@pytest.mark.parametrize(
    ("path", "inner"), [("/night/shift/metrics", "/metrics"), ("/night/shift/", "/"), ("/night/shift", "/")]
)
def test_below_strips_the_prefix(path: str, inner: str) -> None:
    """The application sees its own paths, and where it is for its links."""
    assert below(path) == ("200 OK", ["/night/shift", inner], b"hello")


@pytest.mark.parametrize("path", ["/", "/metrics", "/night/shifts", "/night"])
def test_below_serves_nothing_else(path: str) -> None:
    """A path beside the prefix is told where the rest is."""
    status, asked, body = below(path)
    assert (status, asked) == ("404 Not Found", [])
    assert b"/night/shift/" in body
    assert below(path, "HEAD")[2] == b""
