r"""nginx's `log_format` as the regular expressions that read its lines.

    $remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent "$http_referer" $request_time

What is not counted is passed over by the first character after it, which costs least: `[^"]*+"` for what is in
quotes. A value of nginx holds no quote of its own, it is written as \x22 (as \" with `escape=json` and by Apache).
"""

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise, takewhile
from operator import itemgetter

from exporter.sources.access_log import (
    MAX_SECONDS,
    MAX_SIZE_DIGITS,
    ODD,
    REQUEST,
    SECONDS,
    SIZE,
    STATUS,
    TRACE,
    Groups,
    Row,
    TextFormat,
    as_they_are,
)

#: Variables that are counted, the best of a kind first. The times other than $request_time are ours: Apache's %D is
#: `$request_microseconds`, and Traefik writes milliseconds.
REQUESTS = ("request",)
STATUSES = ("status",)
SIZES = ("body_bytes_sent", "bytes_sent")
TIMES = {"request_time": 1.0, "request_milliseconds": 1e3, "request_microseconds": 1e6}
TRACES = (
    "http_traceparent",
    "opentelemetry_trace_id",
    "otel_trace_id",
    "http_x_b3_traceid",
    "http_x_request_id",
    "request_id",
)
COLUMNS = {REQUEST: REQUESTS, STATUS: STATUSES, SIZE: SIZES, SECONDS: tuple(TIMES), TRACE: TRACES}
#: Variables that are passed over. One that nginx does not have is written with an underscore first: $_tenant.
PASSED_OVER = frozenset(
    """
    args ancient_browser binary_remote_addr bytes_received connection connection_requests connection_time
    connections_active content_length content_type date_gmt date_local document_root geoip_city
    geoip_city_country_code geoip_country_code gzip_ratio host hostname http2 http3 https invalid_referer is_args
    limit_conn_status limit_rate limit_req_status modern_browser msec msie nginx_version pid pipe protocol proxy_host
    proxy_port proxy_protocol_addr proxy_protocol_port proxy_add_x_forwarded_for query_string realip_remote_addr
    realip_remote_port remote_addr remote_port remote_user request_body request_completion request_filename
    request_length scheme secure_link server_addr server_name server_port server_protocol
    session_time slice_range ssl_alpn_protocol ssl_cipher ssl_ciphers ssl_client_s_dn ssl_client_verify ssl_curve
    ssl_curves ssl_early_data ssl_protocol ssl_server_name ssl_session_id ssl_session_reused tcpinfo_rtt
    time_iso8601 time_local uid_got uid_set upstream_addr upstream_bytes_received upstream_bytes_sent
    upstream_cache_status upstream_connect_time upstream_header_time upstream_response_length
    upstream_response_time upstream_status
    """.split()  # noqa: SIM905 -- as text it can be read
)
_FAMILIES = re.compile(
    r"_|(?:http|arg|cookie|sent_http|sent_trailer|upstream_http|upstream_cookie|upstream_trailer|jwt_claim|jwt_header"
    r"|proxy_protocol_tlv|ssl_client|limit|geoip|otel|opentelemetry|njs|memcached)_"
)
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")

#: How far a quick expression looks for the end of a value: without a bound, every line without a quote would be
#: searched for one to the end of the chunk (measured: 7,000 lines/s where it is now 2,000,000).
_NEARBY = rb"{0,1024}+"
_LINE_END = rb"\r?+\n"
_REST_OF_LINE = rb"[^\n]*+\n"
_ODD_LINE = rb"|([^\n]*+\n)"
_REST_OF_QUOTED = rb'(?:[^"\\\n]++|\\[^\n])*+'
_STATUS_CLASS = rb"([1-5])[0-9][0-9]"
_BYTES = rb"(?:(0|[1-9][0-9]{0,%d}+)|-)" % (MAX_SIZE_DIGITS - 1)
#: `$request_method` and a path on their own, which make a request together.
_METHOD, _PATH = TRACE + 1, TRACE + 2
_SPLIT_REQUEST = {_METHOD: ("request_method",), _PATH: ("request_uri", "uri", "document_uri")}


