from chassis.plugins import name_of
from exporter.collector import CollectorConfig, build, collector


@collector("spare")
class Spare:
    """A collector that keeps its configuration."""

    config = CollectorConfig
    metrics = ()

    def __init__(self, config: CollectorConfig) -> None:
        self.given = config


def test_collector_marks_its_name() -> None:
    """Configuration and meta-metrics know a class by the name it is marked with."""
    assert name_of(Spare) == "spare"


def test_build_gives_the_configuration() -> None:
    """A collector is made with its own section."""
    section = CollectorConfig(enabled=True)
    assert build(Spare, section).given is section
