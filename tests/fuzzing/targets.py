"""All targets: importing the modules that define them fills `TARGETS`."""

from tests.fuzzing import files, logs, web, wire
from tests.fuzzing.machine import TARGETS

__all__ = ["TARGETS", "files", "logs", "web", "wire"]
