"""How full memory, disks and CPU are now: asked of Prometheus, kept a few seconds, for the status board.

One question for every resource. While Prometheus is away the board says so and shows what was known last, with its
age; nobody who looks at the board waits for more than the timeout, and only one of them asks.
"""

import math
import threading
from collections.abc import Callable

import msgspec

from alert_handler.clock import Clock
from alert_handler.errors import PrometheusRejected, PrometheusUnavailable
from alert_handler.prometheus_api import PrometheusApi, Sample

#: An answer is shown again for so long.
KEPT_SECONDS = 5.0
TIMEOUT_SECONDS = 1.5
MOST = 200
#: CPU is computed here and not read from a recording rule, so that the board needs no rules. It carries a label of its
#: own, because `or` leaves out what has the labels of something before it, whatever their names are.
QUERY = (
    '{__name__=~"nightshift_(memory|filesystem|health_(memory|disk|cpu))_used_ratio"} '
    "unless nightshift_filesystem_readonly == 1 "
    "or label_replace(1 "
    '- sum without (cpu, mode) (rate(nightshift_cpu_seconds_total{mode=~"idle|iowait"}[1m])) '
    "/ sum without (cpu, mode) (rate(nightshift_cpu_seconds_total[1m])), "
    '"resource", "cpu", "", "")'
)
#: Where a resource's used share begins to be high, and where an alert of severity critical fires. The same numbers
#: as in prometheus/targets.yml, which a contract test holds.
LIMITS = {"disk": (0.75, 0.85), "memory": (0.8, 0.8), "cpu": (0.8, 0.8)}


class Resource(msgspec.Struct, frozen=True):
    """The used share of one resource of a service or an instance, 0 to 1, and its limits."""

    owner: str
    resource: str
    place: str
    used_ratio: float
    warning: float
    limit: float


class Reading(msgspec.Struct, frozen=True):
    """What was known at a time; `problem` says why there is nothing newer, "" when it is new."""

    at: float | None = None
    problem: str = ""
    resources: tuple[Resource, ...] = ()


class LiveResources:
    """Reads the resources from the Prometheus whose address *url* gives; a reload may change it."""

    def __init__(self, url: Callable[[], str], clock: Clock) -> None:
        self._url = url
        self._clock = clock
        self._asking = threading.Lock()
        self._reading = Reading(problem="not asked yet")
        self._asked = -math.inf

    def read(self) -> Reading:
        """The resources, at most `KEPT_SECONDS` old when Prometheus answers."""
        if self._clock() - self._asked >= KEPT_SECONDS and self._asking.acquire(blocking=False):
            try:
                self._reading = self._ask()
                self._asked = self._clock()
            finally:
                self._asking.release()
        return self._reading

    def _ask(self) -> Reading:
        try:
            samples = PrometheusApi(self._url(), TIMEOUT_SECONDS).query(QUERY)
        except (PrometheusUnavailable, PrometheusRejected) as error:
            return msgspec.structs.replace(self._reading, problem=str(error))
        found = [resource_of(sample) for sample in samples if math.isfinite(sample.value)]
        found.sort(key=lambda r: (-r.used_ratio / r.limit, r.owner, r.place))
        return Reading(at=self._clock(), resources=tuple(found[:MOST]))


def resource_of(sample: Sample) -> Resource:
    """The resource that a sample of `QUERY` tells of."""
    labels = sample.labels
    name = labels.get("__name__", labels.get("resource", ""))
    kind = next((kind for kind in LIMITS if kind in name), "disk")
    warning, limit = LIMITS[kind]
    return Resource(
        owner=labels.get("service") or labels.get("instance", ""),
        resource=kind,
        place=labels.get("mountpoint", ""),
        used_ratio=sample.value,
        warning=warning,
        limit=limit,
    )
