import logging
import threading
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from chassis.config_file import ConfigInvalid, decode
from exporter.checks.outcome import LOGGED_IN, Outcome, answered
from exporter.checks.process import ProcessRule
from exporter.collectors.services import Config, Services, Target, Watch
from exporter.families import Family
from tests.exporter.doubles import Clock, Samples, Shown, Site


@pytest.fixture
def look(shown: Shown) -> Callable[[Watch], Samples]:
    """What a watch shows."""

    def show(watch: Watch) -> Samples:
        families = {metric: Family(metric) for metric in Services.metrics}
        watch.show(families)
        return shown(families.values())

    return show


def watch_of(outcomes: list[Outcome], clock: Clock, kind: str = "port") -> Watch:
    """A watch over a check that has these outcomes, one after the other."""
    answers = iter(outcomes)
    return Watch(("shop", kind), lambda: next(answers), Target(port="h:1"), clock, clock)


def test_show_up_and_when(clock: Clock, look: Callable[[Watch], Samples]) -> None:
    """A passed check is up, with its time and duration, and all reasons to fail stand at 0."""
    watch = watch_of([Outcome()], clock)
    watch.source.turn()
    found = look(watch)
    assert found['nightshift_service_up{service="shop",check="port"}'] == 1
    assert found['nightshift_service_last_check_timestamp_seconds{service="shop",check="port"}'] == 1000.0
    assert found['nightshift_service_check_failures_total{service="shop",check="port",reason="refused"}'] == 0


def test_show_down_with_its_reason(clock: Clock, look: Callable[[Watch], Samples]) -> None:
    """A failed check is down and counted under its reason."""
    watch = watch_of([Outcome("refused", "no"), Outcome("timeout", "no")], clock)
    watch.source.turn()
    watch.source.turn()
    found = look(watch)
    assert found['nightshift_service_up{service="shop",check="port"}'] == 0
    assert found['nightshift_service_check_failures_total{service="shop",check="port",reason="timeout"}'] == 1


def test_show_counts_all_checks_beside_those_that_failed(clock: Clock, look: Callable[[Watch], Samples]) -> None:
    """Checks begin at 0 and count whatever their outcome is."""
    watch = watch_of([Outcome(), Outcome("refused", "no")], clock)
    assert look(watch)['nightshift_service_checks_total{service="shop",check="port"}'] == 0
    watch.source.turn()
    watch.source.turn()
    assert look(watch)['nightshift_service_checks_total{service="shop",check="port"}'] == 2


def test_show_unforeseen_reason_is_an_error(clock: Clock, look: Callable[[Watch], Samples]) -> None:
    """Only the fixed reasons of a kind of check become labels."""
    watch = watch_of([Outcome("status", "?")], clock)
    watch.source.turn()
    assert look(watch)['nightshift_service_check_failures_total{service="shop",check="port",reason="error"}'] == 1


def test_show_nothing_before_the_first_outcome(clock: Clock, look: Callable[[Watch], Samples]) -> None:
    """What is not known yet is neither up nor down."""
    assert 'nightshift_service_up{service="shop",check="port"}' not in look(watch_of([], clock))


@pytest.mark.parametrize("earlier", [[], [Outcome()]])
def test_show_check_that_waits_for_too_long_is_down(
    clock: Clock, look: Callable[[Watch], Samples], earlier: list[Outcome]
) -> None:
    """A check that hangs does not go on showing its last good outcome."""
    entered, let_go = threading.Event(), threading.Event()
    answers = iter(earlier)

    def check() -> Outcome:
        for outcome in answers:
            return outcome
        entered.set()
        let_go.wait()
        return Outcome()

    watch = Watch(("shop", "port"), check, Target(port="h:1", timeout_seconds=2.0), clock, clock)
    for _ in earlier:
        watch.source.turn()
    threading.Thread(target=watch.source.turn, daemon=True).start()
    entered.wait(10)
    clock.now += 6
    assert look(watch)['nightshift_service_up{service="shop",check="port"}'] == 0
    let_go.set()


