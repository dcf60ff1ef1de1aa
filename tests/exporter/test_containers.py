import shutil
from pathlib import Path

import msgspec
import pytest

from chassis.config_file import ConfigInvalid, decode
from exporter.collectors.containers import Config, Containers
from tests.exporter.doubles import Clock, Samples, Shown
from tests.exporter.test_cgroup import FILES

A, B = "a" * 64, "b" * 64


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A cgroup v2 tree with two containers of Docker, one of them without a limit."""
    (tmp_path / "cgroup.controllers").write_text("cpu io memory pids\n")
    for key, limit in ((A, "2000"), (B, "max")):
        folder = tmp_path / f"system.slice/docker-{key}.scope"
        folder.mkdir(parents=True)
        for name, text in (FILES | {"memory.max": limit}).items():
            (folder / name).write_text(text)
    return tmp_path


def collector_of(root: Path, clock: Clock, **keys: object) -> Containers:
    """A collector over a tree."""
    config = msgspec.convert({"cgroup_root": str(root), "docker_root": "", "names": {"aaaa": "shop"}} | keys, Config)
    return Containers(config, monotonic=clock, wall=clock)


def seen(collector: Containers, shown: Shown) -> Samples:
    """The samples, without the prefix of their names."""
    return {name.removeprefix("nightshift_container"): value for name, value in shown(collector.collect()).items()}


def test_collect_shows_each_container(root: Path, clock: Clock, shown: Shown) -> None:
    """Every reading in base units; no limit, no ratio."""
    found = seen(collector_of(root, clock), shown)
    assert {name: value for name, value in found.items() if "shop" in name or "{" not in name} == {
        '_cpu_seconds_total{container="shop"}': 2.5,
        '_throttled_seconds_total{container="shop"}': 1.5,
        '_memory_bytes{container="shop"}': 600,
        '_memory_limit_bytes{container="shop"}': 2000,
        '_memory_used_ratio{container="shop"}': 0.3,
        '_oom_kills_total{container="shop"}': 1,
        '_pids{container="shop"}': 12,
        '_read_bytes_total{container="shop"}': 105,
        '_written_bytes_total{container="shop"}': 16,
        '_last_seen_timestamp_seconds{container="shop"}': 1000.0,
        "s": 2,
    }
    assert f'_memory_used_ratio{{container="{B[:12]}"}}' not in found


def test_collect_ended_container_leaves_when_it_was_seen(root: Path, clock: Clock, shown: Shown) -> None:
    """Its readings vanish at once, the moment it was last seen after an hour."""
    collector = collector_of(root, clock)
    seen(collector, shown)
    shutil.rmtree(root / f"system.slice/docker-{A}.scope")
    clock.now += 5
    found = seen(collector, shown)
    assert [name for name in found if "shop" in name] == ['_last_seen_timestamp_seconds{container="shop"}']
    clock.now += 3600
    assert not [name for name in seen(collector, shown) if "shop" in name]


def test_collect_finds_new_containers_after_a_while(root: Path, clock: Clock, shown: Shown) -> None:
    """The tree is looked through every ten seconds, not at every scrape."""
    collector = collector_of(root, clock)
    seen(collector, shown)
    (root / "docker" / ("c" * 64)).mkdir(parents=True)
    assert seen(collector, shown)["s"] == 2
    clock.now += 10
    assert seen(collector, shown)["s"] == 3


def test_collect_is_bounded(root: Path, clock: Clock, shown: Shown) -> None:
    """Containers past the limit are counted only, also over many generations."""
    collector = collector_of(root, clock, max_containers=1)
    for number in range(20):
        (root / f"{number:064x}").mkdir()
        clock.now += 10
        found = seen(collector, shown)
        (root / f"{number:064x}").rmdir()
    assert found["s"] == 3
    assert len([name for name in found if "pids" in name]) <= 1
    assert len([name for name in found if "last_seen" in name]) <= 2


def test_version_1_is_told_once_and_shows_nothing(
    tmp_path: Path, clock: Clock, shown: Shown, caplog: pytest.LogCaptureFixture
) -> None:
    """An old machine is no failure of the collector."""
    collector = collector_of(tmp_path, clock)
    assert seen(collector, shown) == seen(collector, shown) == {}
    assert caplog.text.count("no cgroup v2 here") == 1


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"max_containers": 0}, "max_containers: is 0; write 1 to 5000"),
        ({"look_seconds": 0}, "look_seconds: is 0; write 0.05 to 3600"),
        ({"names": {"abc": "shop"}}, "at least 4 digits"),
        ({"names": {"abcd": ""}}, "and a name"),
    ],
)
def test_config_refuses(document: dict[str, object], message: str) -> None:
    """Mistakes are found before the start."""
    with pytest.raises(ConfigInvalid, match=message):
        decode(document, Config, "exporter.yml")
