import json
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alert_handler.errors import StoreUnavailable
from alert_handler.handler import PARSERS
from alert_handler.lifecycle import LATE_SECONDS, REOPEN_SECONDS, WATCHDOG, Lifecycle
from alert_handler.metrics import Metrics
from alert_handler.model import Case, Note
from alert_handler.store.inbox import Delivery, Inbox
from alert_handler.store.incidents import Incidents
from alert_handler.store.sqlite import Database
from tests.alert_handler.doubles import LABELS, NOW, fill_up, make_room, verdict, wire_alert, wire_body
from tests.alert_handler.poison import ODD, around


class Desk:
    """Deliveries in, incidents out, without a thread."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.metrics = Metrics()
        self.inbox = Inbox(database)
        self.incidents = Incidents(database)
        self.lifecycle = Lifecycle(database, self.inbox, PARSERS, self.metrics)
        self.now = NOW

    def deliver(self, *alerts: object, absorb: bool = True) -> None:
        """One webhook, a second after the one before."""
        self.now += 1.0
        self.put(wire_body(*alerts))
        if absorb:
            assert self.lifecycle.absorb() == 1

    def put(self, body: bytes, sender: str = "alertmanager") -> None:
        """Store a body."""
        self.inbox.add(Delivery(sender=sender, received_at=self.now, body=body))

    def fires(self, starts_at: float = NOW) -> None:
        """The alert fires, or is told again to."""
        self.deliver(wire_alert(starts_at))

    def resolves(self, starts_at: float = NOW) -> None:
        """The alert is resolved."""
        self.deliver(wire_alert(starts_at, "resolved"))

    @property
    def only(self) -> Case:
        """The only incident."""
        [case] = self.incidents.list()
        return case

    def rests(self, **changes: object) -> None:
        """The stages have run: the incident is at rest, with *changes*."""
        claimed = self.incidents.claim("worker", self.now)
        assert claimed is not None
        self.incidents.save(claimed.evolve(stage=None, **changes), "learn", self.now, keep_claim=False)

    def closes(self) -> None:
        """The stages have closed the incident."""
        claimed = self.incidents.claim("worker", self.now)
        assert claimed is not None
        over = claimed.incident.evolve(state="closed", closed_at=self.now)
        self.incidents.save(claimed.evolve(stage=None, incident=over), "learn", self.now, keep_claim=False)

    def count(self, name: str, **labels: str) -> float:
        """A counter's value."""
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


@pytest.fixture
def desk(database: Database) -> Iterator[Desk]:
    """A desk over an empty store."""
    desk = Desk(database)
    yield desk
    desk.inbox.close()


def test_fire_opens_an_incident_that_is_due_at_once(desk: Desk) -> None:
    """The first delivery of a label set."""
    desk.fires()
    assert (desk.only.incident.labels, desk.only.incident.starts_at, desk.only.stage) == (LABELS, NOW, "triage")
    assert desk.only.due_at <= desk.now


def test_redelivery_starts_nothing_new(desk: Desk) -> None:
    """R6: ninety times the same, and the incident at rest stays at rest."""
    desk.fires()
    desk.rests()
    for _ in range(90):
        desk.fires()
    assert (desk.only.stage, desk.only.incident.last_seen_at) == (None, desk.now)
    assert desk.count("nightshift_alerts_deduplicated_total") == 90


def test_redelivery_after_fixed_doubts_the_verdict(desk: Desk) -> None:
    """It was called fixed, and the sender still says that it fires: look again."""
    desk.fires()
    desk.rests(verdict=verdict(at=desk.now))
    desk.fires()
    assert desk.only.stage == "triage"


def test_new_start_begins_another_episode_of_the_same_incident(desk: Desk) -> None:
    """A scrape gap gives one fault a new startsAt: the incident goes on, looked at anew."""
    desk.fires()
    desk.rests()
    desk.fires(NOW + 30)
    assert (desk.only.incident.starts_at, desk.only.stage) == (NOW + 30, "triage")


