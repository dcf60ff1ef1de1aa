"""Logs as strangers can write them: access logs in every format, error logs in every preset, patterns and rules."""

# ruff: noqa: E501, ISC004 -- examples are data, one beside the other

import gzip
import itertools
import re
from pathlib import Path

import msgspec

from chassis.config_file import ConfigInvalid
from exporter.analysis.bounded_regex import compile_bounded, searchable
from exporter.analysis.error_patterns import Miner
from exporter.analysis.fingerprint import fingerprint
from exporter.analysis.log_signs import NO_SIGNS, decoded
from exporter.analysis.message_masks import canonical, mask
from exporter.analysis.pattern_book import PatternBook
from exporter.collectors import error_log, traffic
from exporter.exposition import OPENMETRICS, TEXT, render
from exporter.families import DEFAULT_BUCKETS, Family
from exporter.sources import error_rules
from exporter.sources.access_log import LineFormat
from exporter.sources.error_presets import PRESETS as ERROR_PRESETS
from exporter.sources.error_presets import PresetName
from exporter.sources.error_report import ReportInvalid, pseudonym, read_report
from exporter.sources.error_state import ErrorState, Place
from exporter.sources.follow import Follower
from exporter.sources.json_events import json_event
from exporter.sources.ledger import Ledger, Scheme
from exporter.sources.log_file import CHUNK_BYTES, MAX_LINE_BYTES
from exporter.sources.log_formats import PRESETS, format_named
from exporter.sources.log_levels import level_guessed
from exporter.sources.log_position import Mark, Position, resumed
from exporter.sources.packed_log import PackedLog
from exporter.sources.routes import Routes
from exporter.sources.service_errors import ServiceErrors
from exporter.state import KeepsState
from tests.fuzzing.machine import TARGETS, Run, Target, target

_FIXTURES = Path(__file__).parents[1] / "fixtures"
#: A line of an exposition: name, labels, value, and in OpenMetrics an exemplar.
_SAMPLE = re.compile(
    r'[a-zA-Z_:][\w:]*+(?:\{(?:[a-zA-Z_]\w*+="(?:[^"\\\n]|\\.)*+",?)*+\})? (\S++)(?: # \{.*\} \S+ \S+)?'
)
#: The most that a follower gives at once.
_CHUNK = CHUNK_BYTES + MAX_LINE_BYTES - 1

_COMBINED = (
    b'203.0.113.9 - ann [21/Nov/2026:02:29:00 +0000] "GET /users/17/bag?x=1 HTTP/1.1" 200 512 "-" "curl/8" 0.123\n'
    b'::1 - - [21/Nov/2026:02:29:01 +0000] "POST /api/v1/orders/9f1c2d3e4f5a6b7c HTTP/2.0" 503 - "https://r/" "a b" -\n'
    b'- - - [x] "-" 400 0 "-" "-"\n',
    b'10.0.0.1 - - [21/Nov/2026:02:29:00 +0000] "GET / HTTP/1.1" 304 0\n',
    b'10.0.0.1 - - [t] "GET /\\"q\\" HTTP/1.1" 200 1 "\\"" "\\\\" 12.5\n10.0.0.1 - - [t] "\\x16\\x03" 400 0 "-" "-" 0\n',
)
_NGINX_JSON = (
    b'{"request":"GET /a?b HTTP/1.1","status":200,"body_bytes_sent":12,"request_time":0.01,"trace_id":"0af7651916cd43dd"}\n'
    b'{"request_method":"GET","uri":"/x","status":"404","bytes_sent":"1","request_time":"1.5"}\n',
)
_CADDY_JSON = (
    b'{"level":"info","status":500,"request":{"method":"GET","uri":"/a/b?c"},"size":3,"duration":0.0012,"trace_id":""}\n',
)
_TRAEFIK_JSON = (
    b'{"RequestMethod":"GET","RequestPath":"/a","DownstreamStatus":200,"DownstreamContentSize":12,"Duration":1200000,'
    b'"TraceId":"4bf92f3577b34da6a3ce929d0e0e4736"}\n',
)
_ACCESS_TOKENS = (
    b'"GET /', b'" 200 ', b'" 999 ', b" HTTP/1.1", b'\\"', b"\\x22", b" -1 ", b" 1e5 ", b" 0.0000000001", b"?", b"/{id}",
    b"/550e8400-e29b-41d4-a716-446655440000", b"/" * 50, b'""', b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    b'"status":', b'"request":', b'"duration":-1', b'"size":1e400', b'{"status":200}\n',
)  # fmt: skip


