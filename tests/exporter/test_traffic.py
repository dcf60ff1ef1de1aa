import logging
from pathlib import Path

import msgspec
import pytest

from exporter.collectors import traffic
from exporter.collectors.traffic import Config, Target, Traffic
from exporter.exposition import OPENMETRICS, render
from exporter.state import StateFile
from tests.exporter.doubles import Samples, Shown, Until

LINES = 'nightshift_traffic_lines_total{service="shop"}'
READABLE = 'nightshift_traffic_log_readable{service="shop"}'


def line(path: str = "/a", seconds: str = "0.2") -> bytes:
    """A line of an access log."""
    head = "10.0.0.1 - - [21/Nov/2026:02:29:00 +0000]"
    return f'{head} "GET {path} HTTP/1.1" 200 10 "-" "curl" {seconds}\n'.encode()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log with three lines."""
    path = tmp_path / "access.log"
    path.write_bytes(line() * 3)
    return path


def watching(path: Path | list[str], **keys: object) -> Traffic:
    """A collector that looks at *path* many times a second, from its beginning."""
    section = {
        "path": path if isinstance(path, list) else str(path),
        "start": "beginning",
        "poll_interval_seconds": 0.05,
        **keys,
    }
    return Traffic(msgspec.convert({"services": {"shop": section}}, Config))


def once(shown: Shown, collector: Traffic) -> Samples:
    """What the first scrape shows; the collector is closed."""
    samples = shown(collector.collect())
    collector.close()
    return samples


def test_collect_follows_the_log(log: Path, shown: Shown, until: Until) -> None:
    """The collector follows the log in the background and shows what it read."""
    collector = watching(log)
    assert shown(collector.collect())[LINES] == 3
    with log.open("ab") as file:
        file.write(line())
    until(lambda: shown(collector.collect())[LINES] == 4)
    collector.close()


def test_collect_shows_every_sum_of_a_route(log: Path, shown: Shown) -> None:
    """Requests, bytes, request times and outliers have the service and the route."""
    samples = once(shown, watching(log, buckets=[0.1, 0.5]))
    labels = 'service="shop",route="/a"'
    assert samples[f'nightshift_http_requests_total{{{labels},method="GET",status="2xx"}}'] == 3
    assert samples[f"nightshift_http_response_bytes_total{{{labels}}}"] == 30
    assert samples[f'nightshift_http_request_duration_seconds_bucket{{{labels},le="0.5"}}'] == 3
    assert samples[f"nightshift_http_request_outliers_total{{{labels}}}"] == 0


def test_collect_tells_the_shape_of_enough_requests(log: Path, shown: Shown) -> None:
    """Two kinds of request times make a bimodality near 1 and a long tail; a few requests tell nothing."""
    few = once(shown, watching(log))
    assert not [name for name in few if "bimodality" in name or "tail_quotient" in name]
    log.write_bytes(line(seconds="0.004") * 70 + line(seconds="8") * 30)
    samples = once(shown, watching(log))
    assert samples['nightshift_http_request_duration_bimodality{service="shop",route="/a"}'] == pytest.approx(1)
    assert samples['nightshift_http_request_duration_tail_quotient{service="shop",route="/a"}'] > 10


def test_collect_shows_exemplars_in_openmetrics(tmp_path: Path) -> None:
    """The trace of a line stands with the bucket of its request time."""
    log = tmp_path / "traced.log"
    log.write_bytes(b"200 0.2 0af7651916cd43dd8448eb211c80319c GET /a H\n")
    collector = watching(log, format="$status $request_time $request_id $request")
    assert b'le="0.25"} 1 # {trace_id="0af7651916cd43dd8448eb211c80319c"} 0.2 ' in render(
        collector.collect(), OPENMETRICS
    )
    collector.close()


def test_collect_goes_on_where_the_last_scrape_was(log: Path, shown: Shown) -> None:
    """After a restart what was shown is not counted again; what was written meanwhile is."""
    once(shown, watching(log))
    with log.open("ab") as file:
        file.write(line() * 2)
    assert once(shown, watching(log))[LINES] == 2


def test_take_counts_again_what_was_never_shown(log: Path) -> None:
    """A process that ends between reading and the scrape has shown nothing, so the next one reads it."""
    kept = StateFile(log.with_name("kept"))
    tail = traffic.Tail("shop", Target(path=str(log), start="beginning"), kept)
    tail.take()
    tail.close()
    again = traffic.Tail("shop", Target(path=str(log)), kept)
    again.take()
    assert again.ledger.lines == 3
    again.close()


def test_collect_missing_log_is_told(tmp_path: Path, shown: Shown, caplog: pytest.LogCaptureFixture) -> None:
    """A path that matches nothing is a 0 and one warning, not a failure of the collector."""
    with caplog.at_level(logging.WARNING):
        collector = watching(tmp_path / "none*.log")
        assert shown(collector.collect())[READABLE] == 0
        collector.close()
    assert [record.getMessage() for record in caplog.records if "no log can be read" in record.getMessage()]


def test_collect_reads_every_file_of_a_wildcard(log: Path, shown: Shown) -> None:
    """Several logs of a service are one sum, those of wildcards and those of further paths."""
    log.with_name("access-2.log").write_bytes(line())
    other = log.with_name("other")
    other.write_bytes(line() * 2)
    assert once(shown, watching([str(log.with_name("acc*.log")), str(other)]))[LINES] == 6


def test_take_ends_early_when_it_is_stopped(log: Path) -> None:
    """A long log does not keep a reload waiting."""
    log.write_bytes(line() * 5000)
    tail = traffic.Tail("shop", Target(path=str(log), start="beginning"), StateFile(log.with_name("kept")))
    tail.stop()
    tail.take()
    assert 0 < tail.ledger.lines < 5000
    tail.close()


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("buckets", []),
        ("buckets", [1, 1]),
        ("buckets", [0, 1]),
        ("max_routes", 0),
        ("poll_interval_seconds", 0),
        ("window_seconds", 1),
        ("path", []),
        ("path", ""),
        ("format", "combind"),
        ("format", "$request"),
        ("routes", ["user"]),
    ],
)
def test_target_refuses_impossible_values(key: str, value: object) -> None:
    """A value that cannot work is an error of the configuration that says what to write."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"path": "x", key: value}, Target)
