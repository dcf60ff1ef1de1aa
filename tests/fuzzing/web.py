"""What comes in by HTTP and by YAML: requests to every route, headers, TLS, configurations."""

# ruff: noqa: E501, ISC004 -- examples are data, one beside the other

import hashlib
import io
import json
import socket
import ssl
import warnings
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

import bcrypt
import msgspec
import yaml
from prometheus_client.parser import text_string_to_metric_families

from chassis import config_file, web_config
from chassis.basic_auth import BasicAuth, Verdict
from chassis.config_file import ConfigInvalid
from chassis.server import AddressUnusable, Server, parse_address
from chassis.tls import server_tls
from chassis.tls_channel import TlsChannels
from chassis.web_config import TlsServerConfig, WebConfig
from exporter import config
from exporter.app import Exporter
from exporter.errors import ConfigError
from exporter.exposition import OPENMETRICS, TEXT, negotiate, wants_gzip
from exporter.web import Application, scrape_seconds
from tests.fuzzing.machine import TARGETS, Run, Target, target

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_ROOT = Path(__file__).parents[2]
_TLS = _ROOT / "tests" / "fixtures" / "tls"
_EXAMPLE = (_ROOT / "exporter" / "exporter.yml").read_bytes()
_TOKEN = "fuzzing-token"

#: Targets that may be probed: nobody listens there.
_NOBODY = "127.0.0.1:1"


def _running(folder: Path) -> bytes:
    """A configuration of collectors that touch nothing but *folder* and a closed port."""
    for name in ("access.log", "error.log", "a.prom"):
        (folder / name).write_bytes(b"")
    (folder / "token").touch(mode=0o600)
    (folder / "token").write_text(_TOKEN)
    endpoint = {"url": "/", "interval_seconds": 3600.0, "timeout_seconds": 0.5, "sla_seconds": 0.1}
    step = {"name": "cart", "url": "/cart", "timeout_seconds": 0.5}
    collectors = {
        "resources": {"proc_root": str(_ROOT / "tests" / "fixtures" / "proc")},
        "traffic": {"services": {"shop": {"path": f"{folder}/access.log"}}, "state_directory": str(folder)},
        "error_log": {
            "services": {"shop": {"path": f"{folder}/error.log"}},
            "reports": {"token_file": f"{folder}/token", "max_patterns": 20},
            "state_directory": str(folder),
        },
        "deployments": {"token_file": f"{folder}/token", "max_services": 20, "keep": 20, "state_directory": str(folder)},
        "dropin": {"folders": [str(folder)]},
        "coverage": {"reports": {"x": {"path": f"{folder}/none.xml"}}},
        "quality": {"reports": {"x": {"path": f"{folder}/none.xml"}}},
        "probes": {"allow_targets": [rf"(https?://)?{_NOBODY}(/.*)?"]},
        "journeys": {"journeys": {"buy": {"base_url": f"http://{_NOBODY}", "interval_seconds": 0, "timeout_seconds": 1, "steps": [step]}}},
        "api_checks": {"services": {"shop": {"base_url": f"http://{_NOBODY}", "endpoints": {"home": endpoint}}}},
    }  # fmt: skip
    return json.dumps({"collectors": collectors}).encode()


def _request(line: str, *headers: str, body: bytes = b"") -> bytes:
    return "\r\n".join([line, *headers, "", ""]).encode() + body


