"""What the exporter says of itself: its build, its process, its configuration."""

import logging
import os
import platform
import time
from collections.abc import Callable

from chassis import VERSION
from chassis.logs import event
from exporter.errors import CollectorError
from exporter.families import Metric
from exporter.sheets import Layout, Sheet
from exporter.sources import own_process

log = logging.getLogger(__name__)

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
METRICS = (BUILD_INFO, RELOAD_SUCCESSFUL, RELOAD_TIMESTAMP, *own_process.METRICS)


class SelfMetrics:
    """The families about this process; *wall* is the clock of the reload timestamp, in seconds."""

    def __init__(self, wall: Callable[[], float] = time.time) -> None:
        self._wall = wall
        revision = os.environ.get("NIGHTSHIFT_REVISION", "unknown")
        build = (VERSION, revision, platform.python_version())
        self._layout = Layout([(BUILD_INFO, [build]), (RELOAD_SUCCESSFUL, [()]), (RELOAD_TIMESTAMP, [()])])
        self._process: own_process.OwnProcess | None = own_process.OwnProcess()
        self._reload_successful = 0
        self._reload_timestamp = 0.0

    def reloaded(self, *, successful: bool) -> None:
        """Note an attempt to load the configuration."""
        self._reload_successful = int(successful)
        if successful:
            self._reload_timestamp = self._wall()

    def leave_out_process(self) -> None:
        """Show nothing of this process from now on.

        In a file, `process_*` would be of a process that has ended, and clash with node_exporter's own, which shows it.
        """
        self._process = None

    def collect(self) -> list[Sheet]:
        """The values of this moment; what the kernel does not tell of the process is left out."""
        about = Sheet(self._layout, [1, self._reload_successful, self._reload_timestamp])
        if self._process is None:
            return [about]
        try:
            return [about, *self._process.collect()]
        except CollectorError as error:
            event(log, logging.DEBUG, f"own process cannot be read: {error}")
            return [about]
