import pytest

from tests.prometheus.conftest import Run, runner, tool
from tests.prometheus.routing import CONFIG, FILE, Route, walk
from tests.prometheus.rulebook import Rule, alert_labels, alerts

by_alert = pytest.mark.parametrize("rule", alerts(), ids=str)


def test_configuration_is_accepted(amtool: Run) -> None:
    """Every Alertmanager from 0.25 on takes the file."""
    done = amtool("check-config", FILE)
    assert done.returncode == 0, done.stdout + done.stderr


@by_alert
def test_route_of_every_alert_is_what_amtool_says(rule: Rule) -> None:
    """The walk of this test is Alertmanager's, and everything goes to the handler."""
    labels = alert_labels(rule)
    expected = [route.receiver for route in walk(labels)]
    arguments = [f"{name}={value}" for name, value in labels.items()]
    amtool = runner(tool("amtool", None))
    done = amtool("config", "routes", "test", f"--config.file={FILE}", *arguments)
    assert done.stdout.strip().split(",") == expected
    assert expected[-1] == "nightshift"


@by_alert
def test_repairable_alert_goes_at_once_and_alone(rule: Rule) -> None:
    """The detection promise: no waiting for others, a resolution within 10 s."""
    if "action" in rule.labels:
        assert walk(alert_labels(rule)) == [Route("nightshift", ("...",), "0s", "10s", "5m")]


@by_alert
def test_other_alerts_go_at_the_pace_of_their_severity(rule: Rule) -> None:
    """Critical within 5 s, high within 15 s, medium within a minute, low within five."""
    if "action" in rule.labels or "watchdog" in rule.labels:
        return
    route = walk(alert_labels(rule))[-1]
    paces = {"critical": ("5s", "1h"), "high": ("15s", "4h"), "medium": ("1m", "12h"), "low": ("5m", "1d")}
    assert (route.group_wait, route.repeat_interval) == paces[rule.labels["severity"]]
    assert route.group_by == ("alertname", "service", "instance")


def test_watchdog_is_sent_every_minute() -> None:
    """It goes to the handler alone; 50 s is looked at every 20 s, which makes 60 s."""
    [route] = walk(alert_labels(next(rule for rule in alerts() if "watchdog" in rule.labels)))
    assert (route.receiver, route.group_wait) == ("nightshift", "0s")
    assert (route.group_interval, route.repeat_interval) == ("20s", "50s")


@by_alert
def test_alert_about_the_handler_also_goes_to_a_person(rule: Rule) -> None:
    """A handler that is down tells nobody; less than high severity may wait for it."""
    receivers = [route.receiver for route in walk(alert_labels(rule))]
    urgent = rule.stem in {"alert_handler", "watchdog"} and rule.labels["severity"] in {"critical", "high"}
    assert ("person" in receivers) == urgent


@pytest.mark.parametrize("severity", ["warning", "page", "P1", ""])
def test_foreign_alert_goes_to_the_handler(severity: str) -> None:
    """Alerts of other rules take the default route."""
    [route] = walk({"alertname": "Foreign", "severity": severity})
    assert (route.receiver, route.group_wait) == ("nightshift", "10s")


def test_receiver_keeps_every_alert_and_follows_no_redirect() -> None:
    """What the handler relies on: resolutions are sent, nothing is cut off, a POST stays a POST."""
    [receiver] = [entry for entry in CONFIG["receivers"] if entry["name"] == "nightshift"]
    [webhook] = receiver["webhook_configs"]
    assert webhook["url"] == "http://127.0.0.1:19093/api/v1/alertmanager"
    assert webhook["send_resolved"]
    assert webhook["max_alerts"] == 0
    assert not webhook["http_config"]["follow_redirects"]
