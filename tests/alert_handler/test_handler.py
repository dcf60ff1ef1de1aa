import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from alert_handler.config import Config
from alert_handler.errors import ConfigInvalid, StoreUnavailable
from alert_handler.handler import Crew, Handler, store_path
from alert_handler.model import Mode
from alert_handler.store.inbox import Delivery
from alert_handler.worker import Bell
from tests.alert_handler.doubles import FakeClock, fill_up, make_room, stored_incident, wire_alert, wire_body

WAIT = 20.0


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Observes; nothing answers at the upstreams."""
    return msgspec.convert(
        {
            "store_url": f"sqlite:///{tmp_path}/handler.db",
            "prometheus": {"url": "http://127.0.0.1:9", "timeout_seconds": 0.1},
            "alertmanager": {"url": "http://127.0.0.1:9"},
            "playbook_files": [],
            "workers": 2,
        },
        Config,
    )


@pytest.fixture
def handler(config: Config, clock: FakeClock) -> Iterator[Handler]:
    """A handler that is not started."""
    handler = Handler(config, "http://nightshift.example/", clock)
    yield handler
    handler.stop()


@pytest.fixture
def crew() -> Iterator[Crew]:
    """A crew; dismissed after the test."""
    crew = Crew(Bell())
    yield crew
    crew.dismiss(WAIT)


def until(condition: Callable[[], object]) -> None:
    """Wait for *condition* of threads that run."""
    pause = threading.Event()
    for _ in range(4000):
        if condition():
            return
        pause.wait(0.005)
    raise AssertionError


def test_start_takes_a_webhook_to_a_decision(handler: Handler) -> None:
    """Stored, absorbed, worked on: all threads together, woken by the bell."""
    handler.start()
    handler.receive("alertmanager", wire_body(wire_alert()))
    until(lambda: any(case.stage is None for case in handler.incidents.list()))
    stages = [transition.stage for transition in handler.incidents.timeline(1)]
    assert stages == ["triage", "diagnose", "decide", "notify", "learn"]
    assert handler.ready() == ""


def test_start_takes_up_what_a_killed_predecessor_left(handler: Handler) -> None:
    """A stored webhook and a claimed incident of a dead process are worked off without any new delivery."""
    stored_incident(handler.database, {"alertname": "Left"})
    assert handler.incidents.claim("worker", handler.clock()) is not None
    handler.inbox.add(Delivery("alertmanager", handler.clock(), wire_body(wire_alert())))
    handler.start()
    until(lambda: [case.stage for case in handler.incidents.list()] == [None, None])
    assert handler.inbox.pending() == 0


def test_stop_lets_a_running_stage_finish_and_refuses_what_comes_later(handler: Handler) -> None:
    """R19: the stage is saved, the next one is not started, senders hear that they must send again."""
    running, release = threading.Event(), threading.Event()
    triage = handler.worker.pipeline._stages["triage"]

    def slow(case: object) -> object:
        running.set()
        release.wait(WAIT)
        return triage(case)  # type: ignore[arg-type]

    handler.worker.pipeline._stages["triage"] = slow  # type: ignore[assignment]
    handler.start()
    handler.receive("alertmanager", wire_body(wire_alert()))
    assert running.wait(WAIT)
    stopping = threading.Thread(target=handler.stop)
    stopping.start()
    until(handler.worker._stopping.is_set)
    release.set()
    stopping.join(WAIT)
    with pytest.raises(StoreUnavailable):
        handler.receive("alertmanager", b"{}")
    assert handler.ready() == "stopping"


def test_stop_saved_what_ran(config: Config, clock: FakeClock, handler: Handler) -> None:
    """After a stop the store is free for the next process and has every stage that ended."""
    handler.receive("alertmanager", wire_body(wire_alert()))
    handler.stop()
    successor = Handler(config, "", clock)
    assert successor.inbox.pending() == 1
    successor.stop()


def test_stop_twice_is_once(handler: Handler) -> None:
    """The second stop finds nothing to do."""
    handler.stop()
    handler.stop()


def test_ready_full_store_is_red_until_it_has_room(handler: Handler) -> None:
    """R14: /-/ready is red while a webhook cannot be stored, whatever idle workers do, and green again by itself."""
    fill_up(handler.database)
    with pytest.raises(StoreUnavailable):
        handler.inbox.reject(Delivery("x", 1.0, b"x" * 60_000), "")
    handler.worker.turn()
    assert handler.ready() == "the store cannot be written"
    make_room(handler.database)
    assert handler.ready() == ""


def test_ready_store_that_cannot_be_read_is_red(handler: Handler, monkeypatch: pytest.MonkeyPatch) -> None:
    """A corrupt page may be found by a reader first."""

    def broken() -> int:
        raise StoreUnavailable("malformed")

    monkeypatch.setattr(handler.inbox, "pending", broken)
    assert handler.ready() == "the store cannot be read"


def test_ready_dead_thread_is_red(handler: Handler) -> None:
    """A thread that ends by itself is no small thing."""
    ended = threading.Thread()
    ended.start()
    ended.join(WAIT)
    handler._workers._threads.append(ended)
    assert handler.ready() == "a thread has died: restart"


def test_reload_takes_mode_channels_and_upstreams(handler: Handler, config: Config) -> None:
    """What is written after the reload goes to the new channels, and upkeep asks the new addresses."""
    handler.start()
    changed = {"mode": Mode.RECOMMEND, "notifiers": {"log": {}, "second": {"kind": "log"}}}
    handler.reload(msgspec.structs.replace(config, **changed))
    assert (handler.config.mode, tuple(handler.channels)) == (Mode.RECOMMEND, ("log", "second"))
    assert handler.worker.incidents._channels == handler.upkeep._outbox.channels == ("log", "second")
    assert handler.upkeep._config.mode is Mode.RECOMMEND
    names = sorted(thread.name for thread in threading.enumerate() if thread.name.startswith("courier-"))
    assert names == ["courier-log", "courier-second"]
    assert handler.ready() == ""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"store_url": "sqlite:///other.db"}, "store_url and workers change only at a restart"),
        ({"workers": 9}, "store_url and workers change only at a restart"),
        ({"notifiers": {"pagr": {}}}, 'notifiers.pagr: unknown notifier "pagr"'),
    ],
)
def test_reload_bad_configuration_changes_nothing(
    handler: Handler, config: Config, change: dict[str, object], message: str
) -> None:
    """The old configuration stays in force, whole."""
    with pytest.raises(ConfigInvalid, match=message):
        handler.reload(msgspec.structs.replace(config, **change))
    assert handler.config is config
    assert tuple(handler.channels) == ("log",)


def test_handler_bad_configuration_gives_the_store_back(config: Config, handler: Handler, clock: FakeClock) -> None:
    """A start that fails leaves no lock."""
    handler.stop()
    for _ in range(2):
        with pytest.raises(ConfigInvalid, match="unknown notifier"):
            Handler(msgspec.structs.replace(config, notifiers={"pagr": {}}), "", clock)


def test_crew_a_raising_turn_is_logged_and_repeated(crew: Crew, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing that one turn raises ends its thread."""
    caplog.set_level(logging.ERROR)
    turns: list[int] = []

    def turn() -> float:
        turns.append(1)
        if len(turns) == 1:
            raise ValueError("odd")
        if len(turns) == 2:
            raise StoreUnavailable("full")
        return 3600.0

    crew.hire("worker", turn)
    for number in (1, 2):
        until(lambda number=number: len(turns) >= number)
        crew._bell.ring()
    until(lambda: len(turns) >= 3)
    assert crew.alive
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]


