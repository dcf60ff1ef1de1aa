"""What each container of this machine uses, from cgroup v2: Docker, Podman, Kubernetes, systemd-nspawn, LXC.

No engine is asked, so no socket is needed. A machine with cgroup v1 shows nothing, and the log says so.
"""

import logging
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Annotated, ClassVar

import msgspec

from chassis.logs import event
from exporter.collector import CollectorConfig, collector
from exporter.families import Family, Metric
from exporter.sources import cgroup
from exporter.sources.container_names import ContainerNames

log = logging.getLogger(__name__)

_CONTAINER = ("container",)
CPU = Metric("nightshift_container_cpu_seconds_total", "counter", "Processor seconds used.", _CONTAINER)
THROTTLED = Metric(
    "nightshift_container_throttled_seconds_total", "counter", "Seconds held back by the processor limit.", _CONTAINER
)
MEMORY = Metric("nightshift_container_memory_bytes", "gauge", "Working set in bytes.", _CONTAINER)
LIMIT = Metric(
    "nightshift_container_memory_limit_bytes", "gauge", "Memory limit in bytes, where there is one.", _CONTAINER
)
USED = Metric("nightshift_container_memory_used_ratio", "gauge", "Working set / limit, 0 to 1.", _CONTAINER)
OOM_KILLS = Metric(
    "nightshift_container_oom_kills_total", "counter", "Processes killed for want of memory.", _CONTAINER
)
PIDS = Metric("nightshift_container_pids", "gauge", "Processes and threads.", _CONTAINER)
READ = Metric("nightshift_container_read_bytes_total", "counter", "Bytes read from block devices.", _CONTAINER)
WRITTEN = Metric("nightshift_container_written_bytes_total", "counter", "Bytes written to block devices.", _CONTAINER)
LAST_SEEN = Metric(
    "nightshift_container_last_seen_timestamp_seconds",
    "gauge",
    "Unix time in seconds at which the container was last there.",
    _CONTAINER,
)
FOUND = Metric("nightshift_containers", "gauge", "Containers on this machine, shown or not.")


class Config(CollectorConfig, frozen=True):
    """Where containers are looked for, and how they are called.

    Attributes:
        cgroup_root: the machine's cgroup tree.
        docker_root: where Docker keeps its containers' names (only root may read them); empty for nowhere.
        names: the beginning of an id (4 digits or more), or a machine's name -> the name that is shown.
        max_containers: further containers are counted and not shown.
        look_seconds: between two looks for new containers.
        forget_seconds: how long a container that has ended keeps its last_seen.
    """

    cgroup_root: str = "/sys/fs/cgroup"
    docker_root: str = "/var/lib/docker"
    names: dict[str, str] = msgspec.field(default_factory=dict)
    max_containers: Annotated[int, msgspec.Meta(ge=1, le=5000)] = 200
    look_seconds: Annotated[float, msgspec.Meta(ge=0.05, le=3600)] = 10.0
    forget_seconds: Annotated[float, msgspec.Meta(ge=0)] = 3600.0

    def __post_init__(self) -> None:
        for start, name in self.names.items():
            if len(start) < 4 or not name:
                raise ValueError(f"names: {start!r}: give at least 4 digits of the id, and a name")


@collector("containers")
class Containers:
    """Reads the tree at the scrape; *monotonic* and *wall* are clocks in seconds."""

    config: ClassVar[type[CollectorConfig]] = Config
    metrics: ClassVar[tuple[Metric, ...]] = (
        CPU, THROTTLED, MEMORY, LIMIT, USED, OOM_KILLS, PIDS, READ, WRITTEN, LAST_SEEN, FOUND,
    )  # fmt: skip

    def __init__(
        self,
        config: Config,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._config = config
        self._root = Path(config.cgroup_root)
        self._names = ContainerNames(config.names, config.docker_root)
        self._monotonic = monotonic
        self._wall = wall
        self._looked = float("-inf")
        self._folders: dict[str, Path] = {}
        self._found = 0
        self._last_seen: dict[str, float] = {}
        self._usable = cgroup.is_version_2(self._root)
        if not self._usable:
            text = "no cgroup v2 here, so no containers are shown; boot with systemd.unified_cgroup_hierarchy=1"
            event(log, logging.WARNING, text, root=config.cgroup_root)

    def collect(self) -> Iterator[Family]:
        """What every container uses at this moment."""
        families = {metric: Family(metric) for metric in self.metrics}
        if self._usable:
            if self._monotonic() - self._looked >= self._config.look_seconds:
                self._look()
            for name, folder in self._folders.items():
                used = cgroup.usage(folder, self._root)
                if used is not None:
                    self._last_seen[name] = self._wall()
                    _show(name, used, families)
            self._forget()
            for name, moment in self._last_seen.items():
                families[LAST_SEEN].add(moment, name)
            families[FOUND].add(self._found)
        yield from families.values()

    def close(self) -> None:
        """Nothing is kept open."""

    def _look(self) -> None:
        """Find the containers anew."""
        self._looked = self._monotonic()
        everything = cgroup.containers(self._root)
        found = dict(islice(everything, self._config.max_containers))
        self._found = len(found) + sum(1 for _ in everything)
        names = self._names.names(found)
        self._folders = {names[key]: folder for key, folder in found.items()}

    def _forget(self) -> None:
        """Forget containers that ended long ago, and the oldest where there are too many."""
        oldest = self._wall() - self._config.forget_seconds
        kept = sorted(self._last_seen.items(), key=lambda item: item[1])[-2 * self._config.max_containers :]
        self._last_seen = {name: moment for name, moment in kept if moment >= oldest}


def _show(name: str, used: cgroup.Usage, families: dict[Metric, Family]) -> None:
    """Add what the container *name* uses."""
    ratio = min(1.0, used.memory / used.memory_limit) if used.memory is not None and used.memory_limit else None
    values = {
        CPU: used.cpu_seconds,
        THROTTLED: used.throttled_seconds,
        MEMORY: used.memory,
        LIMIT: used.memory_limit,
        USED: ratio,
        OOM_KILLS: used.oom_kills,
        PIDS: used.pids,
        READ: used.read,
        WRITTEN: used.written,
    }
    for metric, value in values.items():
        if value is not None:
            families[metric].add(value, name)
