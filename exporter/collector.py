"""What a collector is: a class in a file of its own below `exporter/collectors/`, marked with `@collector("name")`.

    class Config(CollectorConfig, frozen=True): ...     its keys below `collectors: name:` of the configuration

    @collector("queues")
    class Queues:
        config = Config
        metrics = (DEPTH,)                              every metric that it may yield
        def __init__(self, config: Config) -> None: ...
        def collect(self) -> Iterable[Family]: ...
        def close(self) -> None: ...

A collector that reads nothing but memory may say so by a method `waits() -> bool`; while that is false it is called in
the scrape's own thread. One that a part of its source can block may have `leave_out() -> bool` (see the registry).
`docs/howto/add-a-collector.md` goes through one.
"""

from collections.abc import Callable, Iterable
from typing import ClassVar, Protocol, TypeVar, cast

import msgspec

from chassis import plugins
from exporter.client_metrics import ClientMetric
from exporter.families import Metric
from exporter.sheets import Part

KIND = "collector"


class CollectorConfig(msgspec.Struct, frozen=True):
    """What every collector's configuration has.

    Attributes:
        enabled: false switches the collector off and keeps its configuration.
    """

    enabled: bool = True


class Collector(Protocol):
    """Turns a source into families. Each runs in one thread of its own, one `collect` at a time."""

    config: ClassVar[type[CollectorConfig]]
    metrics: ClassVar[tuple[Metric, ...]]

    def collect(self) -> Iterable[Part | ClientMetric]:
        """The samples of this moment; nothing to report is an empty answer.

        Raises:
            CollectorError: the source cannot be read; any other exception is reported as a fault of the collector.
        """

    def close(self) -> None:
        """Give back descriptors and threads; `collect` is not called again."""


CollectorFactory = Callable[[CollectorConfig], Collector]
Marked = TypeVar("Marked")


def collector(name: str) -> Callable[[type[Marked]], type[Marked]]:
    """Mark a class as the collector that configuration and meta-metrics call *name*."""
    return plugins.plugin(KIND, name)


def build(cls: type[Collector], config: CollectorConfig) -> Collector:
    """A collector of class *cls* with its configuration."""
    return cast("CollectorFactory", cls)(config)
