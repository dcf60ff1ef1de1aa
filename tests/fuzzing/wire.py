"""What servers can answer: HTTP, DNS, certificates, Redis, PostgreSQL, MySQL, AMQP, Celery's workers, systemctl."""

# ruff: noqa: E501 -- examples are data, one beside the other

import base64
import gzip
import json
import socket
import zlib
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from ssl import PEM_cert_to_DER_cert
from urllib.parse import urlsplit

import msgspec

from chassis.redaction import readable, redact, well_formed
from exporter.checks import pidbox, systemd
from exporter.checks.mysql import MysqlRule
from exporter.checks.outcome import CheckFailed, outcome_of
from exporter.checks.postgresql import PostgresqlRule
from exporter.checks.rabbitmq import RabbitmqRule
from exporter.checks.redis import RedisRule
from exporter.checks.resp import RedisSession, ReplyError
from exporter.checks.scram import Scram, ScramRefused
from exporter.checks.wire import Wire
from exporter.exposition import OPENMETRICS, TEXT
from exporter.probing import asking, certificates, dns_messages, http_request, icmp
from exporter.probing.attempt import Attempt, ProbeFailed, TlsFacts
from exporter.probing.certificates import Certificate, CertificateUnreadable
from exporter.probing.dns_messages import DnsMalformed
from exporter.probing.http import HttpFacts
from exporter.probing.http_response import Response
from exporter.probing.listener import parse_headers
from exporter.probing.modules import DEFAULTS
from exporter.probing.resolving import parse_hosts, parse_resolv_conf
from exporter.walks import client, template
from exporter.walks.cookies import CookieJar
from exporter.walks.findings import Capture, Place, Rule
from exporter.walks.message import Deadline, Reply, Request, StepFailed, origin_of
from exporter.walks.schema import schema_check
from exporter.walks.secret_words import SecretWords
from exporter.walks.tls import TlsRule
from exporter.walks.visitor import _target as redirect_target
from tests.exporter.peers import Canned, said_in
from tests.fuzzing.machine import Run, target

_FIXTURES = Path(__file__).parents[1] / "fixtures"

_HTTP = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: 5\r\nSet-Cookie: a=b; Path=/\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nTrailer: z\r\n\r\n",
    b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 404 Not Found\r\nServer: x\r\n\r\nuntil the end",
    b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n"
    % (len(gzip.compress(b"x" * 900, mtime=0)), gzip.compress(b"x" * 900, mtime=0)),
    b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\nContent-Length: %d\r\n\r\n%b"
    % (len(zlib.compress(b"{}" * 99)), zlib.compress(b"{}" * 99)),
    b"HTTP/1.1 302 Found\r\nLocation: //elsewhere/%20\r\nContent-Length: 0\r\n\r\n",
)
_HTTP_TOKENS = (
    b"\r\n\r\n", b"Content-Length: 0\r\n", b"Content-Length: -1\r\n", b"Transfer-Encoding: chunked\r\n", b"0\r\n\r\n", b"ffffffff\r\n",
    b"HTTP/1.1 ", b"HTTP/1.1 100 C\r\n\r\n", b" 204 ", b"\r\n ", b": ", b"Content-Encoding: gzip\r\n", b"Content-Encoding: br\r\n",
    b"Connection: keep-alive\r\n", b"X: " + b"y" * 9000 + b"\r\n", b"a: b\r\n" * 300,
)  # fmt: skip


@target(_HTTP, ProbeFailed, tokens=_HTTP_TOKENS, share=1.5)
def http_response(_folder: Path) -> Run:
    """A response, whole and in pieces: the same comes out, within its bounds."""

    def read(pieces: Sequence[bytes]) -> tuple[object, ...]:
        response = Response("GET", 20_000, 2000, decompress=True)
        try:
            if not any(response.feed(piece) for piece in pieces):
                response.end()
        except ProbeFailed as error:
            return (error.reason,)
        assert len(response.body) <= 2000
        assert response.decoded <= 20_000
        return response.status, response.headers, bytes(response.body), response.complete

    def run(data: bytes) -> None:
        if not data:
            return
        size = 1 + len(data) // 7
        pieces = [data[at : at + size] for at in range(0, len(data), size)]
        whole, parts = read([data]), read(pieces)
        assert whole == parts or "too_large" in (whole[0], parts[0]), f"whole {whole!r:.200}, in pieces {parts!r:.200}"

    return run


