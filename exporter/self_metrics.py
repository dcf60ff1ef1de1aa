"""What the exporter says of itself: its build, its process, its configuration."""

import os
import platform
import time
from collections.abc import Callable, Iterator

from prometheus_client.process_collector import ProcessCollector

from chassis import VERSION
from exporter.exposition import from_client
from exporter.families import Family, Metric

BUILD_INFO = Metric(
    "nightshift_build_info",
    "gauge",
    "1, with the version, revision and Python version that run.",
    ["version", "revision", "python_version"],
)
RELOAD_SUCCESSFUL = Metric(
    "nightshift_config_last_reload_successful", "gauge", "1 if the last attempt to load the configuration succeeded."
)
RELOAD_TIMESTAMP = Metric(
    "nightshift_config_last_reload_success_timestamp_seconds",
    "gauge",
    "Unix time in seconds at which the configuration in use was loaded.",
)
#: As prometheus_client names them.
PROCESS = (
    Metric("process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes."),
    Metric("process_resident_memory_bytes", "gauge", "Resident memory size in bytes."),
    Metric("process_start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds."),
    Metric("process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds."),
    Metric("process_open_fds", "gauge", "Number of open file descriptors."),
    Metric("process_max_fds", "gauge", "Maximum number of open file descriptors."),
)
METRICS = (BUILD_INFO, RELOAD_SUCCESSFUL, RELOAD_TIMESTAMP, *PROCESS)


class SelfMetrics:
    """The families about this process; *wall* is the clock of the reload timestamp, in seconds."""

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        revision = os.environ.get("NIGHTSHIFT_REVISION", "unknown")
        self._build = Family(BUILD_INFO)
        self._build.add(1, VERSION, revision, platform.python_version())
        self._process = ProcessCollector(registry=None)
        self._declared = {metric.base_name: metric for metric in PROCESS}
        self._reload_successful = 0
        self._reload_timestamp = 0.0

    def reloaded(self, *, successful: bool) -> None:
        """Note an attempt to load the configuration."""
        self._reload_successful = int(successful)
        if successful:
            self._reload_timestamp = self._wall()

    def collect(self) -> Iterator[Family]:
        """The families of this moment."""
        yield self._build
        yield Family(RELOAD_SUCCESSFUL, self._reload_successful)
        yield Family(RELOAD_TIMESTAMP, self._reload_timestamp)
        for metric in self._process.collect():
            yield from_client(metric, self._declared)
