import logging
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chassis.config_file import ConfigInvalid, decode
from exporter.collectors import health
from exporter.collectors.health import Config, Health, HealthCollector, Poll, Target
from exporter.sources.health_report import Readings
from exporter.sources.local import LocalReadings
from tests.exporter.doubles import Clock, Shown, Site, Statvfs

#: Makes a poll of a URL with further keys of its target.
PollOf = Callable[..., Poll]
RESOURCES = b'{"memory_percent": 61.5, "disk_percent": 40, "cpu_percent": 12}'


@pytest.fixture
def poll_of(proc_root: str, statvfs: Statvfs, clock: Clock) -> Iterator[PollOf]:
    """Makes a poll of a site, whose local readings are the fixture host's."""
    made = []

    def make(url: str, **keys: object) -> Poll:
        poll = Poll(
            "shop", Target(url=url, timeout_seconds=1.0, **keys), LocalReadings("/", proc_root, statvfs), clock, clock
        )
        made.append(poll)
        return poll

    yield make
    for poll in made:
        poll.close()


@pytest.fixture
def healthy(site: Site) -> Site:
    """A site whose health endpoints answer well."""
    site.answers |= {"/health/resources": (200, RESOURCES), "/health/system": (200, b'{"status": "healthy"}')}
    return site


def test_take_shows_the_services_own_readings(poll_of: PollOf, healthy: Site) -> None:
    """What the endpoints tell is shown, and that it comes from them."""
    found = poll_of(healthy.url).take()
    assert found == Health(True, "healthy", "remote", Readings(0.615, 0.4, 0.12))


def test_take_falls_back_to_local_readings(poll_of: PollOf) -> None:
    """When the service does not answer, this machine's readings stand in and say so."""
    found = poll_of("http://127.0.0.1:1").take()
    assert found == Health(False, "unknown", "local", Readings(0.75, 0.75))


def test_take_without_fallback_knows_nothing(poll_of: PollOf) -> None:
    """A service on another machine is not shown with this one's readings."""
    assert poll_of("http://127.0.0.1:1", fallback="none").take() == Health(False)


