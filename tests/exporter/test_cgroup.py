from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.sources import cgroup
from exporter.sources.cgroup import Usage, container_id, containers, is_version_2, usage

ID = "3f2a91c04d55" + "0" * 52
FILES = {
    "cpu.stat": "usage_usec 2500000\nuser_usec 1\nnr_throttled 3\nthrottled_usec 1500000\n",
    "memory.current": "1000\n",
    "memory.max": "2000\n",
    "memory.stat": "anon 1\ninactive_file 400\nactive_file 5\n",
    "memory.events": "low 0\nhigh 0\nmax 7\noom 2\noom_kill 1\noom_group_kill 0\n",
    "pids.current": "12\n",
    "io.stat": "8:0 rbytes=100 wbytes=10 rios=1 wios=1 dbytes=9 dios=0\n253:0 rbytes=5 wbytes=6\n",
}


def group(folder: Path, **changed: str) -> Path:
    """A cgroup with the files of a container; a changed text of "-" leaves the file out."""
    folder.mkdir(parents=True)
    for name, text in (FILES | {key.replace("_", "."): text for key, text in changed.items()}).items():
        if text != "-":
            (folder / name).write_text(text)
    return folder


@pytest.mark.parametrize(
    ("folder", "found"),
    [
        (f"docker-{ID}.scope", ID),
        (ID, ID),
        (f"libpod-{ID}.scope", ID),
        (f"cri-containerd-{ID}.scope", ID),
        (f"crio-{ID}.scope", ID),
        (f"crio-conmon-{ID}.scope", ""),
        (f"libpod-conmon-{ID}.scope", ""),
        ("systemd-nspawn@shop.service", "shop"),
        (r"machine-my\x2dshop.scope", "my-shop"),
        ("lxc.payload.shop", "shop"),
        ("system.slice", ""),
        ("docker.service", ""),
        ("kubepods-burstable-podaa.slice", ""),
        (ID[:63], ""),
        (ID.upper(), ""),
    ],
)
def test_container_id_knows_the_engines(folder: str, found: str) -> None:
    """Each engine's name for a container's group, and not for the groups around it."""
    assert container_id(folder) == found


def test_containers_are_found_wherever_they_lie(tmp_path: Path) -> None:
    """Below slices, below pods, below a user; what a container nests belongs to it."""
    pod = "kubepods.slice/kubepods-burstable.slice/kubepods-burstable-poda1.slice"
    places = [
        f"system.slice/docker-{'a' * 64}.scope",
        f"docker/{'b' * 64}",
        f"{pod}/cri-containerd-{'c' * 64}.scope",
        f"user.slice/user-1000.slice/user@1000.service/user.slice/libpod-{'d' * 64}.scope",
        "machine.slice/systemd-nspawn@shop.service",
    ]
    for place in places:
        (tmp_path / place / "init.scope" / f"docker-{'e' * 64}.scope").mkdir(parents=True)
    found = dict(containers(tmp_path))
    assert found == {container_id(Path(place).name): tmp_path / place for place in places}


def test_containers_walk_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither depth, nor crowds, nor a link upwards, nor a missing tree holds the scrape."""
    (tmp_path / "/".join("abcdefghijk") / ID).mkdir(parents=True)
    (tmp_path / "loop").symlink_to(tmp_path)
    assert list(containers(tmp_path)) == []
    for number in range(50):
        (tmp_path / f"{number:064x}").mkdir()
    monkeypatch.setattr(cgroup, "MAX_FOLDERS", 10)
    assert len(list(containers(tmp_path))) <= 51
    assert list(containers(tmp_path / "none")) == []


def test_usage_reads_every_file(tmp_path: Path) -> None:
    """Microseconds become seconds, cache that can be given back is not in use, devices are added up."""
    folder = group(tmp_path / ID)
    assert usage(folder, tmp_path) == Usage(2.5, 1.5, 600, 2000, 1, 12, 105, 16)


def test_usage_limit_is_the_least_on_the_way(tmp_path: Path) -> None:
    """A pod's limit binds its containers, also one with a higher limit of its own, and one without."""
    group(tmp_path / "pod", memory_max="1500")
    for number, (own, least) in enumerate([("max", 1500), ("9000", 1500), ("700", 700)]):
        found = usage(group(tmp_path / f"pod/{number}", memory_max=own), tmp_path)
        assert found is not None
        assert found.memory_limit == least


def test_usage_without_a_limit(tmp_path: Path) -> None:
    """No limit is no number."""
    found = usage(group(tmp_path / ID, memory_max="max"), tmp_path)
    assert found is not None
    assert found.memory_limit is None


def test_usage_controllers_that_are_off_are_unknown(tmp_path: Path) -> None:
    """What the kernel does not tell is not shown as 0."""
    off = dict.fromkeys(("memory_current", "memory_max", "memory_events", "pids_current", "cpu_stat", "io_stat"), "-")
    assert usage(group(tmp_path / ID, **off), tmp_path) == Usage(None, None, None, None, None, None, 0, 0)


def test_usage_of_what_has_ended_is_none(tmp_path: Path) -> None:
    """A container may end between the look and the reading."""
    assert usage(tmp_path / ID, tmp_path) is None


def test_usage_never_falls_below_zero(tmp_path: Path) -> None:
    """The two numbers are read one after the other."""
    found = usage(group(tmp_path / ID, memory_stat="inactive_file 5000\n"), tmp_path)
    assert found is not None
    assert found.memory == 0


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(sorted(FILES)), st.binary(max_size=100))
def test_usage_survives_anything(tmp_path_factory: pytest.TempPathFactory, name: str, content: bytes) -> None:
    """Whatever a file says, the numbers are numbers or unknown."""
    folder = group(tmp_path_factory.mktemp("any") / ID)
    (folder / name).write_bytes(content)
    found = usage(folder, folder.parent)
    assert found is not None
    assert all(value is None or value >= 0 for value in found)


def test_is_version_2_by_its_file(tmp_path: Path) -> None:
    """Only the top of a unified hierarchy lists its controllers."""
    assert not is_version_2(tmp_path)
    (tmp_path / "cgroup.controllers").touch()
    assert is_version_2(tmp_path)
