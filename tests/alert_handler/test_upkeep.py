import msgspec
import pytest

from alert_handler.config import Config, Upstream, Watchdog
from alert_handler.lifecycle import WATCHDOG
from alert_handler.metrics import Metrics
from alert_handler.model import Mode, Plan
from alert_handler.store.attempts import Attempts, write_attempt
from alert_handler.store.inbox import Delivery, keep_reject
from alert_handler.store.outbox import Outbox
from alert_handler.store.sqlite import Database
from alert_handler.switches import Switches
from alert_handler.upkeep import BODIES_KEPT_SECONDS, TURN_SECONDS, Upkeep
from tests.alert_handler.doubles import FakeClock, HttpServer, Reply, fill_up, make_room, stored_incident

SILENCE = 60.0


@pytest.fixture
def config(server: HttpServer) -> Config:
    """Both upstreams at one server; one minute of silence is too long."""
    server.replies = [Reply()]
    config = Config(alertmanager=Upstream(url=server.url + "/"), watchdog=Watchdog(max_silence_seconds=SILENCE))
    return msgspec.structs.replace(config, prometheus=msgspec.structs.replace(config.prometheus, url=server.url))


@pytest.fixture
def outbox(database: Database) -> Outbox:
    """One channel."""
    return Outbox(database, ("chat",))


@pytest.fixture
def upkeep(config: Config, database: Database, outbox: Outbox, metrics: Metrics, clock: FakeClock) -> Upkeep:
    """Upkeep of an empty store."""
    return Upkeep(config, database, outbox, metrics, clock)


def hear(database: Database, clock: FakeClock) -> None:
    """The always-firing alert comes."""
    with database.write() as tx:
        tx.run("heartbeat_set", {"name": WATCHDOG, "received_at": clock()})


def told(outbox: Outbox) -> int:
    """How many messages wait."""
    return sum(queue.pending for queue in outbox.queues())


def value(metrics: Metrics, name: str, **labels: str) -> float | None:
    """A gauge."""
    return metrics.registry.get_sample_value(f"nightshift_{name}", labels)


def test_turn_silent_watchdog_is_told_once_a_silence_and_again_after_the_next(
    upkeep: Upkeep, database: Database, outbox: Outbox, clock: FakeClock
) -> None:
    """R17: one message a silence, however long; a second silence is news again."""
    hear(database, clock)
    counts = []
    for seconds, heard in [(SILENCE, False), (1, False), (600, False), (0, True), (SILENCE, False), (1, False)]:
        clock.advance(seconds)
        if heard:
            hear(database, clock)
        upkeep.turn()
        counts.append((told(outbox), upkeep.watchdog_missing))
    assert counts == [(0, False), (1, True), (1, True), (1, False), (1, False), (2, True)]


def test_turn_clock_that_was_set_back_hides_no_silence(
    upkeep: Upkeep, database: Database, outbox: Outbox, clock: FakeClock
) -> None:
    """An hour too late it counts as heard in the future: from now on it must be heard again."""
    hear(database, clock)
    clock.advance(-3600)
    upkeep.turn()
    clock.advance(SILENCE + 1)
    upkeep.turn()
    assert (upkeep.watchdog_missing, told(outbox)) == (True, 1)
    hear(database, clock)
    upkeep.turn()
    assert not upkeep.watchdog_missing


def test_turn_watchdog_never_heard_is_missed_too(
    upkeep: Upkeep, outbox: Outbox, clock: FakeClock, metrics: Metrics
) -> None:
    """A route that never worked; the time is counted from the start of the process."""
    clock.advance(SILENCE + 1)
    upkeep.turn()
    assert (told(outbox), value(metrics, "watchdog_missing")) == (1, 1.0)


def test_configure_keeps_what_is_known_of_the_silence(
    upkeep: Upkeep, config: Config, database: Database, clock: FakeClock, metrics: Metrics
) -> None:
    """A reload in the middle of a silence neither ends it nor tells it again; the new channels count."""
    clock.advance(SILENCE + 1)
    upkeep.turn()
    upkeep.configure(msgspec.structs.replace(config, mode=Mode.ACT), Outbox(database, ("pager",)))
    upkeep.turn()
    outbox = Outbox(database, ())
    assert (told(outbox), upkeep.watchdog_missing, value(metrics, "mode_info", mode="act")) == (1, True, 1.0)
    hear(database, clock)
    upkeep.turn()
    clock.advance(SILENCE + 1)
    upkeep.turn()
    assert [queue.channel for queue in outbox.queues()] == ["chat", "pager"]


def test_turn_asks_both_upstreams_whether_they_are_ready(upkeep: Upkeep, server: HttpServer, metrics: Metrics) -> None:
    """By their own readiness page, never with a doubled slash."""
    server.replies = [Reply(), Reply(status=503)]
    assert upkeep.turn() == TURN_SECONDS
    assert server.paths == ["/-/ready", "/-/ready"]
    assert (upkeep.upstream_up("prometheus"), upkeep.upstream_up("alertmanager")) == (True, False)
    assert value(metrics, "upstream_up", upstream="alertmanager") == 0.0