_BEARER = f"Authorization: Bearer {_TOKEN}"
_REQUESTS = (
    _request("GET /metrics", "Accept: application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.3", "Accept-Encoding: gzip"),
    _request("GET /metrics?x=1", "X-Prometheus-Scrape-Timeout-Seconds: 10"),
    _request("HEAD /-/healthy"),
    _request("GET /"),
    _request("POST /-/reload", "Content-Length: 0"),
    _request(f"GET /probe?target=http://{_NOBODY}/&module=http_2xx&debug=true"),
    _request(f"GET /probe?target={_NOBODY}&module=tcp_connect"),
    _request("GET /probes?format=json", "Accept: text/html"),
    _request("GET /journeys?format=json"),
    _request("GET /journey?name=buy&debug=true"),
    _request("GET /journeys/screenshot?name=buy"),
    _request("GET /api_checks?service=shop&endpoint=home"),
    _request("GET /deployments?service=shop"),
    _request("POST /deployments", _BEARER, body=b'{"service":"shop","version":"1.2","commit":"0123abc","time":1700000000}'),
    _request("POST /errors", _BEARER, body=b'{"error":"no f()","service":"shop","user_id":7,"stack_trace":"#0","context":{"a":1}}'),
)  # fmt: skip
_REQUEST_TOKENS = (
    b"%00", b"%0d%0aX: y", b"%F0%9F%92%A9", b"%E0%80", b"?", b"&", b"=", b"&a=b" * 40, b"/..", b"//", b"POST ", b"PUT ", b"OPTIONS * ",
    b"target=", b"module=icmp", b"module=dns_soa", b"name=", b"Content-Length: -1\r\n", b"Content-Length: 99999999999999999999\r\n",
    b"Authorization: Bearer \xe9\r\n", b"Authorization: Basic Og==\r\n", b"Accept: */*;q=x\r\n", b"Accept-Encoding: *;q=0\r\n", b"debug=true",
)  # fmt: skip

#: What the application may answer; anything else, 500 first of all, is a fault.
_STATUSES = (
    "200",
    "202",
    "204",
    "301",
    "302",
    "303",
    "400",
    "401",
    "403",
    "404",
    "405",
    "409",
    "411",
    "413",
    "415",
    "429",
    "503",
)


def _environ(data: bytes) -> dict[str, Any]:
    """The WSGI environment of a request: a line with method and target, headers, a blank line, the body."""
    head, _, body = data.partition(b"\r\n\r\n")
    line, *headers = head.split(b"\r\n")
    method, _, aim = line.decode("latin-1").replace("\n", "").partition(" ")
    path, _, query = aim.partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method or "GET",
        "PATH_INFO": unquote_to_bytes(path.encode("latin-1")).decode("latin-1"),
        "QUERY_STRING": query,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        "wsgi.url_scheme": "http",
        "REMOTE_ADDR": "203.0.113.9",
        "SERVER_NAME": "x",
        "SERVER_PORT": "1",
    }
    for header in headers:
        name, _, value = header.decode("latin-1").partition(":")
        key = name.strip().upper().replace("-", "_")
        environ[key if key == "CONTENT_LENGTH" else f"HTTP_{key}"] = value.strip().replace("\n", "")
    return environ


@target(_REQUESTS, tokens=_REQUEST_TOKENS, share=0.8)
def application(folder: Path) -> Iterator[Run]:
    """Any request to any route of an exporter that runs; each is answered well, and /metrics stays what it was."""
    path = folder / "exporter.yml"
    path.write_bytes(_running(folder))
    exporter = Exporter(path, config.known_collectors())
    answer = Application(exporter)
    asked = [0]

    def ask(environ: dict[str, Any]) -> bytes:
        begun: list[tuple[str, Sequence[tuple[str, str]]]] = []
        body = b"".join(_answered(answer(environ, lambda status, headers, *_: begun.append((status, headers)))))  # type: ignore[arg-type, func-returns-value]
        ((status, headers),) = begun
        assert status[:3] in _STATUSES, f"{status}: {body[:200]!r}"
        for name, value in headers:
            assert (name + value).isprintable(), f"header {name!r}: {value!r}"
            value.encode("latin-1")
        length = int(dict(headers)["Content-Length"])
        assert length == len(body) or environ["REQUEST_METHOD"] == "HEAD"
        return body

    def run(data: bytes) -> None:
        ask(_environ(data))
        asked[0] += 1
        if asked[0] % 200 == 0:
            text = ask(_environ(b"GET /metrics")).decode()
            assert sum(1 for _ in text_string_to_metric_families(text)) > 20

    yield run
    exporter.close()


def _answered(pieces: "Iterable[bytes]") -> "Iterable[bytes]":
    for piece in pieces:
        assert isinstance(piece, bytes)
        yield piece


