"""Alertmanager's webhook, payload version 4, as sent by 0.25 to 0.34.

Format: https://prometheus.io/docs/alerting/latest/configuration/#webhook_config. Unknown fields are new versions'
(`notification_reason` since 0.32, `routeLabels` since 0.34) and are passed over. Alertmanager relays whatever an
alert's author wrote, so nothing here is trusted: sizes are bounded and one bad alert never costs its group.
"""

from datetime import datetime
from typing import Literal

import msgspec

from alert_handler.errors import NotificationInvalid
from alert_handler.model import Alert, Labels, Notification, Poison, identity
from chassis.config_file import lower_first

MAX_ALERTS = 20_000
MAX_LABELS = 64
MAX_VALUE = 4_096
SAMPLE_BYTES = 4_096


class _Body(msgspec.Struct):
    alerts: list[msgspec.Raw]
    version: str = "4"
    truncatedAlerts: int = 0  # noqa: N815 -- the wire's name


class _Alert(msgspec.Struct):
    status: Literal["firing", "resolved"]
    labels: Labels
    startsAt: datetime  # noqa: N815 -- the wire's name
    annotations: Labels = {}
    generatorURL: str = ""  # noqa: N815 -- the wire's name


_BODY = msgspec.json.Decoder(_Body)
_ALERT = msgspec.json.Decoder(_Alert)


def parse(body: bytes) -> Notification:
    """The notification in *body*.

    Raises:
        NotificationInvalid: it is no JSON, no version 4 payload, too large, or not one of its alerts can be read; the
            message names the JSON path.
    """
    wire = _decode(body)
    alerts: list[Alert] = []
    poison: list[Poison] = []
    for index, raw in enumerate(wire.alerts):
        try:
            alerts.append(_alert(raw))
        except (msgspec.MsgspecError, RecursionError, ValueError) as error:
            place = f"$.alerts[{index}]"
            poison.append(Poison(error=explain(error, place), sample=bytes(raw)[:SAMPLE_BYTES]))
    if poison and not alerts:
        raise NotificationInvalid(poison[0].error)
    return Notification(alerts=tuple(alerts), poison=tuple(poison), truncated=max(0, wire.truncatedAlerts))


def _decode(body: bytes) -> _Body:
    try:
        wire = _BODY.decode(body)
    except (msgspec.MsgspecError, RecursionError, ValueError) as error:
        raise NotificationInvalid(explain(error, "$")) from error
    if wire.version != "4":
        raise NotificationInvalid(f"$.version: {wire.version!r} is not supported; Alertmanager 0.25 or newer sends '4'")
    if len(wire.alerts) > MAX_ALERTS:
        raise NotificationInvalid(f"$.alerts: {len(wire.alerts)} alerts; the limit is {MAX_ALERTS}")
    return wire


def _alert(raw: msgspec.Raw) -> Alert:
    wire = _ALERT.decode(raw)
    if not wire.labels:
        raise ValueError("`labels` is empty: an alert without labels cannot be told from another")
    return Alert(
        identity=identity(wire.labels),
        status=wire.status,
        labels=_bounded(wire.labels),
        annotations=_bounded(wire.annotations),
        starts_at=_seconds(wire.startsAt),
        generator_url=wire.generatorURL[:MAX_VALUE],
    )


def _bounded(pairs: Labels) -> Labels:
    """At most `MAX_LABELS` pairs of at most `MAX_VALUE` characters, without NUL (PostgreSQL's text has none)."""
    kept = sorted(pairs.items())[:MAX_LABELS] if len(pairs) > MAX_LABELS else pairs.items()
    return {name[:MAX_VALUE]: value[:MAX_VALUE].replace("\0", "\ufffd") for name, value in kept}


def _seconds(at: datetime) -> float:
    """Unix seconds of *at*; a year that no clock had (Go's zero time is year 1) gives 0."""
    return at.timestamp() if at.year >= 1970 and at.tzinfo else 0.0


def explain(error: Exception, place: str) -> str:
    """`$.alerts[3].labels: expected ...` from what the decoder said."""
    if isinstance(error, RecursionError):
        return f"{place}: nested too deeply"
    problem, _, path = str(error).partition(" - at `$")
    return f"{place}{path.rstrip('`')}: {lower_first(problem)}"
