"""The PRD's scenarios of one fault each, on one stack that is healthy at first; the faults are made at once."""

from collections.abc import Mapping

import pytest

from demo.repair import MILESTONES, Repair
from demo.scenario import DEAD_WORKER, DISK, MEMORY, break_one, follow
from demo.stack import Stack
from demo.vitals import folder_bytes, living_pid
from demo.waiting import DeadlineError, until

WATCHDOG = "NightshiftWatchdog"
QUIET_SECONDS = 30.0


@pytest.fixture(scope="module")
def noise(stack: Stack) -> set[str]:
    """Names of all alerts but the watchdog that fired on the healthy stack before anything was broken."""

    def fired() -> set[str]:
        return {labels["alertname"] for labels in stack.prometheus.firing()} - {WATCHDOG}

    try:
        return until(fired, "an alert that should not be", QUIET_SECONDS, stack.tick, poll_seconds=0.5)
    except DeadlineError:
        return set()


@pytest.fixture(scope="module")
def repairs(stack: Stack, noise: set[str]) -> Mapping[str, Repair]:
    """All faults, made at once and followed to their end, by way of breaking."""
    assert not noise
    found = {fault.way: break_one(stack, fault)[0] for fault in (MEMORY, DISK, DEAD_WORKER)}
    follow(stack, list(found.values()))
    return found


def test_healthy_stack_fires_nothing_but_the_watchdog(stack: Stack, noise: set[str]) -> None:
    """The rules are silent on a healthy stack under traffic, and the watchdog that proves the chain fires."""
    assert noise == set()
    assert [labels["alertname"] for labels in stack.prometheus.firing()] == [WATCHDOG]


@pytest.mark.parametrize("way", ["memory", "disk", "worker"])
def test_fault_is_repaired_verified_notified_and_resolved(repairs: Mapping[str, Repair], way: str) -> None:
    """From the fault to Prometheus' all-clear: every milestone is reached and the verdict is fixed."""
    repair = repairs[way]
    assert repair.verdict == "fixed", repair.incident
    assert set(MILESTONES) <= set(repair.times)


@pytest.mark.parametrize("way", ["memory", "disk", "worker"])
def test_fault_is_answered_with_one_attempt(repairs: Mapping[str, Repair], way: str) -> None:
    """One fault, one action, however often Alertmanager tells of it."""
    incident = repairs[way].incident
    assert incident is not None
    assert [attempt.state for attempt in incident.attempts] == ["succeeded"]


def test_memory_pressure_falls_after_cleanup(stack: Stack, repairs: Mapping[str, Repair]) -> None:
    """What filled memory is gone, and Prometheus sees it."""
    assert repairs["memory"].good
    assert folder_bytes(stack.layout.cache) < 8 * 1024 * 1024
    ((_, ratio),) = stack.prometheus.query("nightshift_health_memory_used_ratio")
    assert ratio < 0.8


def test_disk_spike_gives_its_space_back(stack: Stack, repairs: Mapping[str, Repair]) -> None:
    """The log folder is below the threshold again, and the service's own log is still written."""
    assert repairs["disk"].good
    ((_, ratio),) = stack.prometheus.query("nightshift_health_disk_used_ratio")
    assert ratio < 0.75
    assert (stack.layout.logs / "access.log").exists()


def test_dead_service_is_up_again(stack: Stack, repairs: Mapping[str, Repair]) -> None:
    """A new worker lives."""
    assert repairs["worker"].good
    assert living_pid(stack.layout.pid_file) is not None


def test_action_starts_within_two_minutes_and_is_told_within_thirty_seconds(repairs: Mapping[str, Repair]) -> None:
    """The promised deadlines, on the handler's own clock."""
    for repair in repairs.values():
        assert repair.times["acted"] - repair.times["received"] <= 120
        assert repair.times["notified"] - repair.times["acted"] <= 30
