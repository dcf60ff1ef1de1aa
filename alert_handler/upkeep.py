"""Upkeep: misses the watchdog aloud, asks whether Prometheus and Alertmanager answer, keeps the gauges true.

The watchdog is an always-firing alert: when it stops coming, no other alert can come either, and no rule can tell.
So the handler itself does.
"""

import logging
import platform

from alert_handler.clock import Clock
from alert_handler.config import Config
from alert_handler.errors import StoreUnavailable
from alert_handler.http import HttpClient, NoAnswer
from alert_handler.lifecycle import WATCHDOG
from alert_handler.metrics import Metrics
from alert_handler.model import Message, Severity
from alert_handler.store.outbox import Outbox
from alert_handler.store.sqlite import Database
from alert_handler.switches import Switches
from chassis import VERSION
from chassis.logs import event

log = logging.getLogger(__name__)

TURN_SECONDS = 5.0
FORGET_EVERY_SECONDS = 3600.0
#: Bodies are for finding out what a sender really said; a week is enough.
BODIES_KEPT_SECONDS = 7 * 86400.0
UPSTREAM_TIMEOUT_SECONDS = 2.0


class Upkeep:
    """Looks after the alert path; `turn` every few seconds, `refresh` before the metrics are shown."""

    def __init__(self, config: Config, database: Database, outbox: Outbox, metrics: Metrics, clock: Clock) -> None:
        self._database = database
        self._metrics = metrics
        self._clock = clock
        self._started = clock()
        self._missing = False
        self._forgot = 0.0
        self._http = HttpClient(UPSTREAM_TIMEOUT_SECONDS)
        self._up: dict[str, bool] = {}
        self.configure(config, outbox)
        metrics.build_info.labels(VERSION, "", platform.python_version()).set(1)

    def configure(self, config: Config, outbox: Outbox) -> None:
        """Take a new configuration; what is known about the watchdog stays."""
        self._config = config
        self._outbox = outbox
        self._metrics.mode_info.clear()
        self._metrics.mode_info.labels(config.mode).set(1)

    @property
    def watchdog_missing(self) -> bool:
        """Whether the always-firing alert is overdue."""
        return self._missing

    def upstream_up(self, upstream: str) -> bool:
        """Whether "prometheus" or "alertmanager" answered when it was last asked."""
        return self._up.get(upstream, False)

    def turn(self) -> float:
        """Check the store, the watchdog and the upstreams; seconds until the next turn.

        Raises:
            StoreUnavailable: the store does not work.
        """
        if not self._database.writable:
            self._database.probe()
        self._forget()
        self._watch()
        self._ask("prometheus", self._config.prometheus.url)
        self._ask("alertmanager", self._config.alertmanager.url)
        return TURN_SECONDS

    def last_heard(self) -> float:
        """When the watchdog alert was last received; 0.0 when never.

        Raises:
            StoreUnavailable: the store cannot be read.
        """
        with self._database.read() as tx:
            row = tx.one("heartbeat_get", {"name": WATCHDOG})
        return float(row["received_at"]) if row else 0.0

    def refresh(self, switches: Switches) -> None:
        """Set the gauges that tell the state of the store and the switches; what cannot be read keeps its value."""
        metrics = self._metrics
        metrics.store_writable.set(self._database.writable)
        metrics.store_bytes.set(self._database.size_bytes())
        state = switches.read()
        metrics.switch_enabled.labels("autonomous_monitoring").set(state.monitoring)
        metrics.switch_enabled.labels("auto_remediation").set(state.remediation)
        metrics.switch_enabled.labels("pam_integration").set(state.pam)
        metrics.switch_enabled.labels("kill_switch").set(state.killed)
        try:
            self._refresh_counts()
        except StoreUnavailable as error:
            event(log, logging.ERROR, "the gauges are old: the store cannot be read", error=error)

    def _refresh_counts(self) -> None:
        metrics = self._metrics
        metrics.watchdog_received.set(self.last_heard())
        with self._database.read() as tx:
            pending = tx.one("inbox_pending")
            policy = self._config.policy
            since = self._clock() - policy.strike_window_seconds
            blocked = tx.one("strikes_open", {"since": since, "strikes": policy.strikes})
            by_severity = {row["severity"]: row["n"] for row in tx.all("incidents_open_by_severity")}
        metrics.inbox_pending.set(pending["n"] if pending else 0)
        metrics.strikes_open.set(blocked["n"] if blocked else 0)
        for severity in Severity:
            metrics.incidents_open.labels(severity).set(by_severity.get(severity, 0))
        queues = {queue.channel: queue for queue in self._outbox.queues()}
        for channel in self._outbox.channels:
            metrics.outbox_pending.labels(channel).set(queues[channel].pending if channel in queues else 0)
        # A channel that is no longer configured will never be emptied, and nobody waits for it.
        waiting = [queues[channel].oldest for channel in self._outbox.channels if channel in queues]
        metrics.outbox_oldest.set(min(waiting, default=0.0))

    def _forget(self) -> None:
        """Once an hour, let go of webhook bodies that were worked on long ago; what they told is in the incidents."""
        now = self._clock()
        if now - self._forgot < FORGET_EVERY_SECONDS:
            return
        self._forgot = now
        with self._database.write() as tx:
            tx.run("inbox_forget", {"before": now - BODIES_KEPT_SECONDS})

    def _watch(self) -> None:
        now = self._clock()
        heard = self.last_heard()
        self._started = min(self._started, now)
        if heard > now:  # the clock was set back: it must be heard again from now on
            self._hear(now)
            heard = now
        silent_for = now - max(heard, self._started)
        missing = silent_for > self._config.watchdog.max_silence_seconds
        if missing and not self._missing:
            event(log, logging.ERROR, "the watchdog alert is silent: no alert can arrive", seconds=f"{silent_for:.0f}")
            self._outbox.add([watchdog_message(silent_for, now, max(heard, self._started))])
        self._missing = missing
        self._metrics.watchdog_missing.set(missing)

    def _hear(self, at: float) -> None:
        with self._database.write() as tx:
            tx.run("heartbeat_set", {"name": WATCHDOG, "received_at": at})

    def _ask(self, upstream: str, url: str) -> None:
        try:
            up = self._http.get(f"{url.rstrip('/')}/-/ready").ok
        except NoAnswer:
            up = False
        self._up[upstream] = up
        self._metrics.upstream_up.labels(upstream).set(up)


def watchdog_message(silent_for: float, at: float, last: float) -> Message:
    """What people are told when the always-firing alert is not heard any more; once per silence."""
    return Message(
        key=f"watchdog/{last:.0f}",
        kind="watchdog",
        severity=Severity.CRITICAL,
        title="No alert can reach Nightshift: the watchdog alert is silent",
        text=f"not heard for {silent_for:.0f} s; look at Prometheus, Alertmanager and the route between them",
        at=at,
    )
