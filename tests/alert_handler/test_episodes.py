"""Whole nights: a real handler over a real store, with a clock and a Prometheus that the test moves."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from tests.alert_handler.house import START, House, alert, disk_full, house, repaired

FULL = [({}, 0.93)]
FINE = [({}, 0.4)]
#: How many incidents were closed, by verdict.
COUNTED = "nightshift_incident_resolution_seconds_count"
VERDICTS = ("fixed", "none")


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    """A house in mode act whose disk is full, with many files to clean up."""
    with house(tmp_path) as built:
        for number in range(50):
            (built.roots / f"access-{number}.log").write_bytes(b"x" * 1000)
        built.prometheus.answers = {"disk_used": FULL}
        yield built


def refill(home: House) -> None:
    """What was cleaned up is there again."""
    (home.roots / f"again-{home.now:.0f}.log").write_bytes(b"x" * 1000)


def fired(at: float, status: str = "firing", labels: dict[str, str] | None = None) -> dict[str, object]:
    """The alert of the house, started at *at*."""
    started = datetime.fromtimestamp(at, UTC).isoformat()
    if labels is not None:
        return alert({**disk_full()["labels"], **labels}, status=status, startsAt=started)
    return disk_full(status=status, startsAt=started)


def messages(home: House, incident: int = 1) -> list[str]:
    """The kinds of messages about an incident, in order."""
    return [sent.kind for sent in home.handler.outbox.of(incident)]


def attempts(home: House) -> list[str]:
    """The verdicts of all attempts, in order."""
    return [found.verdict or found.state for found in reversed(home.handler.attempts.list())]


def reason(home: House, incident: int = 1) -> str:
    """Why the policy's last answer was what it was."""
    case = home.handler.incidents.get(incident)
    assert case is not None
    assert case.decision is not None
    return f"{case.decision.verdict}:{case.decision.reason}"


def test_fault_that_no_action_fixes_is_tried_three_times_then_told(home: House) -> None:
    """Every attempt and every verdict is told once, then a person is called, and nothing runs any more."""
    home.receive(disk_full())
    for _ in range(60):
        refill(home)
        home.wait(10)
    assert attempts(home) == ["not_fixed"] * 3
    assert messages(home) == ["action", "verdict"] * 3 + ["escalation"]
    assert reason(home) == "escalate:strikes"


def test_flapping_alert_gets_no_fourth_attempt(home: House) -> None:
    """Resolved and started anew again and again: strikes are counted over all episodes."""
    for _ in range(12):
        refill(home)
        started = home.now
        home.receive(fired(started))
        home.wait(40)
        home.receive(fired(started, "resolved"))
        home.wait(60)
    assert attempts(home) == ["not_fixed"] * 3


def test_strikes_end_with_the_hour(home: House) -> None:
    """A new episode an hour later may be acted on again."""
    home.receive(disk_full())
    for _ in range(60):
        refill(home)
        home.wait(10)
    home.receive(disk_full(status="resolved"))
    home.now += 3600
    refill(home)
    home.receive(fired(home.now))
    home.wait(60)
    assert len(attempts(home)) == 4


def test_resolved_in_the_middle_of_a_verification_decides_nothing(home: House) -> None:
    """The exporter dies after the action: the alert resolves, no data is seen, and the verdict is inconclusive."""
    home.receive(disk_full())
    home.prometheus.answers = {}
    home.receive(disk_full(status="resolved"))
    home.wait(60)
    assert attempts(home) == ["inconclusive"]
    assert messages(home) == ["action", "verdict", "resolved"]


@pytest.mark.parametrize("seen", [FULL, FINE])
def test_clock_set_back_in_the_middle_of_a_verification_delays_no_verdict(
    home: House, seen: list[tuple[dict[str, str], float]]
) -> None:
    """A virtual machine wakes up an hour ahead, and its clock is put right: nobody waits for an hour."""
    home.receive(disk_full())
    home.prometheus.answers["disk_used"] = seen
    home.wait(3)
    home.now -= 3600
    home.wait(60)
    case = home.handler.incidents.get(1)
    assert case is not None
    assert case.attempt is not None
    assert case.attempt.verdict == ("fixed" if seen is FINE else "not_fixed")


def test_clock_set_back_during_a_hold_is_noticed(home: House) -> None:
    """The same for an incident that waits for the policy."""
    home.kill_file.touch()
    home.receive(disk_full())
    home.now -= 3600
    home.work()
    home.kill_file.unlink()
    home.wait(20)
    assert attempts(home) == ["succeeded"]


def test_resolved_while_held_closes_at_once(home: House) -> None:
    """A hold does not keep a finished incident open, and the wait for the cooldown ends."""
    home.receive(disk_full())
    refill(home)
    home.wait(45)
    assert reason(home) == "hold:cooldown"
    home.receive(disk_full(status="resolved"))
    case = home.handler.incidents.get(1)
    assert case is not None
    assert case.incident.state == "closed"
    assert messages(home) == ["action", "verdict", "resolved"]


def test_second_incident_on_the_same_target_waits_for_the_first(home: House) -> None:
    """Two alerts about one disk: one action; the other finds nothing left to do, and calls nobody for it."""
    home.receive(disk_full(), fired(START, labels={"severity": "high"}))
    assert len(attempts(home)) == 1
    assert reason(home, 2) == "hold:unplannable"
    home.prometheus.answers = {"disk_used": FINE}
    home.wait(30)
    home.receive(disk_full(status="resolved"), fired(START, "resolved", labels={"severity": "high"}))
    assert (attempts(home), messages(home, 2)) == (["fixed"], [])
    assert [c.incident.state for c in home.handler.incidents.list()] == ["closed", "closed"]