def _access_log(form: LineFormat) -> Run:
    """Feeds lines to a ledger, which must have every line as one of a request or as unparsed, and show it well."""
    count = itertools.count()

    def fresh() -> Ledger[int]:
        return Ledger(Scheme(form, Routes(("/users/{id}", "/shop/*")), DEFAULT_BUCKETS, 20), 0)

    kept = [fresh()]

    def run(data: bytes) -> None:
        if next(count) % 2000 == 0:
            kept[0] = fresh()
        ledger = kept[0]
        chunk = data[:_CHUNK] + b"\n"
        before = _sums(ledger)
        ledger.feed(chunk, 1)
        after = _sums(ledger)
        assert after[0] - before[0] == chunk.count(b"\n"), "a line was counted twice or not at all"
        assert after[0] == after[1] + after[2], f"{after} is not lines = unparsed + requests"
        assert all(then >= now for then, now in zip(after, before, strict=True)), f"a sum fell: {before} {after}"
        assert len(ledger.routes) <= 20 + 2 + 1, "more routes than the cap"
        if next(count) % 500 == 0:
            _check_shown(ledger)

    return run


def _sums(ledger: Ledger[int]) -> tuple[float, ...]:
    with ledger.settled():
        routes = list(ledger.routes.values())
        observed = sum(sum(route.durations.counts) for route in routes)
        total = sum(route.durations.total for route in routes)
        size = sum(route.bytes for route in routes)
        return ledger.lines, ledger.unparsed, sum(ledger.cells.values()), ledger.dropped, observed, total, size


def _check_shown(ledger: Ledger[int]) -> None:
    """The exposition of *ledger* has only whole lines, in both formats."""
    families = {metric: Family(metric) for metric in traffic.Traffic.metrics}
    with ledger.settled():
        traffic._show_sums(ledger, "fuzz", families)
    check_exposition(families.values())


def check_exposition(families: object) -> None:
    """Both expositions of *families* are UTF-8 text whose every line is a comment or a sample with a number."""
    for form in (TEXT, OPENMETRICS):
        text = render(list(families), form).decode()  # type: ignore[call-overload]
        for line in text.split("\n")[:-1]:
            if not line.startswith("# "):
                sample = _SAMPLE.fullmatch(line)
                assert sample, f"no sample: {line!r}"
                float(sample[1])


def _add_access_logs() -> None:
    seeds = {"nginx_json": _NGINX_JSON, "caddy_json": _CADDY_JSON, "traefik_json": _TRAEFIK_JSON}
    for name in PRESETS:

        def prepare(_folder: Path, name: str = name) -> Run:
            return _access_log(format_named(name))

        examples = seeds.get(name, _COMBINED)
        tree = name in seeds
        TARGETS[f"access_log_{name}"] = Target(
            f"access_log_{name}", prepare, examples, tokens=_ACCESS_TOKENS, tree=tree, share=1.5
        )


_add_access_logs()


@target(
    (
        b'$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" $request_time',
        b"$request_method $request_uri $status $request_time $http_traceparent",
        b'{"s":$status,"m":"$request_method","u":"$uri","t":"$request_time","r":"${_mine}"}',
    ),
    ValueError,
    tokens=(
        b"$",
        b"${",
        b"$status",
        b"$request",
        b"$http_x_request_id ",
        b"$bytes_sent|",
        b"$request_microseconds",
        b'"',
    ),
    share=0.15,
)
def access_log_format(_folder: Path) -> Run:
    """Any text as a log_format: refused, or a format that reads hostile lines in time."""
    lines = b"".join(_COMBINED) + b"a" * 20_000 + b" " * 20_000 + b'"\\' * 20_000 + b"\n"

    def run(data: bytes) -> None:
        form = format_named(data.decode("utf-8", "replace")[:4000])
        rows = form.rows(lines, lines.count(b"\n"))
        assert len(rows) <= lines.count(b"\n")

    return run


@target((b"/users/17/bag", b"/a/b/c/d/e/f/g/h", b"/x-1-2-3/2026-01-01.html"), share=0.5)
def routes(_folder: Path) -> Run:
    """Paths, and templates of them."""
    known = Routes(("/users/{id}", "/shop/*"))

    def run(data: bytes) -> None:
        path = data.replace(b"\n", b"")
        assert len(known.of(path).encode()) < 1200
        try:
            Routes([data.decode("latin-1")[:300]]).of(path)
        except ValueError:
            return

    return run