@target(
    (
        b"application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.3",
        b"gzip, deflate;q=0.5, *;q=0",
        b"10",
        b"0.5",
    ),
    tokens=(b";q=", b"version=", b",", b"*/*", b"text/*"),
)
def request_headers(_folder: Path) -> Run:
    """The headers that a scrape is negotiated by."""

    def run(data: bytes) -> None:
        header = data.decode("latin-1")
        assert negotiate.__wrapped__(header) in (TEXT, OPENMETRICS)
        assert wants_gzip.__wrapped__(header) in (True, False)
        assert 0.1 <= scrape_seconds(header) <= 120

    return run


@target(
    (b"Basic YW5uOnNlY3JldA==", b"Basic YW5uOg==", b"basic  OnM=", b"Bearer x"),
    tokens=(b"Basic ", b"=", b"AAAA", b"//8="),
    share=0.03,
)
def basic_auth(_folder: Path) -> Run:
    """Any Authorization header: admitted only with the password."""
    hashed = bcrypt.hashpw(b"secret", bcrypt.gensalt(4)).decode()
    users = BasicAuth({"ann": hashed})

    def run(data: bytes) -> None:
        header = data.decode("latin-1")
        verdict = users.check(header)
        assert verdict is Verdict.DENIED or header.strip().lower().startswith("basic")

    return run


@target((b"127.0.0.1:19100", b"[::1]:0", b":9"), AddressUnusable, tokens=(b":", b"[", b"]"), share=0.3)
def listen_address(_folder: Path) -> Run:
    """Any text as an address to listen on."""

    def run(data: bytes) -> None:
        _, port = parse_address(data.decode("utf-8", "replace"))
        assert 0 <= port < 65536

    return run


def _client_hello() -> bytes:
    outgoing = ssl.MemoryBIO()
    context = ssl.create_default_context()
    with suppress(ssl.SSLWantReadError):
        context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname="localhost").do_handshake()
    return outgoing.read()


def _hello(environ: dict[str, Any], start_response: Any) -> list[bytes]:  # noqa: ANN401 -- WSGI
    body = hashlib.sha256(environ["PATH_INFO"].encode("latin-1")).hexdigest().encode()
    start_response("200 OK", [("Content-Length", str(len(body)))])
    return [body]


@target(
    (_client_hello(), b"GET / HTTP/1.1\r\n\r\n"),
    tokens=(b"\x16\x03\x01\xff\xff", b"\x15\x03\x03\0\x02\x02\x28", b"\x17\x03\x03"),
    share=0.02,
)
def tls_server(_folder: Path) -> Iterator[Run]:
    """Bytes where a handshake should be; who speaks TLS is served all the same."""
    tls = server_tls(TlsServerConfig(cert_file=str(_TLS / "localhost.pem"), key_file=str(_TLS / "localhost.key")))
    channels = TlsChannels(lambda: tls)
    trusting = ssl.create_default_context(cafile=str(_TLS / "localhost.pem"))
    trusting.check_hostname, trusting.verify_mode = False, ssl.CERT_NONE
    asked = [0]
    with Server(_hello, ["127.0.0.1:0"], threads=1, channels=channels) as server:
        host, _, port = server.addresses[0].rpartition(":")

        def run(data: bytes) -> None:
            with socket.create_connection((host, int(port)), 1) as connection:
                connection.sendall(data[:20_000])
            asked[0] += 1
            if asked[0] % 25 == 0:
                with socket.create_connection((host, int(port)), 5) as plain, trusting.wrap_socket(plain) as secure:
                    secure.sendall(b"GET /x HTTP/1.0\r\n\r\n")
                    assert secure.recv(100).startswith(b"HTTP/1.0 200")
                assert len(channels.shaking) <= 200

        yield run


@target(
    (
        b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    ),
    tokens=(b"\r\n", b"Content-Length: 3\r\n", b"chunked", b"HTTP/0.9"),
    share=0.02,
)
def http_server(_folder: Path) -> Iterator[Run]:
    """Bytes where a request should be; who speaks HTTP is served all the same."""
    asked = [0]
    with Server(_hello, ["127.0.0.1:0"], threads=1) as server:
        host, _, port = server.addresses[0].rpartition(":")

        def run(data: bytes) -> None:
            with socket.create_connection((host, int(port)), 1) as connection:
                connection.sendall(data[:20_000])
            asked[0] += 1
            if asked[0] % 25 == 0:
                with socket.create_connection((host, int(port)), 5) as connection:
                    connection.sendall(b"GET /x HTTP/1.0\r\n\r\n")
                    assert connection.recv(100).startswith(b"HTTP/1.0 200")

        yield run