def time_pattern(per_second: float) -> bytes:
    """A request time as a number that JSON has too, shorter than `MAX_SECONDS`."""
    digits = len(f"{MAX_SECONDS * per_second:.0f}") - 2
    return rb"((?:0|[1-9][0-9]{0,%d}+)(?:\.[0-9]{1,9}+)?+)" % (digits - 1)


@dataclass(frozen=True, slots=True)
class Field:
    """A variable of a format, the text after it, whether it is in quotes, and the column that it fills (or none)."""

    variable: str
    after: str
    quoted: bool
    column: int | None = None

    @property
    def end(self) -> bytes:
        """The byte that ends the value; a line feed after the last."""
        return self.after[:1].encode() or b"\n"


def compiled(text: str, tail: bytes = b"", tail_per_second: float = 1.0) -> TextFormat:
    """The format that nginx's *text* describes; *tail* is an expression for a request time after it.

    Raises:
        ValueError: *text* has an unknown variable, two without anything between, or not what is counted.
    """
    before, fields = _parse(text)
    fields = _with_columns(fields)
    columns = [field.column for field in fields if field.column is not None] + ([SECONDS] if tail else [])
    missing = [column for column in (SIZE, SECONDS) if column not in columns]
    quick, strict = (
        re.compile(_pattern(before, fields, tail, len(missing), strict=strict)) for strict in (False, True)
    )
    times = [TIMES[field.variable] for field in fields if field.column == SECONDS]
    return TextFormat(
        quick,
        [strict],
        per_second=times[0] if times else tail_per_second,
        traced=TRACE in columns,
        shape=_shape([*columns, *missing, ODD]),
    )


def _parse(text: str) -> tuple[str, list[Field]]:
    """The text before the first variable, and every variable with the text after it.

    Raises:
        ValueError: see `compiled`.
    """
    before, *rest = _VARIABLE.split(text.strip())
    names = [braced or bare for braced, bare in zip(rest[::3], rest[1::3], strict=True)]
    fields: list[Field] = []
    for name, after in zip(names, rest[2::3], strict=True):
        _check_known(name)
        opening = fields[-1].after if fields else before
        fields.append(Field(name, after, quoted=opening.endswith('"') and after.startswith('"')))
    for field, following in pairwise(fields):
        if not field.after:
            raise ValueError(
                f"there is nothing between ${field.variable} and ${following.variable}, so nobody can tell where the "
                "first ends; log a blank between them"
            )
    return before, fields


def _check_known(name: str) -> None:
    counted = [known for kind in (*COLUMNS.values(), *_SPLIT_REQUEST.values()) for known in kind]
    if name in counted or name in PASSED_OVER or _FAMILIES.match(name):
        return
    close = difflib.get_close_matches(name, [*counted, *PASSED_OVER], n=1, cutoff=0.6)
    hint = f' (did you mean "${close[0]}"?)' if close else ""
    raise ValueError(f"nginx has no variable ${name}{hint}; write $_{name} for one of your own, which is passed over")


def _with_columns(fields: Sequence[Field]) -> list[Field]:
    """The fields with their columns: of several that tell the same, the best.

    Raises:
        ValueError: the status or the request is missing.
    """
    names = [field.variable for field in fields]
    wanted = COLUMNS if "request" in names else {**_SPLIT_REQUEST, **COLUMNS}
    columns: dict[int, int] = {}
    for column, known in wanted.items():
        best = next((name for name in known if name in names), None)
        if best is not None:
            columns[names.index(best)] = column
    if STATUS not in columns.values():
        raise ValueError("the format needs $status")
    if REQUEST not in columns.values() and not {_METHOD, _PATH} <= set(columns.values()):
        raise ValueError("the format needs $request, or $request_method and $request_uri")
    return [replace(field, column=columns.get(number)) for number, field in enumerate(fields)]


