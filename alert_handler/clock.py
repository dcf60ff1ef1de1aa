"""Time as the handler sees it; injected everywhere, so that tests and the simulator move it themselves."""

import time
from collections.abc import Callable

#: Gives Unix seconds.
Clock = Callable[[], float]


def wall_clock() -> float:
    """Unix seconds now."""
    return time.time()