def test_resolved_before_firing_is_known_when_the_firing_comes(desk: Desk) -> None:
    """Two Alertmanagers overtake each other: the alert that comes last is over already."""
    desk.resolves()
    assert desk.incidents.list() == []
    desk.fires()
    assert desk.only.incident.status == "resolved"


def test_resolved_before_its_new_start_is_known_too(desk: Desk) -> None:
    """The same for a second episode, and for one whose beginning was never told."""
    desk.fires()
    desk.resolves(NOW + 30)
    desk.fires(NOW + 30)
    assert desk.only.incident.status == "resolved"
    desk.fires(NOW + 60)
    assert desk.only.incident.status == "firing"


def test_resolved_sends_an_incident_at_rest_to_be_closed(desk: Desk) -> None:
    """At rest it waits for exactly this."""
    desk.fires()
    desk.rests()
    desk.resolves()
    assert (desk.only.incident.status, desk.only.stage) == ("resolved", "learn")


def test_late_resolve_of_an_older_episode_changes_nothing(desk: Desk) -> None:
    """The episode that burns now is a later one."""
    desk.fires()
    desk.fires(NOW + 30)
    desk.rests()
    desk.resolves(NOW)
    assert (desk.only.incident.status, desk.only.stage) == ("firing", None)


def test_late_firing_of_an_older_episode_changes_nothing(desk: Desk) -> None:
    """What was told about the past does not turn the clock back."""
    desk.fires(NOW + 30)
    desk.fires(NOW)
    assert desk.only.incident.starts_at == NOW + 30


def test_fire_within_the_window_reopens(desk: Desk) -> None:
    """A fault that is back so soon is the same incident, with its history."""
    desk.fires()
    desk.resolves()
    desk.closes()
    desk.now += REOPEN_SECONDS - 10
    desk.fires(desk.now)
    assert (desk.only.incident.state, desk.only.incident.closed_at, desk.only.stage) == ("open", None, "triage")


def test_fire_after_the_window_is_another_incident(desk: Desk) -> None:
    """Next week it is another story."""
    desk.fires()
    desk.resolves()
    desk.closes()
    desk.now += REOPEN_SECONDS + 10
    desk.fires(desk.now)
    assert [case.incident.state for case in desk.incidents.list()] == ["open", "closed"]


def test_redelivery_after_closing_does_not_reopen(desk: Desk) -> None:
    """An Alertmanager that lost its memory tells the old episode again."""
    desk.fires()
    desk.resolves()
    desk.closes()
    desk.fires()
    desk.resolves()
    assert desk.only.incident.state == "closed"


def test_old_start_that_fires_again_is_an_episode_of_its_own(desk: Desk) -> None:
    """Cut off from Prometheus, Alertmanager lets an alert time out; then it is told again, with the start it had."""
    desk.fires()
    desk.resolves()
    desk.closes()
    desk.now += LATE_SECONDS
    desk.fires()
    assert (desk.only.incident.state, desk.only.incident.status, desk.only.stage) == ("open", "firing", "triage")
    desk.rests()
    desk.fires()
    assert desk.only.stage is None
    desk.resolves()
    assert (desk.only.incident.status, desk.only.stage) == ("resolved", "learn")


def test_old_start_that_fires_again_while_the_last_stage_closes_is_kept(desk: Desk) -> None:
    """The worker closes what fires again with the start that it knows."""
    desk.fires()
    desk.resolves()
    claimed = desk.incidents.claim("worker", desk.now)
    assert claimed is not None
    desk.now += LATE_SECONDS
    desk.fires()
    over = claimed.incident.evolve(state="closed", closed_at=desk.now)
    desk.incidents.save(claimed.evolve(stage=None, incident=over), "learn", desk.now, keep_claim=False)
    assert (desk.only.incident.state, desk.only.incident.closed_at, desk.only.stage) == ("open", None, "triage")


def test_resolved_while_a_stage_runs_is_seen_when_it_ends(desk: Desk) -> None:
    """Intake and worker write one row at the same time, and neither overwrites the other's part."""
    desk.fires()
    claimed = desk.incidents.claim("worker", desk.now)
    assert claimed is not None
    desk.resolves()
    desk.incidents.save(claimed.evolve(stage=None), "learn", desk.now, keep_claim=False)
    assert (desk.only.incident.status, desk.only.stage) == ("resolved", "learn")