_WEB_CONFIG = (
    b"tls_server_config: {cert_file: a.pem, key_file: a.key, min_version: TLS13, cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]}\n"
    b"basic_auth_users: {ann: $2y$10$zLU3Dzl1RnLZxjqGYWVCwOiYfCpWMXMC5T9iKeXkPhkJmE.qHr9iW}\nrate_limit: {interval: 100ms, burst: 3}\n",
    b'{"http_server_config":{"http2":true,"headers":{"X-Frame-Options":"DENY"}},"tls_server_config":{"cert_file":"a","key_file":"b"}}',
)  # fmt: skip
_YAML_TOKENS = (
    b": ", b"- ", b"\n  ", b"? ", b"|\n", b">\n", b"&a ", b"*a", b"<<: ", b"!!binary ", b"!!timestamp ", b"!!set ", b"!!omap ", b"!!float ", b"!!int ",
    b"!!pairs [a]", b"!!bool x", b"!!null x", b"%YAML 1.9\n", b"%TAG ! x\n", b"---\n", b"...\n", b"{", b"[", b"'", b'"\\ud800"', b'"\\U0010ffff"', b"2001-99-99",
    b"1:60:60", b"0b2", b".inf", b".nan", b"=", b"!<x>", b"\t", b"collectors: ",
)  # fmt: skip


@target(_WEB_CONFIG, ConfigInvalid, tokens=_YAML_TOKENS, tree=True, share=0.1)
def web_config_file(folder: Path) -> Run:
    """Any file as --web.config.file."""
    path = folder / "web.yml"

    def run(data: bytes) -> None:
        path.write_bytes(data)
        found = web_config.load(path)
        assert isinstance(found, WebConfig)

    return run


@target(
    (_EXAMPLE[:3000], b"collectors: {resources: {}}\n", *_WEB_CONFIG), ConfigInvalid, tokens=_YAML_TOKENS, share=0.08
)
def yaml_file(folder: Path) -> Run:
    """Any file as YAML."""
    path = folder / "any.yml"

    def run(data: bytes) -> None:
        path.write_bytes(data[:20_000])
        config_file.read(path)

    return run


@target((_EXAMPLE, b"collectors:\n  resources:\n  probes: {}\n"), ConfigError, tokens=_YAML_TOKENS, share=0.01)
def exporter_file(folder: Path) -> Run:
    """Any file as the exporter's configuration."""
    path = folder / "exporter.yml"
    known = config.known_collectors()

    def run(data: bytes) -> None:
        path.write_bytes(data)
        config.load(path, known)

    return run


def _sections() -> dict[str, object]:
    """Each collector's section of the example."""
    found: dict[str, object] = yaml.safe_load(_EXAMPLE)["collectors"]
    return {name: section or {} for name, section in found.items()}


def _add_sections() -> None:
    """A target for each collector's section, as plain objects: YAML has one of its own."""
    known = config.known_collectors()
    for name, section in _sections().items():
        into = known[name].config

        def prepare(_folder: Path, into: type[msgspec.Struct] = into, name: str = name) -> Run:
            def run(data: bytes) -> None:
                try:
                    document = json.loads(data.decode())
                    json.dumps(document, ensure_ascii=False).encode()  # YAML gives no lone surrogates either
                except (ValueError, RecursionError):
                    return
                config_file.decode(document, into, name)

            return run

        title = f"config_{name}"
        seeds = (json.dumps(section).encode(),)
        TARGETS[title] = Target(title, prepare, seeds, (ConfigInvalid,), tree=True, share=0.15)


warnings.filterwarnings(
    "ignore", "Possible (nested set|set)", FutureWarning
)  # Python's about patterns that were damaged
_add_sections()