_ERROR_LINES = (
    b'2026/11/21 02:29:00 [error] 22#22: *81 FastCGI sent in stderr: "PHP message: PHP Warning:  x in /y.php on line 3; '
    b'PHP message: PHP Fatal error:  Uncaught Error: f() in /a.php:14\nStack trace:\n#0 {main}\n  thrown in /a.php" while '
    b"reading response header from upstream, client: 10.0.0.1, server: x\n",
    b"[Sat Nov 21 02:29:00.466086 2026] [proxy_fcgi:error] [pid 84] [client 10.0.0.1:0] AH01071: Got error 'PHP message: "
    b"PHP Warning:  x in /y.php on line 2'\n[Sat Nov 21 02:29:00 2026] [core:notice] [pid 1] AH00094: hello\n",
    b'[21-Nov-2026 02:29:00] WARNING: [pool www] child 12 said into stderr: "NOTICE: PHP message: PHP Fatal error: x"\n'
    b'[21-Nov-2026 02:29:00] WARNING: [pool www] child 12 said into stderr: "#0 {main}"\n',
    b"Nov 21 02:29:00 web1 drupal: https://shop|1795220940|php|10.0.0.1|https://shop/node/1|https://ref|3|0||Error: x\n",
    b'Traceback (most recent call last):\n  File "/app/a.py", line 3, in f\n    g()\nValueError: invalid literal: 17\n',
    b"2026-11-21 02:29:00 ERROR [main] c.e.Shop - no stock\njava.lang.IllegalStateException: no\n\tat c.e.A.b(A.java:1)\n"
    b"Caused by: java.io.IOException: x\n\t... 12 more\n",
    b"TypeError: Cannot read properties of undefined (reading 'id')\n    at f (/app/a.js:1:2)\n    at <anonymous>\n",
    b"panic: runtime error: index out of range [5] with length 3\n\ngoroutine 1 [running]:\nmain.f(0x1)\n\t/a.go:3 +0x1d\n",
    b"web-1  | \x1b[31mERROR\x1b[0m connection refused to 10.0.0.1:5432\ndb-1  | LOG:  ready\n",
    b'{"level":50,"msg":"no","err":{"type":"E","message":"m","stack":"E: m\\n at f"},"time":"x","req":{"url":"/?id=1"}}\n',
    b'{"severity":"error","message":"a\\nb","stack_trace":["a","b"],"context":{"user":1}}\n',
    b"Failed password for invalid user root from 203.0.113.9 port 22 ssh2\npayment 17 declined for order 9\n"
    b"GET /?id=1%20UNION%20SELECT%20password HTTP/1.1 ../../etc/passwd <script>alert(1)</script>\n",
)
_ERROR_TOKENS = (
    b"PHP message: ", b"Stack trace:\n", b"#0 ", b"\tat a.b.C(D.java:1)\n", b"Caused by: ", b"Traceback (most recent call last):\n",
    b'  File "a", line 1, in f\n', b"goroutine 1 [running]:\n", b" said into stderr: ", b"|||||||", b"web-1 | ", b"level=error ",
    b"[error]", b"ERROR", b"Exception", b"password=hunter2", b"During handling of the above exception, another exception occurred:\n",
    b'"level":', b'"level":1e308', b'"message":', b"\n\n\n", b"\t", b"    ", b"e9.9.9.9", b"0x", b"...", b"(" * 50, b"a-b_c.d/e" * 30,
)  # fmt: skip


def _add_error_logs() -> None:
    for name in ERROR_PRESETS:

        def prepare(_folder: Path, name: PresetName = name) -> Run:
            return _error_log(name)

        tree = "json" in name
        title = f"error_log_{name}"
        TARGETS[title] = Target(title, prepare, _ERROR_LINES, tokens=_ERROR_TOKENS, tree=tree, share=0.25)