def test_fixed_incident_that_still_fires_is_looked_at_again(home: House) -> None:
    """A redelivery after the verdict: the condition is back, so there is a second attempt."""
    home.receive(disk_full())
    home.prometheus.answers = {"disk_used": FINE}
    home.wait(30)
    assert attempts(home) == ["fixed"]
    home.prometheus.answers = {"disk_used": FULL}
    refill(home)
    home.receive(disk_full())
    home.wait(90)
    assert attempts(home) == ["fixed", "not_fixed"]


def test_fixed_incident_that_is_redelivered_in_good_health_waits_and_closes_as_fixed(home: House) -> None:
    """Alertmanager repeats what it has not yet seen resolved: nothing runs, and people hear `fixed`, once."""
    home.receive(disk_full())
    home.prometheus.answers = {"disk_used": FINE}
    home.wait(30)
    home.receive(disk_full())
    assert reason(home) == "hold:recovered"
    home.receive(disk_full(status="resolved"))
    assert messages(home) == ["action", "verdict", "resolved"]
    assert home.handler.outbox.of(1)[-1].title == "Resolved: DiskFull"


def test_hold_of_hours_is_told_once_and_acts_when_it_may(home: House) -> None:
    """The kill switch of a whole night: one message after a quarter of an hour, action when it is lifted."""
    home.kill_file.touch()
    home.receive(disk_full())
    for _ in range(12):
        home.now += 900
        home.work()
    assert (messages(home), attempts(home)) == (["escalation"], [])
    lines = [step.outcome for step in home.handler.incidents.timeline(1)]
    assert len(lines) < 10
    home.kill_file.unlink()
    home.wait(30)
    assert len(attempts(home)) == 1


def test_call_for_another_reason_is_told_too(home: House) -> None:
    """First the hold is told, later that there is nothing to clean: the second call is not taken for the first."""
    home.kill_file.touch()
    home.receive(disk_full())
    home.wait(1000)
    for file in home.roots.iterdir():
        file.unlink()
    home.wait(30)
    assert messages(home) == ["escalation", "escalation"]
    assert reason(home) == "escalate:unplannable"


def test_prometheus_that_is_gone_calls_a_person_after_its_patience(home: House) -> None:
    """Nothing is acted on blindly, and not without saying so."""
    home.prometheus.answers = {}
    home.receive(disk_full())
    home.wait(330)
    assert (attempts(home), messages(home), reason(home)) == ([], ["escalation"], "escalate:cannot_check")


def test_one_missed_scrape_late_in_an_incident_calls_nobody(home: House) -> None:
    """Patience counts the time without data, not the age of the incident."""
    home.receive(disk_full())
    refill(home)
    home.wait(400)
    home.prometheus.answers = {"disk_used": []}
    refill(home)
    home.receive(fired(START + 5))
    home.wait(20)
    assert reason(home) == "hold:cannot_check"
    home.prometheus.answers = {"disk_used": FINE}
    home.wait(20)
    assert reason(home) == "hold:recovered"


def test_new_start_in_the_middle_of_a_round_is_a_round_of_its_own(home: House) -> None:
    """Prometheus was restarted while the action was verified: the verdict stands, the new episode is triaged."""
    home.receive(disk_full())
    home.wait(5)
    home.receive(fired(home.now))
    home.prometheus.answers = {"disk_used": FINE}
    home.wait(60)
    assert attempts(home) == ["fixed"]
    case = home.handler.incidents.get(1)
    assert case is not None
    assert case.incident.state == "open"


def test_restart_in_the_middle_of_everything_repeats_nothing(tmp_path: Path) -> None:
    """A new handler over the same store at every second of a repair: one action, each message once."""
    folder = tmp_path / "one"
    for second in range(0, 30, 3):
        folder = tmp_path / str(second)
        folder.mkdir()
        with house(folder) as first:
            (first.roots / "a.log").write_bytes(b"x")
            first.prometheus.answers = {"disk_used": FULL}
            first.receive(disk_full())
            first.prometheus.answers = {"disk_used": FINE}
            first.wait(second)
        (folder / "logs").rename(folder / "old")
        with house(folder) as second_life:
            second_life.now = START + second
            second_life.prometheus.answers = {"disk_used": FINE}
            second_life.handler.incidents.release_all()
            second_life.wait(40)
            assert (attempts(second_life), messages(second_life)) == (["fixed"], ["action", "verdict"])


def test_end_of_an_episode_without_action_is_no_success_of_the_one_before(home: House) -> None:
    """Fixed an hour ago says nothing of today: the exporter dies, the alert resolves, the disk is as full as before."""
    repaired(home)
    home.kill_file.touch()
    refill(home)
    home.prometheus.answers["disk_used"] = FULL
    home.wait(600)
    began = home.now
    home.receive(fired(began))
    home.receive(fired(began, "resolved"))
    with home.handler.database.read() as tx:
        told = [msgspec.json.decode(row["message"])["text"] for row in tx.all("outbox_of", {"incident_id": 1})]
    assert told[-1] == "closed, without a verified action of Nightshift"
    counted = {name: home.handler.metrics.registry.get_sample_value(COUNTED, {"verdict": name}) for name in VERDICTS}
    assert counted == {"fixed": 1.0, "none": 1.0}
