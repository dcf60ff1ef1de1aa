"""The metric catalogue as data: what a healthy machine shows, with one remediation twenty minutes ago.

A series is a name, labels and a function of the seconds since the data begins (None: not there yet). The names and
labels are those that the exporter and the alert handler promise; the trouble of `troubled()` turns every panel red.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace

SPAN_SECONDS = 30 * 60
STEP_SECONDS = 10
REPAIRED = 10 * 60
TROUBLE = 15 * 60
HOST = {"job": "nightshift-exporter", "instance": "host-a:19100"}
HANDLER = {"job": "nightshift-handler", "instance": "host-a:19093"}
BUILD = {"version": "0.1.0", "revision": "0123abc", "python_version": "3.11.2"}

Value = Callable[[float], float | None]


@dataclass(frozen=True)
class Series:
    """One time series."""

    name: str
    labels: Mapping[str, str]
    value: Value


def steady(value: float) -> Value:
    """A gauge that does not move."""
    return lambda _second: value


def growing(per_second: float) -> Value:
    """A counter with a constant rate."""
    return lambda second: per_second * second


def once(count: float = 1, at: float = REPAIRED) -> Value:
    """A counter that is born with its first events, as prometheus_client's are when a label is new."""
    return lambda second: count if second >= at else None


def stamp(start: float, age: float) -> Value:
    """A time stamp that is always *age* seconds old; the data begins at *start*."""
    return lambda second: start + second - age


def healthy(start: float) -> list[Series]:
    """Every series of a healthy machine, from the Unix time *start* on."""
    return [*_host(start), *_devices(), *_services(start), *_handler(start), *_prometheus(start)]


def host(name: str, value: Value, **labels: str) -> Series:
    """A series of the exporter."""
    return Series(f"nightshift_{name}", {**HOST, **labels}, value)


def _host(start: float) -> Iterator[Series]:
    yield from _process(HOST, start)
    for collector in ("resources", "health", "services", "traffic"):
        yield host("collector_success", steady(1), collector=collector)
        yield host("collector_duration_seconds", steady(0.002), collector=collector)
        yield host("collector_last_success_timestamp_seconds", stamp(start, 3), collector=collector)
    for mode, share in {"user": 0.2, "system": 0.05, "idle": 0.7, "iowait": 0.03, "steal": 0.02}.items():
        for cpu in ("0", "1"):
            yield host("cpu_seconds_total", growing(share), cpu=cpu, mode=mode)
    yield host("cpus", steady(2))
    for name, load in {"load1": 0.4, "load5": 0.5, "load15": 0.6}.items():
        yield host(name, steady(load))
    yield host("memory_used_ratio", steady(0.45))
    yield host("file_handles_used_ratio", steady(0.02))
    for resource in ("cpu", "memory", "io"):
        yield host("pressure_waiting_seconds_total", growing(0.02), resource=resource)
        yield host("pressure_stalled_seconds_total", growing(0.0), resource=resource)


def _devices() -> Iterator[Series]:
    for mountpoint, used in {"/": 0.4, "/var": 0.55}.items():
        disk = {"device": f"/dev/vd{len(mountpoint)}", "fstype": "ext4", "mountpoint": mountpoint}
        yield host("filesystem_used_ratio", steady(used), **disk)
        yield host("filesystem_inodes_used_ratio", steady(0.1), **disk)
        yield host("filesystem_readonly", steady(0), **disk)
    image = {"device": "/dev/loop0", "fstype": "squashfs", "mountpoint": "/snap/core"}
    yield host("filesystem_used_ratio", steady(1), **image)
    yield host("filesystem_inodes_used_ratio", steady(1), **image)
    yield host("filesystem_readonly", steady(1), **image)
    for name, rate in {"read_bytes": 2e5, "written_bytes": 5e5, "io_time_seconds": 0.02}.items():
        yield host(f"disk_{name}_total", growing(rate), device="vda")
    for way in ("receive", "transmit"):
        for name, rate in {"bytes": 1e5, "errors": 0.0, "dropped": 0.0}.items():
            yield host(f"network_{way}_{name}_total", growing(rate), device="eth0")


