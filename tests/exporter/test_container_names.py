import json
import os
from pathlib import Path

import pytest

from exporter.sources.container_names import ContainerNames

A, B = "a" * 64, "b" * 64


def tell(root: Path, key: str, name: str) -> Path:
    """Writes Docker's file about a container."""
    path = root / "containers" / key / "config.v2.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"ID": key, "Name": name, "State": {"Running": True}}))
    return path


def test_names_come_from_configuration_then_docker_then_the_id(tmp_path: Path) -> None:
    """The first that knows the container names it."""
    tell(tmp_path, A, "/shop")
    names = ContainerNames({"bbbb": "blog"}, str(tmp_path))
    assert names.names([A, B, "c" * 64, "nspawned"]) == {
        A: "shop", B: "blog", "c" * 64: "c" * 12, "nspawned": "nspawned",
    }  # fmt: skip
    assert ContainerNames({"aaaa": "mine"}, str(tmp_path)).names([A]) == {A: "mine"}


def test_names_follow_a_rename(tmp_path: Path) -> None:
    """Docker compose starts a container under a passing name."""
    names = ContainerNames({}, str(tmp_path))
    tell(tmp_path, A, "/1234_shop")
    assert names.names([A]) == {A: "1234_shop"}
    os.utime(tell(tmp_path, A, "/shop"), (1, 1))
    assert names.names([A]) == {A: "shop"}


def test_names_are_unique(tmp_path: Path) -> None:
    """Two containers never share a series."""
    tell(tmp_path, A, "/shop")
    tell(tmp_path, B, "/shop")
    assert ContainerNames({}, str(tmp_path)).names([A, B]) == {A: "shop", B: f"shop-{'b' * 12}"}


def test_names_of_similar_ids_are_unique() -> None:
    """Also where the beginnings of the ids are the same."""
    ids = [f"{number:064x}" for number in range(5)]
    assert len(set(ContainerNames({}, "").names(ids).values())) == 5


@pytest.mark.parametrize(
    "content", [b"", b"null", b'{"Name": 3}', b"[" * 100_000, b'{"Name":"\xff"}', b" " * 2_000_000]
)
def test_names_unreadable_file_leaves_the_id(tmp_path: Path, content: bytes) -> None:
    """A file that is garbage or huge costs the name only."""
    tell(tmp_path, A, "").write_bytes(content)
    assert ContainerNames({}, str(tmp_path)).names([A]) == {A: "a" * 12}


def test_names_fifo_does_not_hold(tmp_path: Path) -> None:
    """A FIFO in the file's place is not waited for."""
    (tmp_path / "containers" / A).mkdir(parents=True)
    os.mkfifo(tmp_path / "containers" / A / "config.v2.json")
    assert ContainerNames({}, str(tmp_path)).names([A]) == {A: "a" * 12}


def test_names_long_names_are_cut(tmp_path: Path) -> None:
    """A label has an end."""
    tell(tmp_path, A, "/" + "x" * 500)
    assert ContainerNames({}, str(tmp_path)).names([A]) == {A: "x" * 64}
