"""The running alert handler: everything built from one configuration, and the threads that do the work.

receiver   one thread: stored webhooks -> incidents
workers    some threads: incidents -> stages
couriers   one thread a channel: outbox -> people
upkeep     one thread: the watchdog, the servers that we ask, the gauges
"""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from alert_handler.act import ActStage, Executor
from alert_handler.clock import Clock, wall_clock
from alert_handler.config import Config
from alert_handler.courier import Courier
from alert_handler.decide import DecideStage, Rulebook
from alert_handler.diagnose import DiagnoseStage
from alert_handler.diagnoser import Sources
from alert_handler.errors import ConfigInvalid, StoreUnavailable
from alert_handler.intake import alertmanager
from alert_handler.learn import LearnStage
from alert_handler.lifecycle import Lifecycle
from alert_handler.metrics import Metrics
from alert_handler.notify import NotifyStage
from alert_handler.pipeline import Pipeline
from alert_handler.plugins import build_channels, build_diagnosers, build_remediations
from alert_handler.prometheus_api import PrometheusApi
from alert_handler.rush import Rush
from alert_handler.store.attempts import Attempts
from alert_handler.store.inbox import Delivery, Inbox
from alert_handler.store.incidents import Incidents
from alert_handler.store.outbox import Outbox
from alert_handler.store.sqlite import PREFIX, Database
from alert_handler.switches import Switches
from alert_handler.triage import TriageStage
from alert_handler.upkeep import Upkeep
from alert_handler.verify import Conditions, VerifyStage
from alert_handler.worker import IDLE_SECONDS, Bell, Worker
from chassis.logs import event

log = logging.getLogger(__name__)

#: Webhook senders that are understood, by the last part of their address.
PARSERS = {"alertmanager": alertmanager.parse}
#: How long a stop waits for a stage that runs; what takes longer is found again at the next start.
STOP_SECONDS = 8.0
STORE_RETRY_SECONDS = 1.0


class Crew:
    """Threads that repeat a turn until they are told to stop; a turn gives the seconds to wait for the bell."""

    def __init__(self, bell: Bell) -> None:
        self._bell = bell
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []

    def hire(self, name: str, turn: Callable[[], float]) -> None:
        """Start a thread that repeats *turn*."""
        thread = threading.Thread(target=self._repeat, args=(name, turn), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def dismiss(self, timeout: float = STOP_SECONDS) -> None:
        """Let every thread finish its turn, and no longer than *timeout* in all."""
        self._stop.set()
        self._bell.ring()
        deadline = time.monotonic() + timeout
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))

    @property
    def alive(self) -> bool:
        """Whether every thread still works."""
        return all(thread.is_alive() for thread in self._threads)

    def _repeat(self, name: str, turn: Callable[[], float]) -> None:
        while not self._stop.is_set():
            rung = self._bell.rung
            self._bell.wait(rung, self._turn(name, turn))

    def _turn(self, name: str, turn: Callable[[], float]) -> float:
        try:
            return turn()
        except StoreUnavailable as error:
            event(log, logging.ERROR, "the store does not work", thread=name, error=error)
        except Exception:  # one worker turn: the thread goes on with the next one
            log.exception("%s: a turn raised", name)
        return STORE_RETRY_SECONDS