def _services(start: float) -> Iterator[Series]:
    def service(name: str, value: Value, **labels: str) -> Series:
        return Series(f"nightshift_{name}", {**HOST, "service": "shop", **labels}, value)

    for check in ("process", "http"):
        yield service("service_up", steady(1), check=check)
    yield service("health_up", steady(1))
    for source, shown in {"remote": 1, "local": 0}.items():
        yield service("health_source", steady(shown), source=source)
    for status in ("healthy", "warning", "degraded", "critical", "unknown"):
        yield service("health_status", steady(1 if status == "healthy" else 0), status=status)
    for resource, used in {"memory": 0.5, "disk": 0.4, "cpu": 0.2}.items():
        yield service(f"health_{resource}_used_ratio", steady(used))
    yield service("http_requests_total", growing(20), route="/", method="GET", status="2xx")
    yield service("http_requests_total", growing(0.01), route="/", method="GET", status="5xx")
    yield from _histogram(
        "nightshift_http_request_duration_seconds", {**HOST, "service": "shop", "route": "/"}, growing(20)
    )
    yield service("traffic_lines_total", growing(20))
    yield service("traffic_last_line_timestamp_seconds", stamp(start, 1))


def _handler(start: float) -> Iterator[Series]:
    def handler(name: str, value: Value, **labels: str) -> Series:
        return Series(f"nightshift_{name}", {**HANDLER, **labels}, value)

    yield from _process(HANDLER, start)
    yield handler("mode_info", steady(1), mode="act")
    for switch in ("autonomous_monitoring", "auto_remediation", "pam_integration"):
        yield handler("switch_enabled", steady(1), switch=switch)
    yield handler("switch_enabled", steady(0), switch="kill_switch")
    for name in ("remediation_running", "strikes_open", "watchdog_missing", "inbox_pending"):
        yield handler(name, steady(0))
    yield handler("store_writable", steady(1))
    yield handler("store_bytes", steady(2e6))
    for upstream in ("prometheus", "alertmanager"):
        yield handler("upstream_up", steady(1), upstream=upstream)
    for severity in ("critical", "high", "medium", "low"):
        yield handler("incidents_open", steady(0), severity=severity)
    yield handler("intake_requests_total", growing(0.05), sender="alertmanager", code="200")
    yield from _histogram("nightshift_intake_duration_seconds", HANDLER, growing(0.05))
    yield from _histogram("nightshift_reaction_seconds", HANDLER, lambda second: 1.0 if second >= REPAIRED else 0.0)
    yield handler("decisions_total", once(), verdict="act", reason="allowed")
    yield handler("remediation_attempts_total", once(), remediation="cleanup")
    yield handler("remediation_outcomes_total", once(), remediation="cleanup", playbook="disk", verdict="fixed")
    yield from _histogram("nightshift_remediation_duration_seconds", {**HANDLER, "remediation": "cleanup"}, once())
    yield from _histogram("nightshift_incident_resolution_seconds", {**HANDLER, "verdict": "fixed"}, once())
    for stage in ("triage", "diagnose", "decide", "act", "verify", "notify", "learn"):
        yield from _histogram("nightshift_stage_duration_seconds", {**HANDLER, "stage": stage}, once())
    yield handler("outbox_pending", steady(0), channel="slack")
    yield handler("deliveries_total", once(2), channel="slack")
    yield from _histogram("nightshift_delivery_delay_seconds", {**HANDLER, "channel": "slack"}, once(2))


def _prometheus(start: float) -> Iterator[Series]:
    for labels in (HOST, HANDLER):
        yield Series("up", labels, steady(1))
    watchdog = {"alertname": "NightshiftWatchdog", "severity": "low", "watchdog": "true"}
    yield from _alert(watchdog, start, 0)


def _alert(labels: Mapping[str, str], start: float, since: float) -> Iterator[Series]:
    """What Prometheus writes for an alert that fires from *since* on."""
    yield Series("ALERTS", {**labels, "alertstate": "firing"}, once(1, since))
    yield Series("ALERTS_FOR_STATE", labels, once(start + since, since))


def _process(labels: Mapping[str, str], start: float) -> Iterator[Series]:
    yield Series("nightshift_build_info", {**labels, **BUILD}, steady(1))
    yield Series("process_resident_memory_bytes", labels, steady(3e7))
    yield Series("process_cpu_seconds_total", labels, growing(0.002))
    yield Series("process_start_time_seconds", labels, steady(start + 60))