def _error_log(preset: PresetName) -> Run:
    """Feeds lines to a service's errors: each line counts once, patterns stay below their cap, nothing ever falls."""
    rules = error_rules.load()
    signs, categories = rules.sign_reader(), rules.categorizer()
    count = itertools.count()
    now = [1_795_220_940.0]

    def fresh() -> ServiceErrors:
        clock = lambda: now[0]  # noqa: E731
        return ServiceErrors(PatternBook(categories, 20), signs, ERROR_PRESETS[preset], clocks=(clock, clock))

    kept = [fresh()]

    def run(data: bytes) -> None:
        number = next(count)
        if number % 500 == 0:
            kept[0] = fresh()
        errors, before = kept[0], kept[0].lines
        chunk = data + b"\n"
        errors.feed(chunk, f"log {number % 3}")
        now[0] += (0.5, 30.0, -31_536_000.0, 31_536_000.0)[number % 4]
        errors.overdue()
        assert errors.lines - before == chunk.count(b"\n"), "a line was counted twice or not at all"
        assert len(errors.book.patterns) <= 20, "more patterns than the cap"
        assert sum(len(line) for lines in errors.open_lines().values() for line in lines) < 4 * 1024 * 1024
        if number % 100 == 0:
            _check_book(errors)

    return run


def _check_book(errors: ServiceErrors) -> None:
    """What is kept over a restart is read again; what is shown is well-formed."""
    book = errors.book
    again = PatternBook(book._categories, 20, book.dump(), 0.0)
    assert again.patterns.keys() == book.patterns.keys(), "patterns got lost over a restart"
    info = Family(error_log.INFO)
    for pattern in book.patterns.values():
        info.add(1, "fuzz", pattern.fingerprint, pattern.category, pattern.template)
    check_exposition([info])


_add_error_logs()


def _messages() -> tuple[bytes, ...]:
    lines = (_FIXTURES / "log_events.txt").read_bytes().splitlines()
    return tuple(line for line in lines if line and not line.startswith(b"#"))


@target(_messages(), tokens=_ERROR_TOKENS)
def message_masks(_folder: Path) -> Run:
    """A message's form, which is stable and no longer than bounds say."""

    def run(data: bytes) -> None:
        text = data.decode("utf-8", "replace")[:8192]
        form = canonical(mask(text))
        assert canonical(mask(text)) == form
        assert len(fingerprint(form)) == 12

    return run


@target(_messages(), tokens=_ERROR_TOKENS)
def message_miner(_folder: Path) -> Run:
    """A miner that learns from everything and keeps to its bound."""
    count = itertools.count()
    kept = [Miner(50)]

    def run(data: bytes) -> None:
        if next(count) % 1000 == 0:
            kept[0] = Miner.restore(kept[0].dump(), 50)
        match = kept[0].add(data.decode("utf-8", "replace"))
        assert len(match.fingerprint) == 12
        assert len(kept[0]) <= 50

    return run


@target(_ERROR_LINES, tokens=(b"%2e%2e", b"%25", b"%u0041", b"union select", b"+", b"&#x41;"), share=0.5)
def log_signs(_folder: Path) -> Run:
    """Signs of attacks, failed logins and business events in a line."""
    reader = error_rules.load().sign_reader()

    def run(data: bytes) -> None:
        line = data.decode("utf-8", "replace").replace("\n", " ")
        decoded(line)
        found = reader.read(line)
        assert found == NO_SIGNS or len(found.suspicious) < 20
        level_guessed(line)

    return run


@target(tuple(line for line in _ERROR_LINES if line.startswith(b"{")), tree=True)
def json_events(_folder: Path) -> Run:
    """A line of JSON, whatever its fields are."""

    def run(data: bytes) -> None:
        json_event(data.decode("utf-8", "replace").partition("\n")[0])

    return run


@target(
    (
        b"(?:a|b)++ x{0,80}",
        b"payment \\d++ (?:declined|refused)",
        b"[^ ]{0,120}\\.conf\\b",
        b"(?<=a)b(?=c)|^d$",
        b"(a)(?(1)b|c)",
    ),
    ValueError,
    tokens=(
        b"(",
        b")",
        b"*",
        b"+",
        b"{0,99999999}",
        b"{5,1}",
        b"(?:",
        b"(?P<a>",
        b"(?<=",
        b"[^",
        b"\\p",
        b"|",
        b"(?i)",
        b".*",
        b"\\1",
        b"(?>",
    ),
    share=0.1,
)
def rule_pattern(_folder: Path) -> Run:
    """Any text as a pattern of a rules file: refused, or quick on texts that are made to be slow."""
    texts = [
        searchable(text) for text in ("a" * 5000, "ab" * 2500, " x" * 2500, "1.2-3/4 " * 600, "payment 1 declined")
    ]

    def run(data: bytes) -> None:
        pattern = compile_bounded(data.decode("utf-8", "replace"))
        for text in texts:
            pattern.search(text)

    return run


