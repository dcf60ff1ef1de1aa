import json
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alert_handler.errors import NotificationInvalid
from alert_handler.intake import alertmanager
from alert_handler.intake.alertmanager import MAX_LABELS, MAX_VALUE, SAMPLE_BYTES, parse
from alert_handler.model import identity
from tests.alert_handler.doubles import NOW, wire_alert, wire_body
from tests.alert_handler.poison import GOOD, INVALID, ODD, around


def test_parse_gives_what_alertmanager_sends() -> None:
    """A body as 0.25 writes it, with fields that only newer versions have."""
    alert = {
        **wire_alert(alertname="A", service="shop"),
        "annotations": {"summary": "s"},
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://p/graph",
        "fingerprint": "0123456789abcdef",
    }
    body = {"version": "4", "groupKey": "{}", "status": "firing", "notification_reason": "new", "truncatedAlerts": 3}
    notification = parse(json.dumps({**body, "alerts": [alert]}).encode())
    [found] = notification.alerts
    assert (found.status, found.starts_at, found.generator_url) == ("firing", NOW, "http://p/graph")
    assert (found.labels, found.annotations) == ({"alertname": "A", "service": "shop"}, {"summary": "s"})
    assert (found.identity, notification.truncated) == (identity(found.labels), 3)


@pytest.mark.parametrize(("name", "message"), sorted((name, message) for name, (_, message) in INVALID.items()))
def test_parse_broken_body_names_the_json_path(name: str, message: str) -> None:
    """What is no notification is refused with where and what, never with another exception."""
    with pytest.raises(NotificationInvalid) as caught:
        parse(INVALID[name][0])
    assert str(caught.value).startswith(message)


@pytest.mark.parametrize("name", sorted(ODD))
def test_parse_odd_alert_costs_no_other_one(name: str) -> None:
    """Whatever one alert of ten is, the nine others are there; the odd one is taken or quarantined."""
    notification = parse(around(ODD[name]))
    assert len(notification.alerts) + len(notification.poison) == 10
    assert len(notification.alerts) >= 9
    assert all(poison.error.startswith("$.alerts[5]") for poison in notification.poison)


def test_parse_keeps_a_bounded_sample_of_the_poison_one() -> None:
    """The person who has to find out why sees the beginning of it."""
    notification = parse(wire_body(GOOD, {"labels": {"a": "x" * 100_000}}))
    [poison] = notification.poison
    assert (len(poison.sample), poison.error) == (SAMPLE_BYTES, "$.alerts[1]: object missing required field `status`")


def test_parse_poison_alone_is_refused() -> None:
    """A body of which nothing can be used is the sender's to know."""
    with pytest.raises(NotificationInvalid, match=r"^\$\.alerts\[0\]\.status: invalid enum value 'gone'"):
        parse(wire_body(wire_alert(status="gone")))


def test_parse_bounds_what_is_kept_but_not_the_identity() -> None:
    """Two label sets that differ only beyond the bound are two alerts."""
    long, longer = (wire_alert(alertname="A", text="x" * (MAX_VALUE + extra)) for extra in (1, 2))
    first, second = parse(wire_body(long, longer)).alerts
    assert first.labels == second.labels
    assert first.identity != second.identity
    assert len(first.labels["text"]) == MAX_VALUE


def test_parse_keeps_a_bounded_number_of_labels() -> None:
    """A crowd of labels is cut, in an order that does not change from delivery to delivery."""
    many = {f"l{number:03}": "v" for number in range(MAX_LABELS + 10)}
    shuffled = dict(reversed(many.items()))
    first, second = parse(wire_body(wire_alert(**many), wire_alert(**shuffled))).alerts
    assert (first.labels, first.identity) == (second.labels, second.identity)
    assert len(first.labels) == MAX_LABELS


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2023-11-14T22:13:20Z", NOW),
        ("2023-11-14T22:13:20.123456789Z", NOW + 0.123457),
        ("2023-11-15T00:13:20+02:00", NOW),
        ("1976-01-01T00:00:00Z", 189302400.0),
        ("2999-01-01T00:00:00Z", 32472144000.0),
        ("0001-01-01T00:00:00Z", 0.0),
        ("2023-11-14T22:13:20", 0.0),
    ],
)
def test_parse_start_is_unix_seconds(text: str, seconds: float) -> None:
    """Every spelling of a time; a time that cannot be is 0."""
    [found] = parse(wire_body({**wire_alert(), "startsAt": text})).alerts
    assert found.starts_at == pytest.approx(seconds, abs=1e-6)


def test_parse_too_many_alerts_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bound holds to the alert."""
    monkeypatch.setattr(alertmanager, "MAX_ALERTS", 2)
    assert len(parse(wire_body(GOOD, GOOD)).alerts) == 2
    with pytest.raises(NotificationInvalid, match=r"^\$\.alerts: 3 alerts; the limit is 2$"):
        parse(wire_body(GOOD, GOOD, GOOD))


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=80), st.integers(0, 200), st.integers(0, 200))
def test_parse_torn_body_is_read_or_refused(noise: bytes, start: int, length: int) -> None:
    """Bytes replaced anywhere in a good body: a notification or NotificationInvalid, nothing else."""
    good = wire_body(GOOD, GOOD)
    torn = good[:start] + noise + good[start + length :]
    check: Callable[[bytes], object] = parse
    try:
        assert check(torn) is not None
    except NotificationInvalid as error:
        assert str(error).startswith("$")  # noqa: PT017 -- both ends are right