class _Socket:
    """A connection on which all that comes has come."""

    def __init__(self, said: bytes) -> None:
        self._said = BytesIO(said)

    def settimeout(self, _seconds: float) -> None:
        """There is no time."""

    def send(self, data: bytes) -> int:
        """Nobody listens."""
        return len(data)

    def recv_into(self, buffer: bytearray) -> int:
        """What has come."""
        return self._said.readinto(buffer)

    def close(self) -> None:
        """Nothing is open."""


class _CannedClient(client.Client):
    """A client whose server has said everything already."""

    said = b""

    def _open(self, *_: object) -> socket.socket:
        return _Socket(self.said)  # type: ignore[return-value]


@target(_HTTP, StepFailed, tokens=_HTTP_TOKENS, share=0.5)
def http_client(_folder: Path) -> Run:
    """An answer to a step of a journey, read by http.client below; its cookies, location and text after it."""
    asked = _CannedClient(TlsRule(), 20_000)
    url = "http://shop.example/cart?x=1"

    def run(data: bytes) -> None:
        asked.said = data
        reply = asked.send(Request("GET", url), Deadline(5.0))
        assert len(reply.body) <= 20_000
        jar = CookieJar()
        jar.store(urlsplit(url), [value for name, value in reply.headers if name.lower() == "set-cookie"])
        jar.header(urlsplit(url))
        _ = reply.text
        if reply.header("location"):
            origin_of(redirect_target(reply))

    return run


_DNS = (
    bytes.fromhex("1234818000010002000000010377777707657861" + "6d706c65036f72670000010001c00c0005000100000e1000040161c010"
                  "c02d00010001000000ff00045db8d8220000291000000000000000"),
    bytes.fromhex("00018583000100000001000003666f6f0362617200001c0001c01000060001000002580016026e73c01004686f7374c0100000"
                  "00010000000200000003000000040000000500"),
    bytes.fromhex("000181800001000200000000046d61696c0374737400000f0001c00c000f00010000003c0009000a0561646d696ec00c"
                  "c00c0010000100000001000c0b763d7370663120 2d616c6c".replace(" ", "")),
)  # fmt: skip


@target(
    _DNS,
    DnsMalformed,
    tokens=(b"\xc0\x0c", b"\xc0\xff", b"\xff\xff", b"\x3f" + b"a" * 63, b"\0\x10\0\1", b"\0\x29", b"\x80"),
    share=2,
)
def dns_message(_folder: Path) -> Run:
    """A name server's answer."""

    def run(data: bytes) -> None:
        message = dns_messages.read(data)
        for record in (*message.answers, *message.authorities, *message.additional):
            assert record.data.isprintable(), f"{record.data!r} cannot be shown"
            assert record.name.isprintable()
            assert len(record.data) < 300_000

    return run


@target((b"example.org", b"_x._tcp.a.b.", b"xn--bcher-kva.example", b"10.in-addr.arpa"), DnsMalformed)
def dns_query(_folder: Path) -> Run:
    """Any name as a question; one that can be asked is read again as it was."""

    def run(data: bytes) -> None:
        name = data.decode("utf-8", "replace")
        asked = dns_messages.query(1, name, "A")
        assert len(asked) < 600
        dns_messages.normal(name)

    return run


_CERTIFICATE = PEM_cert_to_DER_cert((_FIXTURES / "tls" / "localhost.pem").read_text(encoding="ascii"))


@target(
    (_CERTIFICATE,),
    CertificateUnreadable,
    tokens=(b"\x30\x80", b"\x30\x84\xff\xff\xff\xff", b"\x17\x0d991332250000Z", b"\x06\x03\x55\x04\x03"),
)
def certificate(_folder: Path) -> Run:
    """A certificate in DER."""
    read = certificates.read.__wrapped__

    def run(data: bytes) -> None:
        found = read(data)
        assert found.not_after == found.not_after
        json.dumps([found.subject, found.issuer, *found.names])

    return run