def test_take_local_readings_that_fail_are_left_out(
    healthy: Site, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """When nothing can be read at all, nothing is made up, and the log says why."""
    poll = Poll("shop", Target(url=f"{healthy.url}/none"), LocalReadings("/", str(tmp_path)))
    assert poll.take().readings is None
    assert "local readings failed" in caplog.text
    poll.close()


@pytest.mark.parametrize("body", [b"", b"{}", b'{"memory_percent": 127.6, "disk_percent": 1}'])
def test_take_malformed_answer_is_a_failure(poll_of: PollOf, healthy: Site, body: bytes) -> None:
    """An answer that cannot be true is not shown: the poll has failed."""
    healthy.answers["/health/resources"] = (200, body)
    found = poll_of(healthy.url).take()
    assert (found.up, found.origin, found.status) == (False, "local", "healthy")


def test_take_critical_service_may_answer_503(poll_of: PollOf, healthy: Site) -> None:
    """A service that says with 503 how ill it is has answered."""
    healthy.answers["/health/system"] = (503, b'{"status": "critical"}')
    found = poll_of(healthy.url).take()
    assert (found.up, found.status, found.origin) == (True, "critical", "remote")


def test_take_failing_status_keeps_the_readings(poll_of: PollOf, healthy: Site) -> None:
    """Without a status the service is not up, its own readings are still the better ones."""
    healthy.answers["/health/system"] = (500, b"")
    found = poll_of(healthy.url).take()
    assert (found.up, found.status, found.origin) == (False, "unknown", "remote")


def test_take_service_without_status_endpoint(poll_of: PollOf, healthy: Site) -> None:
    """A service that has only readings is up with them."""
    found = poll_of(healthy.url, system_path="").take()
    assert (found.up, found.status) == (True, "unknown")
    assert healthy.asked == ["/health/resources"]


def test_take_logs_the_required_line(poll_of: PollOf, healthy: Site, caplog: pytest.LogCaptureFixture) -> None:
    """Each poll says memory, disk and status in the agreed words."""
    caplog.set_level(logging.INFO)
    poll_of(healthy.url).take()
    assert caplog.messages == ["📊 Health check: Memory 61.5%, Disk 40.0%, Status: healthy"]


def test_take_logs_why_it_failed(poll_of: PollOf, caplog: pytest.LogCaptureFixture) -> None:
    """A failed poll says the same, what stood in, and what was wrong."""
    poll_of("http://127.0.0.1:1", fallback="none").take()
    record = caplog.records[0]
    assert record.message == "📊 Health check: Memory unknown, Disk unknown, Status: unknown"
    assert "connection refused" in record.nightshift_fields["problem"]


@pytest.mark.parametrize(
    ("found", "seconds"),
    [
        (Health(True, "healthy", "remote", Readings(0.5, 0.5)), 30),
        (Health(True, "unknown", "remote", Readings(0.5, 0.5)), 30),
        (Health(True, "warning", "remote", Readings(0.5, 0.5)), 10),
        (Health(True, "healthy", "remote", Readings(0.76, 0.5)), 10),
        (Health(True, "healthy", "remote", Readings(0.5, 0.76)), 10),
        (Health(False), 10),
    ],
)
def test_interval_is_shorter_in_trouble(poll_of: PollOf, found: Health, seconds: int) -> None:
    """30 s when all is well; 10 s when it fails, is not healthy, or fills up."""
    assert poll_of("http://127.0.0.1:1").interval(found) == seconds


def test_interval_in_trouble_is_never_longer(poll_of: PollOf) -> None:
    """A service polled every second is not polled more seldom in trouble."""
    assert poll_of("http://127.0.0.1:1", interval_seconds=1.0).interval(Health(False)) == 1.0


def test_health_of_a_poll_that_hangs_is_lost(poll_of: PollOf, clock: Clock) -> None:
    """A poll that has been waiting for too long does not go on showing its last good answer."""
    entered, let_go = threading.Event(), threading.Event()
    poll = poll_of("http://127.0.0.1:1")
    poll.source.take = lambda: entered.set() or (let_go.wait() and health.LOST)
    threading.Thread(target=poll.source.turn, daemon=True).start()
    entered.wait(10)
    assert poll.health() is None
    clock.now += 4
    assert poll.health() is health.LOST
    let_go.set()


def test_collect_shows_a_service(healthy: Site, proc_root: str, shown: Shown) -> None:
    """A scrape shows readings, origin, status and the counts of the polls."""
    collector = HealthCollector(Config(services={"shop": Target(url=healthy.url)}, proc_root=proc_root))
    found = shown(collector.collect())
    assert found['nightshift_health_up{service="shop"}'] == 1
    assert found['nightshift_health_source{service="shop",source="remote"}'] == 1
    assert found['nightshift_health_source{service="shop",source="local"}'] == 0
    assert found['nightshift_health_status{service="shop",status="healthy"}'] == 1
    assert found['nightshift_health_memory_used_ratio{service="shop"}'] == 0.615
    collector.close()


def test_collect_counts_failures(shown: Shown, proc_root: str) -> None:
    """A failed poll is a check and a failure, and there was no success yet."""
    collector = HealthCollector(Config(services={"shop": Target(url="http://127.0.0.1:1")}, proc_root=proc_root))
    found = shown(collector.collect())
    names = ("checks_total", "check_failures_total", "last_success_timestamp_seconds", "check_duration_seconds_count")
    assert [found[f'nightshift_health_{name}{{service="shop"}}'] for name in names] == [1, 1, 0, 1]
    collector.close()


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"url": "shop"}, "no http"),
        ({"url": "http://h", "interval_seconds": 0}, "interval_seconds: is 0; write 0.05 to 3600"),
        ({}, "url"),
    ],
)
def test_target_refuses_what_cannot_be_polled(document: dict[str, object], message: str) -> None:
    """A service without a usable URL or interval is an error of the configuration."""
    with pytest.raises(ConfigInvalid, match=message):
        decode(document, Target, "exporter.yml")
