from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from exporter.collectors import traffic
from exporter.collectors.traffic import Config, Ledger, Target, Traffic
from exporter.families import Family
from tests.exporter.doubles import Clock, Samples, Shown, Until


def line(path: str = "/a", status: int = 200, size: str = "10", seconds: str = " 0.2", method: str = "GET") -> bytes:
    """A line of an access log."""
    head = "10.0.0.1 - - [21/Nov/2026:02:29:00 +0000]"
    return f'{head} "{method} {path} HTTP/1.1" {status} {size} "-" "curl"{seconds}\n'.encode()


@pytest.fixture
def ledger(clock: Clock) -> Ledger:
    """The sums of a service called shop, with three buckets and room for three routes."""
    return Ledger("shop", Target(path="x", buckets=(0.1, 0.5, 1.0), max_routes=3), clock)


@pytest.fixture
def sums(shown: Shown) -> Callable[[Ledger], Samples]:
    """What a ledger shows."""

    def show(ledger: Ledger) -> Samples:
        families = {metric: Family(metric) for metric in Traffic.metrics}
        ledger.show(families)
        return shown(families.values())

    return show


def test_feed_counts_requests_by_route_method_and_class(ledger: Ledger, sums: Callable[[Ledger], Samples]) -> None:
    """Each request counts under its route, method and class of status."""
    ledger.feed(line("/users/1") + line("/users/2?x=1") + line("/users/3", 503, method="POST"))
    found = sums(ledger)
    assert found['nightshift_http_requests_total{service="shop",route="/users/{id}",method="GET",status="2xx"}'] == 2
    assert found['nightshift_http_requests_total{service="shop",route="/users/{id}",method="POST",status="5xx"}'] == 1


def test_feed_new_route_shows_zero_errors(ledger: Ledger, sums: Callable[[Ledger], Samples]) -> None:
    """The first error of a route is an increase from 0, not a series out of nowhere."""
    ledger.feed(line())
    assert sums(ledger)['nightshift_http_requests_total{service="shop",route="/a",method="GET",status="5xx"}'] == 0


def test_feed_sums_bytes_and_durations(ledger: Ledger, sums: Callable[[Ledger], Samples]) -> None:
    """Bytes and request times are summed by route; a dash is no byte, a missing time is no observation."""
    ledger.feed(line() + line(size="-", seconds=" 0.7") + line(seconds=""))
    found = sums(ledger)
    route = 'service="shop",route="/a"'
    assert found[f"nightshift_http_response_bytes_total{{{route}}}"] == 20
    buckets = [
        found[f'nightshift_http_request_duration_seconds_bucket{{{route},le="{le}"}}']
        for le in ("0.1", "0.5", "1.0", "+Inf")
    ]
    assert buckets == [0, 1, 2, 2]
    assert found[f"nightshift_http_request_duration_seconds_sum{{{route}}}"] == pytest.approx(0.9)


def test_feed_limit_is_inclusive(ledger: Ledger, sums: Callable[[Ledger], Samples]) -> None:
    """A request of exactly a bucket's limit is in that bucket."""
    ledger.feed(line(seconds=" 0.1"))
    assert sums(ledger)['nightshift_http_request_duration_seconds_bucket{service="shop",route="/a",le="0.1"}'] == 1


def test_feed_routes_are_capped(ledger: Ledger, sums: Callable[[Ledger], Samples]) -> None:
    """Beyond the cap requests count under other and are told; known routes go on."""
    ledger.feed(b"".join(line(f"/{name}") for name in "abcdea"))
    found = sums(ledger)
    assert found['nightshift_http_requests_total{service="shop",route="other",method="GET",status="2xx"}'] == 2
    assert found['nightshift_http_requests_total{service="shop",route="/a",method="GET",status="2xx"}'] == 2
    assert found['nightshift_traffic_routes_dropped_total{service="shop"}'] == 2


def test_feed_cardinality_stays_bounded_under_attack(
    ledger: Ledger, sums: Callable[[Ledger], Samples], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A scanner that invents paths, methods and times adds no series and no memory past the caps."""
    monkeypatch.setattr(traffic, "KEPT_REQUESTS", 50)
    monkeypatch.setattr(traffic, "KEPT_TIMES", 50)
    for number in range(1000):
        ledger.feed(line(f"/x{number}y", method=f"M{chr(65 + number % 26)}", seconds=f" 0.{number}"))
    assert len(ledger._requests) <= 50
    assert len(ledger._times) <= 50
    assert len([name for name in sums(ledger) if "requests_total" in name]) == 16


def test_feed_counts_unparsed_lines(ledger: Ledger, sums: Callable[[Ledger], Samples], clock: Clock) -> None:
    """Lines in another format are counted and nothing else; the time of the last line is told."""
    ledger.feed(b"nonsense\n\x00\xff\n" + line())
    found = sums(ledger)
    assert found['nightshift_traffic_lines_total{service="shop"}'] == 3
    assert found['nightshift_traffic_unparsed_lines_total{service="shop"}'] == 2
    assert found['nightshift_traffic_last_line_timestamp_seconds{service="shop"}'] == clock.now


def test_collect_reads_the_log(tmp_path: Path, shown: Shown, until: Until) -> None:
    """The collector follows the log in the background and shows what it read."""
    log = tmp_path / "access.log"
    log.write_bytes(line() * 3)
    target = Target(path=str(log), start="beginning", poll_interval_seconds=0.05)
    collector = Traffic(Config(services={"shop": target}))
    lines = 'nightshift_traffic_lines_total{service="shop"}'
    assert shown(collector.collect())[lines] == 3
    with log.open("ab") as file:
        file.write(line())
    until(lambda: shown(collector.collect())[lines] == 4)
    collector.close()


def test_collect_missing_log_is_told(tmp_path: Path, shown: Shown) -> None:
    """A log that is not there is a 0, not a failure of the collector."""
    collector = Traffic(Config(services={"shop": Target(path=str(tmp_path / "none"))}))
    assert shown(collector.collect())['nightshift_traffic_log_readable{service="shop"}'] == 0
    collector.close()


def test_take_ends_early_when_it_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A long log does not keep a reload waiting."""
    monkeypatch.setattr("exporter.sources.follow.CHUNK_BYTES", 200)
    log = tmp_path / "access.log"
    log.write_bytes(line() * 100)
    tail = traffic.Tail("shop", Target(path=str(log), start="beginning"))
    tail.stop()
    tail.take()
    assert 0 < tail.ledger.lines < 100
    tail.close()


@pytest.mark.parametrize(
    ("key", "value"),
    [("buckets", []), ("buckets", [1, 1]), ("buckets", [0, 1]), ("max_routes", 0), ("poll_interval_seconds", 0)],
)
def test_target_refuses_impossible_values(key: str, value: object) -> None:
    """A value that cannot work is an error of the configuration that names the key."""
    with pytest.raises(msgspec.ValidationError, match=key):
        msgspec.convert({"path": "x", key: value}, Target)