@target(
    (
        b"categories: [{category: performance, contains: [slow query]}]\nfailed_logins: [{contains: [bad pin]}]\n"
        b"business: [{kind: payment, outcome: failure, regex: 'payment \\d++ declined'}]\n",
        b'{"replace":true,"default":"code","suspicious":[{"kind":"scanner","contains":["acunetix"]}]}',
    ),
    ConfigInvalid,
    tree=True,
    share=0.04,
)
def rules_file(folder: Path) -> Run:
    """Any file as rules: refused, or rules that read lines."""
    path = folder / "rules.yml"
    lines = [line.decode("utf-8", "replace") for line in _ERROR_LINES]

    def run(data: bytes) -> None:
        path.write_bytes(data)
        rules = error_rules.load(str(path))
        signs, categories = rules.sign_reader(), rules.categorizer()
        for line in lines:
            signs.read(line)
            categories.of(line)

    return run


@target(
    (
        b'{"timestamp": 1795220940, "error": "Call to undefined function f()", "stack_trace": "#0 {main}", "context": '
        b'{"order": 17, "password": "x"}, "user_id": 42, "request_uri": "/checkout?step=2", "git_commit": "4f2a9c1", '
        b'"service": "shop"}',
        b'{"error": "E", "stack_trace": ["a", "b"], "timestamp": "2026-11-21T02:29:00Z", "user_id": "ann"}',
    ),
    ReportInvalid,
    tokens=(b'"error":', b'"user_id":', b'"context":', b'"timestamp":', b"{", b"}", b"[", b"]", b"\\ud83d"),
    tree=True,
    share=1.5,
)
def error_report(_folder: Path) -> Run:
    """The body of POST /errors; what is kept of it can be encoded and shown."""

    def run(data: bytes) -> None:
        report = read_report(data)
        assert len(pseudonym(b"k" * 32, report.user_id)) == 16
        msgspec.json.encode(report)
        assert len(report.stack) < 20_000
        "\n".join([report.error, report.stack, report.uri, *report.details.values()]).encode()

    return run


_POSITION = Position(("/a",), {"/a": (Mark(1, 2, 300, 4, 5, 0, "/a"),)}).encode()


@target((_POSITION, b'{"patterns":[],"logs":{},"version":1}'), tree=True)
def log_position(folder: Path) -> Run:
    """A kept position, damaged: nothing, or one that a follower takes and that can be kept again."""
    log = folder / "access.log"
    log.write_bytes(b"line\n" * 100)

    def run(data: bytes) -> None:
        found = resumed(data)
        if found is None:
            return
        assert Position.decode(found.encode()) == found
        follower = Follower([str(log)], resume=found)
        try:
            follower.open()
            list(follower.read())
        finally:
            follower.close()

    return run


@target((msgspec.msgpack.encode({"shop": Place(_POSITION, {"a.log": ["Error: x"]})}),), share=0.5)
def error_state(folder: Path) -> Run:
    """The state files of error logs, damaged."""
    config = KeepsState(state_directory=str(folder))

    def run(data: bytes) -> None:
        for name in ("positions", "patterns", "user_key"):
            (folder / f"error_log.{name}").write_bytes(data)
        state = ErrorState(config)
        state.position("shop")
        assert isinstance(state.open_lines("shop"), dict)
        assert len(state.user_key()) == 32

    return run


def _book() -> bytes:
    book = PatternBook(error_rules.load().categorizer(), 20)
    for message in _messages()[:30]:
        book.find(message.decode(), "", 1.0)
    return book.dump()


@target((_book(),), share=0.2)
def pattern_book(_folder: Path) -> Run:
    """Kept patterns, damaged: what can be read of them works on."""
    categories = error_rules.load().categorizer()

    def run(data: bytes) -> None:
        book = PatternBook(categories, 20, data, 1.0)
        for message in ("login of ann failed", "login of bob failed", "disk full"):
            book.find(message, "", 2.0)
        book.dump()
        assert len(book.patterns) <= 20

    return run


@target((gzip.compress(b"line\n" * 500), gzip.compress(b"a") + gzip.compress(b"b\n") + b"\0" * 40), OSError, share=0.3)
def packed_log(folder: Path) -> Run:
    """A compressed log with damage."""
    path = folder / "access.log.2.gz"

    def run(data: bytes) -> None:
        path.write_bytes(data)
        log = PackedLog(str(path))
        try:
            log.start(0)
            for piece in log.read():
                assert piece.endswith(b"\n")
            log.rest()
        finally:
            log.close()

    return run