def test_episode_begun_while_the_last_stage_closes_is_kept(desk: Desk) -> None:
    """The worker closes what intake has just found burning again."""
    desk.fires()
    desk.resolves()
    claimed = desk.incidents.claim("worker", desk.now)
    assert claimed is not None
    desk.fires(NOW + 30)
    over = claimed.incident.evolve(state="closed", closed_at=desk.now)
    desk.incidents.save(claimed.evolve(stage=None, incident=over), "learn", desk.now, keep_claim=False)
    assert (desk.only.incident.state, desk.only.incident.status, desk.only.stage) == ("open", "firing", "triage")


def test_resolved_wakes_a_policy_that_waits(desk: Desk) -> None:
    """A hold of an hour ends with the alert."""
    desk.fires()
    claimed = desk.incidents.claim("worker", desk.now)
    assert claimed is not None
    desk.incidents.save(claimed.evolve(stage="decide", due_at=desk.now + 3600), "decide", desk.now, keep_claim=False)
    desk.resolves()
    assert desk.only.due_at == desk.now


@pytest.mark.parametrize("year", ["0001", "1969", "2999"])
def test_start_that_cannot_be_neither_blinds_nor_repeats(desk: Desk, year: str) -> None:
    """An impossible start belongs to the episode that is there: told again, ended, begun anew, and outdated by none."""
    fires = {**wire_alert(), "startsAt": f"{year}-01-01T00:00:00Z"}
    for _ in range(2):
        desk.deliver(fires)
    desk.rests()
    desk.deliver(fires)
    assert desk.only.stage is None
    desk.deliver({**fires, "status": "resolved"})
    assert desk.only.incident.status == "resolved"
    desk.closes()
    desk.deliver(fires)
    assert (desk.only.incident.state, desk.only.stage) == ("open", "triage")
    desk.fires(desk.now + 60)
    assert desk.only.incident.starts_at == desk.now + 59


def test_watchdog_makes_no_incident_but_is_remembered(desk: Desk) -> None:
    """The always-firing alert only says that the road is open; its end says nothing."""
    desk.deliver(wire_alert(alertname="NightshiftWatchdog", watchdog="true"))
    desk.deliver(wire_alert(status="resolved", alertname="NightshiftWatchdog", watchdog="true"))
    assert desk.incidents.list() == []
    with desk.database.read() as tx:
        row = tx.one("heartbeat_get", {"name": WATCHDOG})
    assert row is not None
    assert row["received_at"] == NOW + 1


@pytest.mark.parametrize("name", sorted(ODD))
def test_absorb_odd_alert_never_blocks_its_group(desk: Desk, name: str) -> None:
    """R15: nine good ones become incidents, the odd one too or a sample; nothing waits any more."""
    desk.put(around(ODD[name]))
    assert desk.lifecycle.absorb() == 1
    good = [case for case in desk.incidents.list() if case.incident.labels.get("n")]
    assert (len(good), desk.inbox.pending()) == (9, 0)
    samples = len(desk.inbox.rejects())
    assert len(desk.incidents.list()) + samples in (9, 10)
    assert desk.count("nightshift_alerts_quarantined_total", reason="malformed") == samples


def test_absorb_batch_with_one_that_raises_costs_only_that_one(desk: Desk) -> None:
    """A mistake of ours in the middle of a batch: the others are taken, it is set aside with a sample, once."""
    desk.deliver(wire_alert(alertname="A"), absorb=False)
    desk.put(b"{}", sender="a sender of another version")
    desk.deliver(wire_alert(alertname="B"), absorb=False)
    desk.lifecycle.absorb()
    assert {case.incident.alertname for case in desk.incidents.list()} == {"A", "B"}
    assert [reject.sender for reject in desk.inbox.rejects()] == ["a sender of another version"]
    assert (desk.inbox.pending(), desk.count("nightshift_alerts_received_total", status="firing")) == (0, 2)