@target(
    (b"CN=shop.example|O=Example|1.1|AES", b"CN=a,b\\|\xc3\xa9|TLSv1.3|x"),
    tokens=(b"\x01", b"%s", b"%", b"{", b"|"),
    share=0.3,
)
def probe_answer(_folder: Path) -> Run:
    """The answer of /probe, whatever certificate, protocol and response a target showed."""
    module = DEFAULTS["http_2xx"]

    def run(data: bytes) -> None:
        words = (data.decode("utf-8", "replace").split("|") + [""] * 4)[:4]
        shown = Certificate(words[0], words[1], words[1], -1.0, 1e300, (words[0],), words[1])
        attempt = Attempt(1.0)
        attempt.enter(1.0, "resolve")
        attempt.note(2.0, "{} of {!r}", *words[:2])
        attempt.tls = TlsFacts(words[2], words[3], (shown,), verified=False)
        response = Response("GET", 1000, 1000)
        response.version = "1.1"
        attempt.facts = HttpFacts(response, secure=True)
        attempt.snippet = data
        attempt.finish(3.0, ProbeFailed("protocol", words[0]))
        for form in (TEXT, OPENMETRICS):
            text = asking._rendered(asking.families(module, attempt), form).decode()
            lines = [line for line in text.split("\n")[:-1] if not line.startswith("# ")]
            assert all(float(line.rpartition(" ")[2]) is not None for line in lines)
        debug = asking.debug_text(module, attempt)
        assert not set(debug) & set("\0\x1b\r\u202e"), "control characters in a debug text"

    return run


@target(
    (
        b"10.0.0.1 shop.example shop\n::1 localhost # x\n",
        b"nameserver 10.0.0.1\nsearch a b\noptions ndots:3 timeout:1\n",
    ),
    tokens=(b"nameserver ", b"options ", b"ndots:", b"fe80::1%eth0"),
)
def resolver_files(_folder: Path) -> Run:
    """/etc/hosts and /etc/resolv.conf."""

    def run(data: bytes) -> None:
        text = data.decode("utf-8", "replace")
        parse_hosts(text)
        config = parse_resolv_conf(text)
        assert 1 <= len(config.servers) <= 3

    return run


@target(
    (b"http://shop.example:8080/a?b=c", b"https://[::1]/", b"//x/../y", b"b\xc3\xbccher.example"),
    ValueError,
    tokens=(b"[", b"]", b"@", b"%", b":0", b":99999", b"://", b"#", b"xn--"),
)
def url(_folder: Path) -> Run:
    """Any text as a URL, and as a place that a server sends us to."""
    base = http_request.parse("http://shop.example/")
    parse = http_request.parse.__wrapped__

    def run(data: bytes) -> None:
        text = data.decode("utf-8", "replace")
        for found in (parse(text), http_request.follow(base, text)):
            request = http_request.encode("GET", found, {}, b"")
            assert request.count(b"\r\n") == 6, f"{request!r} has other lines than it should"

    return run


@target((b"\0\0\x12\x34" + b"x" * 32, b"\x45" + bytes(19) + b"\0\0\x12\x34abcd"), share=0.5)
def icmp_reply(_folder: Path) -> Run:
    """A packet that may be a reply."""
    dialects = [value for value in vars(icmp).values() if isinstance(value, icmp.Dialect)]
    assert dialects or any(isinstance(value, dict) for value in vars(icmp).values())

    def run(data: bytes) -> None:
        for dialect in dialects:
            icmp.is_reply(data, dialect, b"token")
        icmp.checksum(data)

    return run


@target((b"GET /probe?target=x HTTP/1.1\r\nHost: y\r\nAccept: */*\r\n",), tokens=_HTTP_TOKENS)
def probe_listener_headers(_folder: Path) -> Run:
    """The headers of a request to the listener of /probe."""

    def run(data: bytes) -> None:
        parse_headers(data, min(29, len(data)))

    return run


def _conversation(rule: object, kind: type) -> Run:
    """Lets a check talk to a server that has said everything already; it must end in a reason of its set."""
    said = [b""]

    class Connected(kind, frozen=True):  # type: ignore[misc, valid-type, call-arg]
        def connect(self, _seconds: float) -> Wire:
            return Canned(said[0])

        def password(self) -> str | None:
            return "geheim" if len(said[0]) % 4 else None

        def secure(self, _wire: Wire) -> None:
            """In clear."""

    check = Connected(**rule).check(1.0)  # type: ignore[arg-type]

    def run(data: bytes) -> None:
        said[0] = data
        outcome = outcome_of(check)
        assert outcome.reason in ("", *kind.reasons), f"{outcome.reason!r} is no reason"  # type: ignore[attr-defined]
        for metric, _, labels in outcome.readings:
            assert len(labels) + 1 == len(metric.labels)

    return run