class Handler:
    """Everything that runs. Build it, `start` it, give it webhooks, `stop` it.

    Raises:
        ConfigInvalid: the configuration cannot be used.
        StoreUnavailable: the store cannot be opened.
    """

    def __init__(self, config: Config, external_url: str, clock: Clock = wall_clock) -> None:
        self.external_url = external_url.rstrip("/")
        self.clock = clock
        self.metrics = Metrics()
        self.database = Database(store_path(config.store_url))
        self._pool = ThreadPoolExecutor(max_workers=4, thread_name_prefix="diagnose")
        self._reloading = threading.Lock()
        with ExitStack() as undo:
            undo.callback(self.database.close)
            self._apply(config)
            undo.pop_all()
        self.upkeep = Upkeep(config, self.database, self.outbox, self.metrics, clock)
        self.inbox = Inbox(self.database)
        self.lifecycle = Lifecycle(self.database, self.inbox, PARSERS, self.metrics)
        self.worker = Worker(self.incidents, self._pipeline(), self.metrics, clock)
        #: Each link of the chain wakes the next one alone: in a storm every webhook would else wake every thread.
        self._arrived, self._due, self._told = Bell(), Bell(), Bell()
        self._receiver = Crew(self._arrived)
        self._workers = Crew(self._due)
        self._couriers = Crew(self._told)
        #: Nobody rings for it: what it asks of others must not become more when alerts do.
        self._keeper = Crew(Bell())
        self._rush = Rush()
        self._stopping = threading.Event()

    def receive(self, sender: str, body: bytes) -> None:
        """Store a webhook body; when this returns it is on disk.

        Raises:
            StoreUnavailable: it is not; the sender must send again.
        """
        self._rush.note()
        self.inbox.add(Delivery(sender=sender, received_at=self.clock(), body=body))
        self._arrived.ring()

    def start(self) -> None:
        """Take up what a predecessor left, then start every thread."""
        left = self.incidents.release_all()
        self.incidents.wake_all(self.clock())  # the clock may have been set back meanwhile
        self._receiver.hire("receiver", self._receive_turn)
        for number in range(self.config.workers):
            self._workers.hire(f"worker-{number}", self._work_turn)
        self._keeper.hire("upkeep", self.upkeep.turn)
        self._hire_couriers()
        started = self.clock()
        text = f"🤖 Technical Monitoring Agent initialized at {started:.0f}"
        event(log, logging.INFO, text, mode=self.config.mode, store=self.config.store_url, resumed=left)

    def stop(self) -> None:
        """Finish the stages that run, start no other one, and let go of the store."""
        self._stopping.set()
        self.inbox.close()
        self.worker.stop()
        self._workers.dismiss()
        for crew in (self._receiver, self._couriers, self._keeper):
            crew.dismiss(timeout=2.0)
        self._pool.shutdown(wait=False, cancel_futures=True)
        self.database.close()

    def reload(self, config: Config) -> None:
        """Take *config*; store and number of workers stay until a restart.

        Raises:
            ConfigInvalid: it cannot be used; the old one stays.
        """
        if (config.store_url, config.workers) != (self.config.store_url, self.config.workers):
            raise ConfigInvalid("store_url and workers change only at a restart")
        with self._reloading:  # SIGHUP and POST /-/reload can come together
            self._apply(config)
            self.upkeep.configure(config, self.outbox)
            self.worker.incidents = self.incidents
            self.worker.pipeline = self._pipeline()
            before, self._couriers = self._couriers, Crew(self._told)
            before.dismiss(timeout=2.0)
            self._hire_couriers()

    def ready(self) -> str:
        """Nothing when it takes and works on webhooks, else what is wrong."""
        if self._stopping.is_set():
            return "stopping"
        if not self.database.writable and not self.database.probe():
            return "the store cannot be written"
        try:
            self.inbox.pending()
        except StoreUnavailable:
            return "the store cannot be read"
        crews = (self._receiver, self._workers, self._couriers, self._keeper)
        return "" if all(crew.alive for crew in crews) else "a thread has died: restart"

    def _apply(self, config: Config) -> None:
        """Build what depends on the configuration; nothing changes when that raises."""
        remediations, channels = build_remediations(config), build_channels(config)
        self.channels = channels
        self.config = config
        self.remediations = remediations
        self.switches = Switches(_path(config.switches.file), _path(config.switches.kill_file))
        self.prometheus = PrometheusApi(config.prometheus.url, config.prometheus.timeout_seconds)
        self.incidents = Incidents(self.database, tuple(self.channels))
        self.attempts = Attempts(self.database)
        self.outbox = Outbox(self.database, tuple(self.channels))
        self.metrics.start_at_zero(self.channels, [(p.remediation, p.name) for p in config.playbooks])

    def _pipeline(self) -> Pipeline:
        clock, metrics, config = self.clock, self.metrics, self.config
        conditions = Conditions(self.prometheus)
        notify = NotifyStage(self.external_url, clock)
        rulebook = Rulebook(config.mode, config.policy, config.playbooks, self.remediations, self.switches)
        by_name = {playbook.name: playbook for playbook in config.playbooks}
        executor = Executor(self.remediations, by_name, self.database.path.parent, self.switches)
        diagnosers = build_diagnosers(Sources(self.prometheus, self.attempts))
        return Pipeline(
            {
                "triage": TriageStage(metrics),
                "diagnose": DiagnoseStage(diagnosers, self._pool, clock),
                "decide": DecideStage(rulebook, self.attempts, conditions, metrics, clock),
                "act": ActStage(self.attempts, executor, notify, metrics, clock),
                "verify": VerifyStage(conditions, config.playbooks, config.prometheus.settle_seconds, clock),
                "notify": notify,
                "learn": LearnStage(self.attempts, notify, metrics, clock),
            }
        )

    def _receive_turn(self) -> float:
        self._rush.step_back(self._stopping)
        if not self.lifecycle.absorb():
            return IDLE_SECONDS
        self._due.ring()
        return 0.0

    def _work_turn(self) -> float:
        self._rush.step_back(self._stopping)
        if not self.worker.turn():
            return self.worker.next_due_in()
        self._told.ring()
        return 0.0

    def _hire_couriers(self) -> None:
        for name, channel in self.channels.items():
            courier = Courier(name, channel.notifier, self.outbox, self.metrics, self.clock)
            courier.min_severity = channel.min_severity
            courier.switches = self.switches if channel.kind == "websocket" else None
            self._couriers.hire(f"courier-{name}", courier.turn)


def store_path(url: str) -> Path:
    """The file of a `sqlite:///` store URL (`sqlite:////absolute/path`, `sqlite:///relative/path`).

    Raises:
        ConfigInvalid: it is another kind of store.
    """
    if not url.startswith(PREFIX) or url == PREFIX:
        raise ConfigInvalid(f"store_url: {url!r} is not supported; write sqlite:///PATH")
    return Path(url.removeprefix(PREFIX)).absolute()


def _path(text: str) -> Path | None:
    return Path(text) if text else None
