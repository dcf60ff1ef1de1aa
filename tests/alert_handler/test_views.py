from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from alert_handler import views
from tests.alert_handler.house import START, House, alert, disk_full, house, repaired


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    """A house where nothing has happened."""
    with house(tmp_path) as built:
        yield built


@pytest.mark.parametrize(
    ("severity", "state"),
    [("critical", "CRITICAL"), ("high", "DEGRADED"), ("medium", "WARNING"), ("low", "HEALTHY"), ("odd", "WARNING")],
)
def test_state_is_that_of_the_worst_open_incident(home: House, severity: str, state: str) -> None:
    """Four words; an alert of low severity leaves the house healthy, an unknown severity counts as medium."""
    home.receive(alert({"alertname": "Lesser", "severity": "low"}), alert({"alertname": "A", "severity": severity}))
    assert views.status(home.handler)["state"] == state


def test_incident_before_triage_counts_as_medium(home: House) -> None:
    """What nobody has looked at yet is not healthy."""
    home.receive(alert({"alertname": "A", "severity": "low"}), work=False)
    assert views.status(home.handler)["state"] == "WARNING"


def test_critical_incident_older_than_those_shown_still_counts(home: House) -> None:
    """The state is of all open incidents, the list of the newest."""
    home.receive(alert({"alertname": "Old", "severity": "critical"}))
    home.receive(*(alert({"alertname": f"New{n}", "severity": "low"}) for n in range(views.OPEN_SHOWN)))
    seen = views.status(home.handler)
    assert seen["state"] == "CRITICAL"
    assert seen["open_count"] == views.OPEN_SHOWN + 1 == len(seen["open"]) + 1


def test_open_incidents_come_worst_first_then_oldest(home: House) -> None:
    """What matters most stands on top."""
    home.receive(alert({"alertname": "B", "severity": "low"}), alert({"alertname": "C", "severity": "critical"}))
    home.now += 60
    home.receive(alert({"alertname": "A", "severity": "critical"}))
    assert [incident["alertname"] for incident in views.status(home.handler)["open"]] == ["C", "A", "B"]


def test_affected_services_have_their_worst_severity(home: House) -> None:
    """For whom it is broken, once each; an incident without a service names nobody."""
    home.receive(
        alert({"alertname": "A", "severity": "low", "service": "shop"}),
        alert({"alertname": "B", "severity": "critical", "service": "shop"}),
        alert({"alertname": "C", "severity": "high"}),
    )
    assert views.status(home.handler)["affected"] == [{"service": "shop", "severity": "critical"}]


def test_failed_check_degrades_the_house(home: House) -> None:
    """Without Prometheus nothing can be verified: that is no healthy house, and the check says what is wrong."""
    home.prometheus.close()
    home.handler.upkeep.turn()
    seen = views.status(home.handler)
    texts = {check["name"]: check["text"] for check in seen["checks"] if not check["ok"]}
    assert seen["state"] == "DEGRADED"
    assert texts == dict.fromkeys(("prometheus", "alertmanager"), f"no answer from {home.prometheus.url}")


def test_silent_watchdog_is_said(home: House) -> None:
    """No alert can arrive: the check fails and says when the watchdog was heard."""
    home.receive(alert({"alertname": "NightshiftWatchdog", "watchdog": "true"}))
    home.now += 600
    home.handler.upkeep.turn()
    watchdog = views.status(home.handler)["checks"][-1]
    assert (watchdog["ok"], watchdog["at"]) == (False, START)
    assert "no alert can arrive" in watchdog["text"]


def test_webhooks_that_wait_are_counted(home: House) -> None:
    """A backlog shows before it is worked off."""
    home.handler.receive("alertmanager", b"{}")
    assert views.status(home.handler)["inbox_pending"] == 1


def test_kill_switch_is_shown(home: House) -> None:
    """As it stands now."""
    home.kill_file.touch()
    assert views.status(home.handler)["switches"]["kill_switch"] is True


def test_incident_is_shown_whole(home: House) -> None:
    """Evidence, attempts, messages and timeline in one dictionary."""
    repaired(home)
    seen = views.incident(home.handler, 1)
    assert seen is not None
    assert (seen["verdict"], seen["state"], seen["standing"]["word"]) == ("fixed", "closed", "Fixed")
    assert (seen["lesson"], seen["verdict_text"][:11]) == ("cleanup fixed DiskFull 1 of 1 times", "healthy for")
    assert [a["verdict"] for a in seen["attempts"]] == ["fixed"]
    assert {message.kind for message in seen["messages"]} == {"action", "verdict", "resolved"}


def test_unknown_incident_is_none(home: House) -> None:
    """No incident, no view."""
    assert views.incident(home.handler, 1) is None


def test_seed_data_has_the_required_shape(home: House) -> None:
    """timestamp, metrics with the overall status and scores, alerts, historical data."""
    repaired(home)
    home.receive(alert({"alertname": "Odd", "severity": "warning"}, {"summary": "something"}))
    seen = views.seed_data(home.handler, datetime.fromtimestamp(START, UTC))
    assert seen["timestamp"] == "2027-01-15T08:00:00.000000"
    assert (seen["metrics"]["overall_status"], seen["metrics"]["reliability_score"]) == ("WARNING", 100.0)
    assert seen["alerts"] == [{"severity": "MEDIUM", "title": "Odd", "message": "something", "id": 2}]
    assert [entry["verdict"] for entry in seen["historical_data"]] == ["fixed"]


def test_reliability_without_verified_attempts_is_unknown(home: House) -> None:
    """No figure is better than an invented one."""
    assert views.seed_data(home.handler, datetime.now(UTC))["metrics"]["reliability_score"] is None


@pytest.mark.parametrize(("value", "shown"), [(1.5, 1.5), (float("nan"), None), (float("inf"), None), (None, None)])
def test_finite_keeps_what_json_can_say(value: float | None, shown: float | None) -> None:
    """NaN and infinity become null."""
    assert views.finite(value) == shown


def test_plan_of_a_waiting_incident_is_shown(home: House) -> None:
    """The dry run of a decision stands in its view."""
    (home.roots / "a.log").write_bytes(b"x")
    home.prometheus.answers["disk_used"] = [({}, 0.9)]
    home.kill_file.touch()
    home.receive(disk_full())
    decision = views.status(home.handler)["open"][0]["decision"]
    assert (decision["verdict"], decision["reason"]) == ("hold", "kill_switch")
    assert decision["plan"]["steps"][0].startswith("delete a.log")
