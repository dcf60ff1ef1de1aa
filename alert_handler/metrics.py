"""The alert handler's own metrics, all in one place. Names and labels are a contract with rules and boards."""

from collections.abc import Iterable

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)

#: As in `pipeline.STAGES`; held equal by a test, because the stages count here.
STAGES = ("triage", "diagnose", "decide", "act", "verify", "notify", "learn")

#: From a redelivery to a remediation that runs into its deadline.
_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0)
_SLOW = (0.1, 0.5, 1.0, 5.0, 15.0, 30.0, 60.0, 120.0, 300.0, 900.0, 3600.0, 14400.0)


class Metrics:
    """Every series that the handler shows; made once and given to whoever counts."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry(auto_describe=False)
        #: Every own family as rules write it: name -> (kind, label names, help).
        self.catalogue: dict[str, tuple[str, tuple[str, ...], str]] = {}
        ProcessCollector(registry=self.registry)
        self._intake()
        self._incidents()
        self._remediations()
        self._messages()
        self._process()

    def start_at_zero(self, channels: Iterable[str], playbooks: Iterable[tuple[str, str]]) -> None:
        """Show the series whose labels are known from the start as 0: `increase` misses a series' first event.

        *playbooks* are pairs of remediation and playbook.
        """
        for code in ("200", "400", "401", "413", "415", "503"):
            self.intake_requests.labels("alertmanager", code)
        for status in ("firing", "resolved"):
            self.alerts_received.labels(status)
        for reason in ("malformed", "unexpected"):
            self.alerts_quarantined.labels(reason)
        for stage in STAGES:
            self.stage_failures.labels(stage)
        for channel in channels:
            self.deliveries.labels(channel)
            self.delivery_failures.labels(channel)
        for remediation, playbook in playbooks:
            self.attempts.labels(remediation)
            self.attempt_failures.labels(remediation)
            for verdict in ("fixed", "not_fixed", "inconclusive"):
                self.outcomes.labels(remediation, playbook, verdict)

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        self.catalogue[name] = ("counter", labels, text)
        return Counter(name, text, labels, registry=self.registry)

    def _gauge(self, name: str, text: str, *labels: str) -> Gauge:
        self.catalogue[name] = ("gauge", labels, text)
        return Gauge(name, text, labels, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...], *labels: str) -> Histogram:
        self.catalogue[name] = ("histogram", labels, text)
        return Histogram(name, text, labels, buckets=buckets, registry=self.registry)

    def _intake(self) -> None:
        self.intake_requests = self._counter(
            "nightshift_intake_requests_total",
            "Webhook requests answered, by sender and status code.",
            "sender",
            "code",
        )
        self.intake_duration = self._histogram(
            "nightshift_intake_duration_seconds", "Time from a webhook's arrival to its answer.", _FAST
        )
        self.alerts_received = self._counter(
            "nightshift_alerts_received_total", "Alerts taken from stored webhooks, redeliveries included.", "status"
        )
        self.alerts_deduplicated = self._counter(
            "nightshift_alerts_deduplicated_total", "Alerts that had been told before."
        )
        self.alerts_quarantined = self._counter(
            "nightshift_alerts_quarantined_total", "Alerts set aside because they could not be understood.", "reason"
        )
        self.inbox_pending = self._gauge("nightshift_inbox_pending", "Stored webhooks not yet worked on.")

    def _incidents(self) -> None:
        self.incidents_open = self._gauge("nightshift_incidents_open", "Incidents that are open.", "severity")
        self.incidents_opened = self._counter(
            "nightshift_incidents_opened_total",
            "Incidents triaged, a new episode counts again.",
            "severity",
            "category",
        )
        self.incident_resolution = self._histogram(
            "nightshift_incident_resolution_seconds",
            "Time from an incident's first notification to its closing, by its last verdict.",
            _SLOW,
            "verdict",
        )
        self.decisions = self._counter(
            "nightshift_decisions_total", "Decisions of the policy, by verdict and reason.", "verdict", "reason"
        )
        self.stage_duration = self._histogram(
            "nightshift_stage_duration_seconds", "Time that one stage took for one incident.", _FAST, "stage"
        )
        self.stage_failures = self._counter(
            "nightshift_stage_failures_total", "Stages that raised; they are run again.", "stage"
        )

    def _remediations(self) -> None:
        self.attempts = self._counter("nightshift_remediation_attempts_total", "Remediations started.", "remediation")
        self.attempt_failures = self._counter(
            "nightshift_remediation_failures_total",
            "Remediations that did not succeed by their own account.",
            "remediation",
        )
        self.outcomes = self._counter(
            "nightshift_remediation_outcomes_total",
            "Remediations by what Prometheus said afterwards.",
            "remediation",
            "playbook",
            "verdict",
        )
        self.attempt_duration = self._histogram(
            "nightshift_remediation_duration_seconds", "Time that a remediation ran.", _SLOW, "remediation"
        )
        self.reaction = self._histogram(
            "nightshift_reaction_seconds",
            "Time from an episode's first webhook to the start of its first action.",
            _FAST + _SLOW[4:],
        )
        self.running = self._gauge("nightshift_remediation_running", "Remediations running now.")
        self.strikes_open = self._gauge(
            "nightshift_strikes_open", "Pairs of remediation and target that are blocked by three verified failures."
        )
        self.escalations = self._counter("nightshift_escalations_total", "Times that a person was called.", "reason")

    def _messages(self) -> None:
        self.deliveries = self._counter("nightshift_deliveries_total", "Tries to deliver a message.", "channel")
        self.delivery_failures = self._counter(
            "nightshift_delivery_failures_total", "Tries to deliver a message that failed.", "channel"
        )
        self.delivery_delay = self._histogram(
            "nightshift_delivery_delay_seconds", "Time from an event to its delivered message.", _SLOW, "channel"
        )
        self.outbox_pending = self._gauge(
            "nightshift_outbox_pending", "Messages that wait for their channel.", "channel"
        )
        self.outbox_oldest = self._gauge(
            "nightshift_outbox_oldest_timestamp_seconds",
            "When the oldest waiting message was written; 0 when none waits.",
        )

    def _process(self) -> None:
        self.build_info = self._gauge(
            "nightshift_build_info", "Always 1; labels tell the build.", "version", "revision", "python_version"
        )
        self.watchdog_received = self._gauge(
            "nightshift_watchdog_last_received_timestamp_seconds",
            "When the always-firing alert was last heard; 0 never.",
        )
        self.watchdog_missing = self._gauge(
            "nightshift_watchdog_missing", "1 when the always-firing alert is overdue: the alert path is broken."
        )
        self.store_writable = self._gauge("nightshift_store_writable", "1 when the last write to the store succeeded.")
        self.store_bytes = self._gauge("nightshift_store_bytes", "Bytes that the store takes on disk.")
        self.switch_enabled = self._gauge("nightshift_switch_enabled", "1 when a switch is on.", "switch")
        self.mode_info = self._gauge("nightshift_mode_info", "Always 1; the label is the mode in force.", "mode")
        self.upstream_up = self._gauge(
            "nightshift_upstream_up", "1 when a server that the handler asks answers.", "upstream"
        )
        self.reload_successful = self._gauge(
            "nightshift_config_last_reload_successful", "1 when the configuration on disk is the one in force."
        )
        self.reload_timestamp = self._gauge(
            "nightshift_config_last_reload_success_timestamp_seconds", "When a configuration was last taken."
        )