def test_take_logs_changes_only(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """Going down and coming up are told once each."""
    caplog.set_level(logging.INFO)
    watch = watch_of([Outcome("refused", "closed"), Outcome("refused", "closed"), Outcome()], clock)
    for _ in range(3):
        watch.source.turn()
    assert [record.message for record in caplog.records] == ["service is down: closed", "service is up again"]


def test_collect_makes_every_check_given(proc_root: str, site: Site, shown: Shown, tmp_path: Path) -> None:
    """A service with four checks has four series, and one count of processes: that of its rule."""
    site.answers["/"] = (200, b"")
    target = msgspec.convert(
        {
            "process": {"cmdline": "^/"},
            "pid_file": str(tmp_path / "none"),
            "http": {"url": site.url},
            "port": site.url[7:],
        },
        Target,
    )
    collector = Services(Config(services={"shop": target}, proc_root=proc_root))
    found = shown(collector.collect())
    ups = [
        found[f'nightshift_service_up{{service="shop",check="{kind}"}}']
        for kind in ("process", "pid_file", "port", "http")
    ]
    assert ups == [1, 0, 1, 1]
    assert found['nightshift_service_processes{service="shop"}'] == 2
    collector.close()


def test_collect_pid_file_alone_counts_its_process(proc_root: str, shown: Shown, tmp_path: Path) -> None:
    """Without a rule the pid file's process is the one that is counted."""
    (tmp_path / "pid").write_text("101")
    collector = Services(Config(services={"w": Target(pid_file=str(tmp_path / "pid"))}, proc_root=proc_root))
    assert shown(collector.collect())['nightshift_service_processes{service="w"}'] == 1
    collector.close()


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "give at least one of process, pid_file, port, http, redis"),
        ({"port": "x"}, "is no port"),
        ({"port": 99999}, "'99999' is no port: write HOST:PORT"),
        ({"port": 0}, "'0' is no port: write HOST:PORT"),
        ({"redis": {"address": 99999}}, "'99999' is no port: write HOST:PORT"),
        ({"port": "h:1", "interval_seconds": 0}, "interval_seconds: is 0; write 0.05 to 3600"),
    ],
)
def test_target_refuses_what_checks_nothing(document: dict[str, object], message: str) -> None:
    """A service without a check, or with one that cannot work, is an error of the configuration."""
    with pytest.raises(ConfigInvalid, match=message):
        decode(document, Target, "exporter.yml")


def test_target_takes_a_bare_port() -> None:
    """YAML makes a number of it, and it is one of this machine."""
    assert msgspec.convert({"port": 6379}, Target).port == 6379


def test_collect_protocol_checks_have_all_reasons_from_the_start(shown: Shown) -> None:
    """A refused connection is down, counted once, and every other reason stands at 0."""
    target = msgspec.convert({"redis": {"address": 1}, "postgresql": {"address": 1}}, Target)
    collector = Services(Config(services={"shop": target}))
    found = shown(collector.collect())
    assert found['nightshift_service_up{service="shop",check="postgresql"}'] == 0
    name = "nightshift_service_check_failures_total"
    assert found[f'{name}{{service="shop",check="redis",reason="refused"}}'] == 1
    assert found[f'{name}{{service="shop",check="redis",reason="loading"}}'] == 0
    collector.close()


def test_show_readings_of_a_check(clock: Clock, look: Callable[[Watch], Samples]) -> None:
    """What a check has measured besides is shown under its service."""
    watch = watch_of([answered("redis", logged_in=False)], clock, "redis")
    watch.source.turn()
    assert look(watch)[f'{LOGGED_IN.name}{{service="shop",check="redis"}}'] == 0


def test_process_rule_is_part_of_a_target() -> None:
    """The nested rule is read with its own checks."""
    assert msgspec.convert({"process": {"name": "x"}}, Target).process == ProcessRule(name="x")
