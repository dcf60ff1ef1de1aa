"""The formats of access logs by name, and any other as nginx's `log_format` has it."""

from collections.abc import Callable, Mapping
from functools import lru_cache

from chassis.config_file import nearest
from exporter.sources.access_log import LineFormat, TextFormat
from exporter.sources.json_formats import (
    CaddyLine,
    JsonFormat,
    NginxLine,
    TraefikLine,
    caddy_row,
    nginx_row,
    traefik_row,
)
from exporter.sources.nginx_format import compiled, time_pattern

COMMON = '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent'
COMBINED = f'{COMMON} "$http_referer" "$http_user_agent"'

#: A number that is no request time: negative, too long, with an exponent, NaN or infinite.
_WRONG_TIME = rb"[-+]?+(?:[0-9]*+(?:\.[0-9]*+)?+(?:e[-+]?+[0-9]++)?+|nan|inf\w*+)[ \r\n]"
#: What may follow the user agent: a request time or a dash, then anything; or what does not look like a number.
_TAIL = rb"(?: (?:%b(?=[ \r\n])|-(?=[ \r\n])|(?!(?i:" + _WRONG_TIME + rb")))|(?=[\r\n]))[^\n]*+\n"


def _combined(per_second: float) -> TextFormat:
    """Combined format with or without a request time after it; common format passes too, a little slower."""
    full = compiled(COMBINED, _TAIL % time_pattern(per_second), per_second)
    short = compiled(COMMON)
    return full.or_else(short)


PRESETS: Mapping[str, Callable[[], LineFormat]] = {
    "combined": lambda: _combined(1.0),
    "combined_milliseconds": lambda: _combined(1e3),
    "combined_microseconds": lambda: _combined(1e6),
    "common": lambda: compiled(COMMON),
    "nginx_json": lambda: JsonFormat(NginxLine, nginx_row),
    "caddy_json": lambda: JsonFormat(CaddyLine, caddy_row),
    "traefik_json": lambda: JsonFormat(TraefikLine, traefik_row, per_second=1e9),
}


@lru_cache(maxsize=64)
def format_named(text: str) -> LineFormat:
    """The preset called *text*, or the format that *text* describes.

    Raises:
        ValueError: it is neither; the message names the nearest.
    """
    if text in PRESETS:
        return PRESETS[text]()
    if "$" in text:
        return compiled(text)
    raise ValueError(
        f'"{text}" is no format{nearest(text, PRESETS)}; or write it as nginx\'s log_format, with $request and $status'
    )