def _histogram(name: str, labels: Mapping[str, str], count: Value) -> Iterator[Series]:
    """A histogram whose observations all lie between 0.01 and 0.1 seconds."""
    for bound in ("0.01", "0.1", "1", "10", "100", "1000", "+Inf"):
        yield Series(f"{name}_bucket", {**labels, "le": bound}, (lambda _: 0.0) if bound == "0.01" else count)
    yield Series(f"{name}_count", labels, count)


def troubled(start: float) -> list[Series]:
    """The same machine, on which everything that a board colours goes to its worst in the middle of the data."""
    series = [replace(one, value=_worse(one)) for one in healthy(start)]
    for severity, name in {
        "critical": "DiskCritical",
        "high": "LatencyHigh",
        "medium": "CpuHigh",
        "low": "Odd",
    }.items():
        labels = {"alertname": f"Nightshift{name}", "severity": severity, "service": "shop", "topic": "disk", **HOST}
        series += _alert(labels, start, TROUBLE)
    return [*series, *_alert({"alertname": "Foreign", "severity": "page"}, start, TROUBLE), *_failures()]


def _failures() -> Iterator[Series]:
    """Counters that are born in trouble."""
    late = once(3, SPAN_SECONDS - 60)
    yield Series("nightshift_remediation_failures_total", {**HANDLER, "remediation": "cleanup"}, late)
    yield Series("nightshift_stage_failures_total", {**HANDLER, "stage": "act"}, late)
    yield Series("nightshift_escalations_total", {**HANDLER, "reason": "strikes"}, late)
    yield Series("nightshift_delivery_failures_total", {**HANDLER, "channel": "slack"}, once(20, SPAN_SECONDS - 60))
    for verdict in ("not_fixed", "inconclusive"):
        labels = {**HANDLER, "remediation": "cleanup", "playbook": "disk", "verdict": verdict}
        yield Series("nightshift_remediation_outcomes_total", labels, late)


#: What a gauge becomes in trouble, by the end of its name.
WORST_VALUES = {
    "_used_ratio": 0.97,
    "_success": 0.0,
    "_service_up": 0.0,
    "_upstream_up": 0.0,
    "_open": 3.0,
    "_pending": 4.0,
    "_missing": 1.0,
    "_writable": 0.0,
    "_store_bytes": 3e8,
    "_resident_memory_bytes": 9e7,
    "_collector_duration_seconds": 2.5,
    "_switch_enabled": 1.0,
}
#: What a counter gains each second besides, in trouble, by the end of its name.
WORST_RATES = {
    "_waiting_seconds_total": 0.9,
    "_stalled_seconds_total": 0.6,
    "process_cpu_seconds_total": 0.5,
    "_errors_total": 5.0,
    "_deliveries_total": 0.03,
}


def _worse(series: Series) -> Value:
    """The value of *series* in trouble; a metric that knows no trouble stays as it is."""
    if series.name == "nightshift_health_status":
        return _turned(series.value, 1.0 if series.labels["status"] == "critical" else 0.0)
    if series.name == "nightshift_collector_last_success_timestamp_seconds":
        return lambda second: series.value(min(second, TROUBLE))
    if series.labels.get("status") == "5xx" or (series.labels.get("le") in {"1000", "+Inf"}):
        return _faster(series.value, 10.0)
    if series.labels.get("mode") == "user":
        return _faster(series.value, 9.0)
    turned = [_turned(series.value, bad) for end, bad in WORST_VALUES.items() if series.name.endswith(end)]
    faster = [_faster(series.value, bad) for end, bad in WORST_RATES.items() if series.name.endswith(end)]
    return [*turned, *faster, series.value][0]


def _turned(before: Value, bad: float) -> Value:
    return lambda second: before(second) if second < TROUBLE else bad


def _faster(before: Value, bad: float) -> Value:
    return lambda second: None if (value := before(second)) is None else value + bad * max(0.0, second - TROUBLE)


def openmetrics(series: list[Series], start: float) -> Iterator[str]:
    """The lines of *series* as `promtool tsdb create-blocks-from openmetrics` takes them."""
    for one in series:
        labels = ",".join(f'{name}="{value}"' for name, value in one.labels.items())
        for second in range(0, SPAN_SECONDS + 1, STEP_SECONDS):
            value = one.value(second)
            if value is not None:
                yield f"{one.name}{{{labels}}} {value} {start + second}\n"
    yield "# EOF\n"
