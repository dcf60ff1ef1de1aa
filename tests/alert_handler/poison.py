"""Bodies and alerts that break parsers: what Alertmanager was seen to relay, and what stumbles Python itself."""

import json

from tests.alert_handler.doubles import wire_alert

GOOD = wire_alert(alertname="Good", service="shop")
_GOOD = json.dumps(GOOD)


def around(odd: str) -> bytes:
    """A group of ten: *odd* (JSON text) between nine good alerts, each with a label set of its own."""
    alerts = [json.dumps(wire_alert(alertname="Good", n=str(number))) for number in range(9)]
    alerts.insert(5, odd)
    return f'{{"version": "4", "alerts": [{", ".join(alerts)}]}}'.encode("utf-8", "surrogatepass")


def _with(**changes: object) -> str:
    return json.dumps({**GOOD, **changes})


#: Bodies that are no notification at all -> how the refusal begins.
INVALID: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "$: input data was truncated"),
    "no JSON": (b"<html>", "$: JSON is malformed"),
    "a list": (b"[]", "$: expected `object`, got `array`"),
    "null": (b"null", "$: expected `object`, got `null`"),
    "no alerts": (b"{}", "$: object missing required field `alerts`"),
    "alerts no list": (b'{"alerts": {}}', "$.alerts: expected `array`, got `object`"),
    "version 3": (b'{"version": "3", "alerts": []}', "$.version: '3' is not supported"),
    "version a number": (b'{"version": 4, "alerts": []}', "$.version: expected `str`, got `int`"),
    "deep": (b"[" * 100_000, "$: "),
    "deep in an alert": (around('{"labels": ' + '{"a":' * 100_000 + "1" + "}" * 100_000 + "}"), "$: nested too deeply"),
    "NaN": (around(_GOOD[:-1] + ', "x": NaN}'), "$: JSON is malformed"),
    "Infinity": (b'{"alerts": [], "truncatedAlerts": Infinity}', "$: JSON is malformed"),
    "UTF-16": (around(_GOOD).decode().encode("utf-16"), "$: JSON is malformed"),
    "BOM": (b"\xef\xbb\xbf" + around(_GOOD), "$: JSON is malformed"),
    "lone surrogate escape": (around(_with(annotations={"a": "\ud800 "})), "$: JSON is malformed"),
    "raw NUL": (b'{"alerts": []}\0', "$: JSON is malformed"),
    "truncatedAlerts 1e999": (b'{"alerts": [], "truncatedAlerts": 1e999}', "$.truncatedAlerts: number out of range"),
    "5,000 digits": (
        b'{"alerts": [], "truncatedAlerts": ' + b"9" * 5_000 + b"}",
        "$.truncatedAlerts: integer value out of range",
    ),
}

#: One alert of ten, as JSON text: taken, or quarantined.
ODD: dict[str, str] = {
    "null": "null",
    "a number": "1",
    "a list": "[]",
    "empty": "{}",
    "status gone": _with(status="gone"),
    "no labels": _with(labels={}),
    "labels null": _with(labels=None),
    "label a number": _with(labels={"alertname": 1}),
    "label nested": _with(labels={"alertname": {"a": "b"}}),
    "no alertname": _with(labels={"job": "x"}),
    "annotations null": _with(annotations=None),
    "startsAt a number": _with(startsAt=1),
    "startsAt word": _with(startsAt="yesterday"),
    "startsAt year 0": _with(startsAt="0000-01-01T00:00:00Z"),
    "startsAt year 1": _with(startsAt="0001-01-01T00:00:00Z"),
    "startsAt 1976": _with(startsAt="1976-01-01T00:00:00Z"),
    "startsAt 2999": _with(startsAt="2999-01-01T00:00:00Z"),
    "startsAt nanoseconds": _with(startsAt="2026-01-02T03:04:05.123456789Z"),
    "startsAt leap second": _with(startsAt="2026-06-30T23:59:60Z"),
    "startsAt end of time": _with(startsAt="9999-12-31T23:59:59-23:59"),
    "1e400": _GOOD[:-1] + ', "x": 1e400}',
    "5,000 digits": _GOOD[:-1] + ', "x": ' + "9" * 5_000 + "}",
    "duplicate keys": _GOOD[:-1] + ', "status": "firing", "status": "resolved"}',
    "duplicate labels": _GOOD.replace('"alertname"', '"a": "1", "a": "2", "alertname"'),
    "NUL": _with(annotations={"a\0b": "c\0d"}, labels={"alertname": "N\0UL", "a\0b": "c"}, generatorURL="\0"),
    "megabyte label": _with(labels={"alertname": "x" * 1_000_000}),
    "megabyte label name": _with(labels={"x" * 1_000_000: "y"}),
    "thousand labels": _with(labels={f"l{number}": "v" for number in range(1000)}),
    "shell": _with(labels={"alertname": "$(reboot); `reboot` | reboot", "instance": "../../etc/passwd"}),
    "markup": _with(annotations={"summary": "<script>alert(1)</script> {{ 7 * 7 }} %s {0}"}),
    "terminal": _with(annotations={"summary": "\x1b[2J\r\nlevel=info forged\u202e\u2028"}),
    "address": _with(generatorURL="http://169.254.169.254/latest/meta-data"),
    "forged watchdog": _with(labels={"alertname": "X", "watchdog": "TRUE"}),
}