def _pattern(before: str, fields: Sequence[Field], tail: bytes, missing: int, *, strict: bool) -> bytes:
    """The expression of a line, or else of an odd one, with an empty group for each column that is missing."""
    last = len(fields) - 1 if tail else max(n for n, field in enumerate(fields) if field.column is not None)
    pieces = [re.escape(before).encode()]
    number = 0
    while number <= last:
        field = fields[number]
        if field.column is None:
            number, piece = _passed_over(fields, number, last, strict=strict)
            pieces.append(piece)
        else:
            pieces += [_counted(field, strict=strict), re.escape(field.after).encode()]
        number += 1
    end = tail or (_LINE_END if last == len(fields) - 1 else _REST_OF_LINE)
    return b"".join([*pieces, end, b"()" * missing, _ODD_LINE])


def _passed_over(fields: Sequence[Field], number: int, last: int, *, strict: bool) -> tuple[int, bytes]:
    """The expression of a value that is not counted and the text after it, and the number of the last field in it.

    Outside of quotes all up to the next quote is passed over at once: users and addresses may hold anything else.
    """
    field = fields[number]
    uncounted = takewhile(lambda n: n <= last and fields[n].column is None, range(number, len(fields)))
    quote = None if field.quoted else next((n for n in uncounted if '"' in fields[n].after), None)
    if quote is None:
        return number, _value(field, strict=strict) + re.escape(field.after).encode()
    after = fields[quote].after.partition('"')[2]
    return quote, _up_to(b'"', strict=strict) + b'"' + re.escape(after).encode()


def _value(field: Field, *, strict: bool) -> bytes:
    """Any value of *field*, or the rest of it."""
    if not field.quoted:
        return _up_to(field.end, strict=strict)
    return _REST_OF_QUOTED if strict else rb'[^"]%b(?<!\\)' % _NEARBY


def _up_to(end: bytes, *, strict: bool) -> bytes:
    """All up to the byte *end*, within the line where it is *strict*; a set of one is the quickest by far."""
    return b"[^%b\n]*+" % re.escape(end) if strict else b"[^%b]%b" % (re.escape(end), _NEARBY)


def _counted(field: Field, *, strict: bool) -> bytes:
    """The value of a field that fills a column, in a group of its own."""
    path = b"%b++)(?=[ ?%b])" % (_path(field, strict=strict), re.escape(field.end) if field.after else b"\r\n")
    rest = _value(field, strict=strict)
    return {
        REQUEST: b"([A-Za-z]++ %b%b" % (path, rest),
        _METHOD: b"([A-Za-z]++)",
        _PATH: b"(%b%b" % (path, rest),
        STATUS: _STATUS_CLASS,
        SIZE: _BYTES,
        SECONDS: b"(?:%b|-)" % time_pattern(TIMES.get(field.variable, 1.0)),
        TRACE: b"(%b)" % rest,
    }[field.column or 0]


def _path(field: Field, *, strict: bool) -> bytes:
    """One byte of a path, before its query: anything printable but blank, quote, question mark and the field's end.

    As ranges, which make a bitmap; a negated set of several is half as quick. The strict one knows escaped bytes.
    """
    special = b' "?\x7f' + field.end + (b"\\" if strict else b"")
    plain = b"[%b]" % b"".join(re.escape(bytes([byte])) for byte in range(33, 256) if byte not in special)
    return rb"(?:%b|\\[!-~])" % plain if strict else plain


def _shape(columns: Sequence[int]) -> Callable[[Groups], Sequence[Row]]:
    """What makes rows of groups that fill *columns*."""
    wanted = [STATUS, SIZE, SECONDS, *([TRACE] if TRACE in columns else []), ODD]
    if _PATH in columns:
        pick = itemgetter(*(columns.index(column) for column in (_METHOD, _PATH, *wanted)))
        return lambda groups: [
            (method and b"%b %b" % (method, path), *rest) for method, path, *rest in map(pick, groups)
        ]
    if list(columns) == [REQUEST, *wanted]:
        return as_they_are
    pick = itemgetter(*(columns.index(column) for column in (REQUEST, *wanted)))
    return lambda groups: [pick(row) for row in groups]