def test_turn_upstream_that_is_gone_is_down(
    config: Config, database: Database, outbox: Outbox, metrics: Metrics, clock: FakeClock
) -> None:
    """Nobody listens: down, not an exception."""
    nowhere = msgspec.structs.replace(config, alertmanager=Upstream(url="http://127.0.0.1:9"))
    upkeep = Upkeep(nowhere, database, outbox, metrics, clock)
    upkeep.turn()
    assert not upkeep.upstream_up("alertmanager")


def test_turn_finds_out_that_the_store_works_again(upkeep: Upkeep, database: Database) -> None:
    """Nobody needs to ask /-/ready for the store to turn green."""
    fill_up(database)
    assert not database.probe()
    make_room(database)
    upkeep.turn()
    assert database.writable


def test_refresh_shows_store_queues_and_switches(
    upkeep: Upkeep, database: Database, metrics: Metrics, clock: FakeClock
) -> None:
    """The gauges say what is stored now."""
    hear(database, clock)
    stored_incident(database)
    with database.write() as tx:
        tx.run("inbox_add", {"sender": "x", "received_at": 1.0, "body": b""})
        database._connection().execute("UPDATE incidents SET severity = 'high'")
    upkeep.refresh(Switches(None, None, {"AUTO_REMEDIATION_ENABLED": "no"}))
    shown = {
        name: value(metrics, name) for name in ("inbox_pending", "store_writable", "outbox_oldest_timestamp_seconds")
    }
    assert shown == {"inbox_pending": 1.0, "store_writable": 1.0, "outbox_oldest_timestamp_seconds": 0.0}
    assert value(metrics, "incidents_open", severity="high") == 1.0
    assert value(metrics, "switch_enabled", switch="auto_remediation") == 0.0
    assert value(metrics, "watchdog_last_received_timestamp_seconds") == clock()


def test_refresh_does_not_wait_for_a_channel_that_is_gone(
    upkeep: Upkeep, database: Database, metrics: Metrics, clock: FakeClock
) -> None:
    """Messages of a channel that was taken out of the configuration are nobody's backlog."""
    clock.advance(SILENCE + 1)
    upkeep.turn()
    upkeep.configure(Config(), Outbox(database, ("log",)))
    upkeep.refresh(Switches(None, None, {}))
    assert value(metrics, "outbox_oldest_timestamp_seconds") == 0.0


def test_refresh_of_a_store_that_cannot_be_read_keeps_the_old_figures(
    upkeep: Upkeep, database: Database, metrics: Metrics, caplog: pytest.LogCaptureFixture
) -> None:
    """The metrics page is shown whatever the store does: it is how people learn of it."""
    with database.write() as tx:
        keep_reject(tx, Delivery("x", 1.0, b""), "")
    upkeep.refresh(Switches(None, None, {}))
    database.close()
    upkeep.refresh(Switches(None, None, {}))
    assert "the gauges are old" in caplog.text
    assert value(metrics, "inbox_pending") == 0.0


def failed_attempt(database: Database, target: str, at: float) -> None:
    """An attempt that did not fix its target."""
    attempts = Attempts(database)
    plan = Plan(remediation="cleanup", target=target, summary="").sealed()
    claimed = attempts.claim(stored_incident(database, {"n": f"{target}{at}"}), 1, "p", plan, at)
    with database.write() as tx:
        write_attempt(tx, claimed.evolve(state="succeeded", finished_at=at, verdict="not_fixed", verified_at=at))


def test_refresh_counts_blocked_pairs_until_their_window_passes(
    upkeep: Upkeep, database: Database, metrics: Metrics, clock: FakeClock
) -> None:
    """Three verified failures on one target within the window count as one blocked pair, and later as none."""
    for number in range(3):
        failed_attempt(database, "shop", clock() + number)
    failed_attempt(database, "mail", clock())
    upkeep.refresh(Switches(None, None, {}))
    assert value(metrics, "strikes_open") == 1.0
    clock.advance(2 * 3600.0)
    upkeep.refresh(Switches(None, None, {}))
    assert value(metrics, "strikes_open") == 0.0


def test_turn_forgets_bodies_that_were_worked_on_long_ago(upkeep: Upkeep, database: Database, clock: FakeClock) -> None:
    """A week after it was worked on a body goes; one that waits stays, however old it is."""
    old = clock() - BODIES_KEPT_SECONDS - 1
    with database.write() as tx:
        worked = tx.add("inbox_add", {"sender": "x", "received_at": old, "body": b"worked on"})
        tx.run("inbox_mark", {"id": worked, "state": "done"})
        tx.add("inbox_add", {"sender": "x", "received_at": old, "body": b"waits"})
    upkeep.turn()
    with database.read() as tx:
        assert [row["body"] for row in tx.all("inbox_next", {"limit": 9})] == [b"waits"]
    assert database._connection().execute("SELECT count(*) FROM inbox").fetchone()[0] == 1
