"""The exporter as an object: configuration -> collectors -> registry, and the reload that keeps the old ones."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from chassis.logs import event
from exporter import config
from exporter.answers import HasRoutes, Route
from exporter.collector import Collector, CollectorConfig, build
from exporter.collector_folder import unusable
from exporter.errors import ConfigError, ExporterError
from exporter.exposition import Format, render
from exporter.registry import Registry
from exporter.self_metrics import SelfMetrics
from exporter.state import KeepsState

log = logging.getLogger(__name__)


class Exporter:
    """The running collectors of one configuration file (*path*; None for the defaults).

    *state_directory* stands for the one that the file says: a run beside the daemon must not move its positions.

    Raises:
        ConfigError: the configuration cannot be used.
    """

    def __init__(
        self,
        path: Path | None,
        known: Mapping[str, type[Collector]],
        wall: Callable[[], float] = time.time,
        state_directory: str = "",
    ) -> None:
        self._path = path
        self._state_directory = state_directory
        self._known = known
        self._lock = threading.Lock()
        self._running: dict[str, CollectorConfig] = {}
        self._collectors: dict[str, Collector] = {}
        self._routes: dict[str, Route] = {}
        self._registry = Registry()
        self.about = SelfMetrics(wall)
        self._load()

    @property
    def running(self) -> list[str]:
        """The names of the collectors that run."""
        return list(self._running)

    @property
    def routes(self) -> Mapping[str, Route]:
        """The paths that running collectors answer."""
        return self._routes

    @property
    def waits(self) -> bool:
        """Whether an exposition may have to wait for a source."""
        return self._registry.waits()

    def exposition(self, seconds: float, form: Format) -> bytes:
        """What all collectors have to say within *seconds*, and the exporter of itself, as text in *form*."""
        runs = self._registry.start()
        about = self.about.collect()  # while the collectors' threads wake up
        return render([*self._registry.finish(runs, seconds), *about], form)

    def reload(self) -> str:
        """Load the configuration again; the reason why the old one stays, empty where the new one is in use."""
        try:
            self._load()
        except ExporterError as error:
            self.about.reloaded(successful=False)
            event(log, logging.ERROR, f"reload failed, the old configuration stays: {error}")
            return str(error)
        event(log, logging.INFO, "configuration loaded", collectors=",".join(self.running))
        return ""

    def close(self) -> None:
        """End every collector."""
        self._registry.close()

    def _load(self) -> None:
        """Start what the configuration adds or changes, keep what it leaves alone, end the rest."""
        with self._lock:
            loaded = config.load(self._path, self._known)
            wanted = {name: self._placed(section) for name, section in loaded.collectors.items()}
            keep = {name for name, section in wanted.items() if self._runs(name, section, loaded.classes[name])}
            new = _build({name: section for name, section in wanted.items() if name not in keep}, loaded)
            self._registry.replace(keep, new)
            kept = {name: self._collectors[name] for name in keep}
            self._collectors = kept | new
            self._routes = _routes(self._collectors)
            self._running = wanted
            for complaint in loaded.complaints:
                event(log, logging.ERROR, f"collector folder: {complaint}")
        self.about.reloaded(successful=True)

    def _placed(self, section: CollectorConfig) -> CollectorConfig:
        """*section* with its state where this run keeps it."""
        if self._state_directory and isinstance(section, KeepsState):
            return msgspec.structs.replace(section, state_directory=self._state_directory)
        return section

    def _runs(self, name: str, section: CollectorConfig, cls: type[Collector]) -> bool:
        """Whether the collector *name* is of this class, which may have been imported anew, and configuration."""
        return self._running.get(name) == section and type(self._collectors[name]) is cls


def _build(sections: Mapping[str, CollectorConfig], loaded: config.Config) -> dict[str, Collector]:
    """A collector for each section; if one cannot be built, those before it are closed again.

    One that the user wrote is replaced by one that fails at every scrape.
    """
    built: dict[str, Collector] = {}
    for name, section in sections.items():
        try:
            built[name] = build(loaded.classes[name], section)
        except Exception as error:
            if name in loaded.own:
                reason = f"cannot be started: {type(error).__name__}: {error}"
                built[name] = build(unusable(reason), section)
                continue
            for collector in built.values():
                collector.close()
            raise ConfigError(f"the collector {name!r} cannot be started: {error}") from error
    return built


def _routes(collectors: Mapping[str, Collector]) -> dict[str, Route]:
    """The paths of those collectors that answer web requests."""
    found = [collector.routes() for collector in collectors.values() if isinstance(collector, HasRoutes)]
    return {path: route for routes in found for path, route in routes.items()}
