import os
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from exporter.collectors import resources
from exporter.collectors.resources import Config, Resources
from exporter.errors import SourceMalformed
from exporter.exposition import TEXT, render
from exporter.registry import Registry
from tests.exporter.doubles import Clock, Shown, Statvfs

GOLDEN = Path(__file__).parent.parent / "golden" / "exporter.prom"
#: `UPDATE_GOLDEN=1 python -m pytest tests/exporter/test_resources.py` writes it anew; look at the difference.
UPDATE = "UPDATE_GOLDEN"


@pytest.fixture
def fixture_host(proc_root: str, statvfs: Statvfs) -> Iterator[Resources]:
    """The collector on the fixture host."""
    it = Resources(Config(proc_root=proc_root), statvfs=statvfs)
    yield it
    it.close()


def test_collect_golden_exposition(fixture_host: Resources) -> None:
    """The whole exposition of the fixture host is as it was agreed."""
    text = render(fixture_host.collect(), TEXT).decode()
    if os.environ.get(UPDATE):
        GOLDEN.write_text(text)
    assert text == GOLDEN.read_text()


def test_collect_ratios(fixture_host: Resources, shown: Shown) -> None:
    """Memory, space, inodes and file handles are ratios of 0 to 1."""
    found = shown(fixture_host.collect())
    root = '{device="/dev/vda1",fstype="ext4",mountpoint="/"}'
    assert found["nightshift_memory_used_ratio"] == 0.75
    assert found[f"nightshift_filesystem_used_ratio{root}"] == 0.75
    assert found[f"nightshift_filesystem_inodes_used_ratio{root}"] == pytest.approx(0.1)
    assert found["nightshift_file_handles_used_ratio"] == 1024 / 262144


def test_collect_leaves_out_networks_pseudo_and_partitions(fixture_host: Resources, shown: Shown) -> None:
    """No share of a server, no container layer, no partition, no virtual pair is shown."""
    text = " ".join(shown(fixture_host.collect()))
    assert not [name for name in ("/srv/nas", "overlay", 'device="vda1"}', "loop0", "veth12", "p1") if name in text]
    assert "/srv/My Files" in text


def test_collect_twice_gives_the_same(fixture_host: Resources, shown: Shown) -> None:
    """Kept descriptors are read from their start each time."""
    assert shown(fixture_host.collect()) == shown(fixture_host.collect())


def test_collect_on_an_empty_proc_is_no_failure(tmp_path: Path, shown: Shown) -> None:
    """A kernel that has none of the files leaves the families out."""
    assert shown(Resources(Config(proc_root=str(tmp_path))).collect()) == {}


def test_collect_malformed_file_is_an_error(tmp_path: Path) -> None:
    """A file that nobody can read is reported, not guessed at."""
    (tmp_path / "loadavg").write_text("much")
    with pytest.raises(SourceMalformed, match="loadavg"):
        list(Resources(Config(proc_root=str(tmp_path))).collect())


def test_mount_table_is_read_every_ten_seconds(tmp_path: Path, statvfs: Statvfs, clock: Clock, shown: Shown) -> None:
    """A new mount is seen after ten seconds, not at every scrape."""
    (tmp_path / "self").mkdir()
    table = tmp_path / "self" / "mounts"
    table.write_text("")
    collector = Resources(Config(proc_root=str(tmp_path)), statvfs=statvfs, monotonic=clock)
    assert shown(collector.collect()) == {}
    table.write_text("/dev/a / ext4 rw 0 0\n")
    assert shown(collector.collect()) == {}
    clock.now += resources.MOUNT_TABLE_SECONDS
    assert len(shown(collector.collect())) == 8


def test_collect_skips_file_systems_without_size(proc_root: str, shown: Shown) -> None:
    """A file system of no blocks has no ratio to divide."""
    empty = os.statvfs_result((4096, 4096, 0, 0, 0, 0, 0, 0, 0, 255))
    collector = Resources(Config(proc_root=proc_root), statvfs=lambda _: empty)
    assert "filesystem" not in " ".join(shown(collector.collect()))


def test_scrape_with_a_hung_mount_shows_all_others(proc_root: str, statvfs: Statvfs, shown: Shown) -> None:
    """One dead mount costs its own series: not the scrape, not the other mounts."""
    let_go = threading.Event()
    config = Config(proc_root=proc_root, exclude_filesystem_types=("proc", "tmpfs", "overlay"))
    collector = Resources(config, statvfs=lambda path: let_go.wait() and None if "nas" in path else statvfs(path))
    registry = Registry()
    registry.replace(set(), {"resources": collector})
    found = shown(registry.scrape(9))
    assert found['nightshift_collector_success{collector="resources"}'] == 1
    mounts = {text.partition("mountpoint=")[2] for text in found if "filesystem_size" in text}
    assert mounts == {'"/"}', '"/srv/My Files"}', '"/srv/hidden"}'}
    let_go.set()
    registry.close()


def test_waits_only_for_mounts_that_may_block(proc_root: str) -> None:
    """With local mounts alone the machine is read in the scrape's own thread."""
    assert not Resources(Config(proc_root=proc_root)).waits()
    assert Resources(Config(proc_root=proc_root, exclude_filesystem_types=())).waits()


def test_mount_table_of_process_1_forbidden_is_our_own(tmp_path: Path) -> None:
    """With hidepid=1 a user may not read it; the exporter's own table stands in."""
    (tmp_path / "1" / "mounts").mkdir(parents=True)  # cannot be read either
    (tmp_path / "self").mkdir()
    (tmp_path / "self" / "mounts").write_text("/dev/vda1 / ext4 rw 0 0\n")
    collector = Resources(Config(proc_root=str(tmp_path)))
    assert not collector.waits()
    assert [mount.mountpoint for mount in collector._mounted()] == ["/"]


def test_config_empty_pattern_excludes_nothing(proc_root: str, statvfs: Statvfs, shown: Shown) -> None:
    """An exclusion that is switched off shows every mount, disk and device."""
    keys = ("exclude_mountpoints", "exclude_disks", "exclude_network_devices")
    config = msgspec.convert({"proc_root": proc_root, **dict.fromkeys(keys, "")}, Config)
    text = " ".join(shown(Resources(config, statvfs=statvfs).collect()))
    assert [name for name in ("overlay", 'device="vda1"}', "loop0", "veth12") if name not in text] == []


@pytest.mark.parametrize("pattern", ["(", "(" * 5000, f"a{{{10**20}}}"])
def test_config_bad_pattern_is_named(pattern: str) -> None:
    """A regular expression that is none is an error of the configuration."""
    with pytest.raises(msgspec.ValidationError, match="exclude_disks is no regular expression"):
        msgspec.convert({"exclude_disks": pattern}, Config)