def test_crew_dismiss_does_not_wait_for_ever(crew: Crew) -> None:
    """A turn that hangs is left behind; the others had the whole time, not a share of it."""
    hanging, release = threading.Event(), threading.Event()

    def hang() -> float:
        hanging.set()
        release.wait(WAIT)
        return 0.0

    crew.hire("hung", hang)
    crew.hire("quick", lambda: 3600.0)
    assert hanging.wait(WAIT)
    crew.dismiss(0.05)
    assert not crew.alive
    release.set()


def test_upkeep_is_not_woken_by_webhooks(handler: Handler) -> None:
    """A storm of alerts must not become a storm of requests to Prometheus and Alertmanager."""
    turns: list[int] = []
    turned = threading.Event()
    handler.upkeep.turn = lambda: (turns.append(1), turned.set(), 3600.0)[2]  # type: ignore[method-assign]
    handler.start()
    assert turned.wait(WAIT)
    for number in range(20):
        handler.receive("alertmanager", wire_body(wire_alert(alertname=str(number))))
    until(lambda: handler.inbox.pending() == 0)
    assert turns == [1]


@pytest.mark.parametrize(("url", "path"), [("sqlite:////a/b.db", "/a/b.db"), ("sqlite:///b.db", f"{Path.cwd()}/b.db")])
def test_store_path_is_absolute(url: str, path: str) -> None:
    """Four slashes for an absolute path, three for one beside the process."""
    assert store_path(url) == Path(path)


@pytest.mark.parametrize("url", ["postgresql://h/db", "sqlite:///", "nightshift.db"])
def test_store_path_other_stores_are_refused(url: str) -> None:
    """With what to write instead."""
    with pytest.raises(ConfigInvalid, match="write sqlite:///PATH"):
        store_path(url)