def test_absorb_body_that_no_parser_takes_is_set_aside(desk: Desk) -> None:
    """A body stored by another version is kept as a sample and blocks nothing."""
    desk.put(b'{"version": "9"}')
    desk.lifecycle.absorb()
    assert (len(desk.inbox.rejects()), desk.inbox.pending()) == (1, 0)


def test_absorb_full_store_keeps_the_deliveries_and_counts_nothing(desk: Desk) -> None:
    """What could not be committed is neither lost nor counted twice."""
    alerts = [wire_alert(alertname="A", n=str(number)) for number in range(200)]
    desk.deliver(*alerts, absorb=False)
    fill_up(desk.database)
    with pytest.raises(StoreUnavailable):
        desk.lifecycle.absorb()
    assert (desk.inbox.pending(), desk.count("nightshift_alerts_received_total", status="firing")) == (1, 0)
    make_room(desk.database)
    desk.lifecycle.absorb()
    assert (desk.inbox.pending(), desk.count("nightshift_alerts_received_total", status="firing")) == (0, 200)


def test_absorb_nothing_does_nothing(desk: Desk) -> None:
    """An empty inbox is no work."""
    assert desk.lifecycle.absorb() == 0


def test_absorb_tells_that_alerts_were_left_out(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """A truncated message is a setting to be changed."""
    desk.put(json.dumps({"alerts": [], "truncatedAlerts": 3}).encode())
    desk.lifecycle.absorb()
    assert "max_alerts: 0" in caplog.text


EVENTS = st.lists(
    st.tuples(
        st.sampled_from("ab"), st.sampled_from([NOW, NOW + 60, NOW + 120]), st.sampled_from(["firing", "resolved"])
    ),
    min_size=1,
    max_size=8,
)


@settings(deadline=None, max_examples=60)
@given(st.data(), EVENTS)
def test_any_order_and_repetition_of_deliveries_gives_the_same_incidents(
    data: st.DataObject, events: list[tuple[str, float, str]]
) -> None:
    """R6: duplicated, reordered and regrouped at will, what stands at the end is what the set of events says."""
    shuffled = data.draw(st.permutations(events + data.draw(st.lists(st.sampled_from(events), max_size=4))))
    assert outcome([[event] for event in events]) == outcome(data.draw(grouped(shuffled))) == expected(events)


def grouped(events: list[tuple[str, float, str]]) -> st.SearchStrategy[list[list[tuple[str, float, str]]]]:
    """The same events in any groups, in order."""
    cuts = st.sets(st.integers(0, len(events)))
    return cuts.map(
        lambda at: [events[i:j] for i, j in zip([0, *sorted(at)], [*sorted(at), len(events)], strict=True) if i < j]
    )


def expected(events: list[tuple[str, float, str]]) -> dict[str, tuple[float, str]]:
    """By label set: the last start that was seen firing, and whether that one or a later one is over."""
    found = {}
    for name in {name for name, _, status in events if status == "firing"}:
        start = max(at for which, at, status in events if which == name and status == "firing")
        over = any(which == name and status == "resolved" and at >= start for which, at, status in events)
        found[name] = (start, "resolved" if over else "firing")
    return found


def outcome(groups: list[list[tuple[str, float, str]]]) -> dict[str, tuple[float, str]]:
    """The incidents after these deliveries, with a worker that runs in between."""
    with tempfile.TemporaryDirectory() as folder:
        desk = Desk(Database(Path(folder) / "x.db"))
        for number, group in enumerate(groups):
            desk.deliver(*(wire_alert(start, status, alertname=name) for name, start, status in group))
            if number % 2 and (case := desk.incidents.claim("worker", desk.now)):
                desk.incidents.save(
                    case.evolve(stage=None, note=Note(outcome="", text="")), "learn", 0.0, keep_claim=False
                )
        found = {c.incident.alertname: (c.incident.starts_at, c.incident.status) for c in desk.incidents.list()}
        assert len(found) == len(desk.incidents.list())
        desk.inbox.close()
        desk.database.close()
        return found