_NUMBERS = (b"\0\0\0\x04", b"\x7f\xff\xff\xff", b"\x80\0\0\0", b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xfe", b"\xff")


@target(
    (said_in("postgresql_md5"), said_in("postgresql_scram")),
    tokens=(b"R\0\0\0\x08\0\0\0\0", b"Z\0\0\0\x05I", b"E\0\0\0\x10C28P01\0Mx\0\0", *_NUMBERS),
)
def postgresql(_folder: Path) -> Run:
    """A PostgreSQL server."""
    return _conversation({"address": "h:1", "user": "md5er"}, PostgresqlRule)


@target(
    (said_in("mysql_native"), said_in("mysql_ed"), said_in("mysql_denied")),
    tokens=(b"\x01\0\0\x02\0", b"caching_sha2_password\0", b"\xfe\0\0\x02\0", *_NUMBERS),
)
def mysql(_folder: Path) -> Run:
    """A MySQL server."""
    return _conversation({"address": "h:1", "user": "native", "database": "shop"}, MysqlRule)


@target(
    (said_in("rabbitmq_open"), said_in("rabbitmq_denied"), said_in("rabbitmq_queues"), said_in("rabbitmq_no_queue")),
    tokens=(b"\x01\0\0", b"\xce", b"AMQP\0\0\x09\x01", *_NUMBERS),
)
def rabbitmq(_folder: Path) -> Run:
    """A RabbitMQ server."""
    return _conversation({"address": "h:1"}, RabbitmqRule)


_REDIS = (
    b"+OK\r\n+PONG\r\n*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n",
    b"-NOAUTH Authentication required.\r\n",
    b"*2\r\n*1\r\n:1\r\n$-1\r\n",
)
_REDIS_TOKENS = (
    b"*",
    b"$",
    b":",
    b"+",
    b"-",
    b"*1\r\n" * 50,
    b"*1024\r\n",
    b"$65536\r\n",
    b"*-1\r\n",
    b"-LOADING x\r\n",
)


@target(_REDIS, tokens=_REDIS_TOKENS)
def redis(_folder: Path) -> Run:
    """A Redis server that is checked."""
    return _conversation({"address": "h:1", "writable": True}, RedisRule)


@target(_REDIS, CheckFailed, ReplyError, tokens=_REDIS_TOKENS)
def redis_reply(_folder: Path) -> Run:
    """Any reply to any command."""

    def run(data: bytes) -> None:
        session = RedisSession(Canned(data))
        session.ask("PING")
        session.number("LLEN", "x")

    return run


def _worker(ticket: str) -> bytes:
    body = base64.b64encode(json.dumps({"celery@a": {"ok": "pong"}}).encode()).decode()
    return json.dumps({"body": body, "headers": {"ticket": ticket}}).encode()


@target((_worker("t"), _worker("u"), (_FIXTURES / "celery" / "answer.json").read_bytes()), tree=True)
def celery_answer(_folder: Path) -> Run:
    """A worker's answer to a ping."""

    def run(data: bytes) -> None:
        assert all(isinstance(name, str) for name in pidbox.names_in(data, "t"))

    return run


@target(
    (b"r=abcdef,s=c2FsdA==,i=100", b"r=abcx,s=,i=1", b"v=abc"),
    ScramRefused,
    tokens=(b"r=abc", b",i=", b",s=", b"i=10000"),
    share=0.3,
)
def scram(_folder: Path) -> Run:
    """A server's part of a SCRAM exchange."""

    def run(data: bytes) -> None:
        mine = Scram("geheim", lambda: b"abc")
        mine.first()
        mine.proof(data)
        mine.verify(data)

    return run


@target(
    (b"LoadState=loaded\nActiveState=active\nSubState=running\nNRestarts=3\n",),
    tokens=(b"ActiveState=failed\n", b"NRestarts="),
)
def systemd_unit(_folder: Path) -> Run:
    """What systemctl prints."""

    def run(data: bytes) -> None:
        outcome = systemd.judged("x.service", systemd.properties(data.decode("utf-8", "replace")))
        assert outcome.reason in ("", *systemd.REASONS)

    return run


_JSON = (
    b'{"items":[{"id":17,"name":"a","price":1.5},{"id":18}],"total":2,"ok":true,"next":null}',
    b'[[1,2,[3]],"x",{"":{"a":[]}}]',
)
_RULES = (
    Rule(json="$.items[0].id", equals=17), Rule(json="$.total", min=1, max=10), Rule(json="$..name", count=True, min=0),
    Rule(json="$.items[?@.price > 1].name", matches="^a"), Rule(regex='"id":([0-9]+)', min=0), Rule(header="x-a", exists=False),
    Rule(json="$.next", not_empty=True),
)  # fmt: skip
_SCHEMA = {
    "type": "object", "required": ["items"],
    "properties": {"items": {"type": "array", "items": {"type": "object", "properties": {"id": {"type": "integer"}}}}},
}  # fmt: skip


@target(_JSON, tree=True, share=0.4)
def journey_answer(_folder: Path) -> Run:
    """The body of an answer under rules, captures and a schema: each passes or fails for a documented reason."""
    captures = [
        Capture(json="$.items[0].id"),
        Capture(regex="id.{0,40}?([0-9]+)"),
        Capture(json="$.total", number=True),
    ]
    check = schema_check(_SCHEMA)
    judges: list[Callable[[Reply], object]] = [rule.check for rule in _RULES]
    judges += [capture.take for capture in captures]
    judges.append(lambda reply: check(reply.document))

    def run(data: bytes) -> None:
        reply = Reply("http://x/", 200, (("X-A", "b"), ("Content-Type", "text/html; charset=latin1")), data)
        for judge in judges:
            try:
                judge(reply)
            except StepFailed as error:
                error.detail.encode("utf-8", "replace")

    return run


@target(
    (b"$.items[0].id", b"$..a[?@.b > 1 && @.c == 'x'][0:5:2]", b"$['a','b'][*]", b"$"),
    ValueError,
    tokens=(b"[?", b"@", b"..", b"[*]", b"&&", b"(", b"length(", b"match(@,", b"::", b"$"),
    share=0.15,
)
def json_path(_folder: Path) -> Run:
    """Any text as a JSONPath: refused, or looked for."""
    reply = Reply("http://x/", 200, (), _JSON[0])

    def run(data: bytes) -> None:
        try:
            Place(json=data.decode("utf-8", "replace")[:2000] or "$").values(reply)
        except StepFailed:
            return

    return run


@target(
    (json.dumps(_SCHEMA).encode(), b'{"anyOf":[{"type":"string","pattern":"^a"},{"$ref":"#"}],"minimum":1}'),
    ValueError,
    RecursionError,
    tree=True,
    share=0.03,
)
def json_schema(_folder: Path) -> Run:
    """Any document as a JSON Schema: refused, or applied."""
    documents = [json.loads(text) for text in _JSON]

    def run(data: bytes) -> None:
        check = schema_check(msgspec.json.decode(data))
        for document in documents:
            try:
                check(document)
            except StepFailed:
                continue

    return run


@target(
    (b"/cart/${id}?x=${name}", b"$${x} ${id}", b"a=b; Max-Age=0; Domain=.example"),
    StepFailed,
    ValueError,
    tokens=(b"${", b"}", b"$$", b"${id}", b"; Domain=", b"; Expires=Thu, 99 Foo", b"; Max-Age="),
)
def journey_text(_folder: Path) -> Run:
    """Any text as a template, as a value in it, and as a cookie."""
    words = SecretWords()
    words.add("geheim-wort")

    def run(data: bytes) -> None:
        text = data.decode("utf-8", "replace")[:4000]
        variables = {"id": 17, "name": text[:1000], "x": [1]}
        jar = CookieJar()
        jar.store(urlsplit("http://a.example/b/c"), [text])
        assert "\r" not in jar.header(urlsplit("http://a.example/b/c"))
        assert "geheim-wort" not in words.hide(f"geheim-wort{text}geheim-wort", 500)
        template.names(text)
        filled = template.fill(text, variables, template.in_url)
        assert len(filled) <= len(text) + 9000 * (1 + text.count("${"))
        template.fill(text, variables, template.in_header)

    return run


@target(
    (
        b"Authorization: Bearer abcdefghijk",
        b"password=x&token: 'y",
        b"-----BEGIN PRIVATE KEY-----\nx",
        b"https://u:p@h/",
    ),
    tokens=(b"secret=", b"Cookie: ", b"-----BEGIN ", b"://", b"--token "),
)
def redaction(_folder: Path) -> Run:
    """Any text made fit for showing."""

    def run(data: bytes) -> None:
        text = data.decode("utf-8", "replace")
        assert "hunter2x" not in redact(f"{text}\npassword=hunter2x\n{text}", ["sec-ret-word"])
        shown = readable(well_formed(text))
        assert not set(shown) & set("\0\x1b\r")

    return run
