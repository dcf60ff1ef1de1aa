"""How long Prometheus waits for a scrape, and how much of that may be used."""

import math

#: Seconds a scrape may take where Prometheus does not say how long it waits.
DEFAULT_TIMEOUT_SECONDS = 10.0
#: Seconds kept back for rendering and the way home.
OFFSET_SECONDS = 0.5
#: A scrape that is asked to end earlier than this is given this long all the same.
SHORTEST_SECONDS = 0.1
LONGEST_SECONDS = 120.0


def scrape_seconds(header: str) -> float:
    """Seconds for a scrape from X-Prometheus-Scrape-Timeout-Seconds; 9.5 where it says nothing usable."""
    try:
        timeout = float(header or DEFAULT_TIMEOUT_SECONDS)
    except ValueError:
        timeout = DEFAULT_TIMEOUT_SECONDS
    if not math.isfinite(timeout) or timeout <= 0:
        timeout = DEFAULT_TIMEOUT_SECONDS
    return min(LONGEST_SECONDS, max(SHORTEST_SECONDS, timeout - OFFSET_SECONDS))
