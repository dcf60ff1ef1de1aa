from pathlib import Path

import pytest

from alert_handler import runbooks


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, ...]:
    """The package's folder, which a checkout does not have, and the checkout's."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/disk.md").write_text("# Disk\n\nText\n", encoding="utf-8")
    (tmp_path / "secret.md").write_text("# Secret", encoding="utf-8")
    return tmp_path / "package", tmp_path / "docs"


def test_runbook_is_found_in_either_folder(folders: tuple[Path, ...]) -> None:
    """In a checkout, and in an installed wheel."""
    found = runbooks.find("disk", folders)
    assert found == runbooks.Runbook("disk", "Disk", "# Disk\n\nText\n")


def test_packaged_runbook_comes_first(folders: tuple[Path, ...]) -> None:
    """The page fits the version that runs."""
    folders[0].mkdir()
    (folders[0] / "disk.md").write_text("# Packaged", encoding="utf-8")
    assert [runbook.title for runbook in runbooks.everyone(folders)] == ["Packaged"]


@pytest.mark.parametrize("stem", ["../secret", "..", "", "/etc/passwd", "disk.md", "Disk", "nothing", "a" * 65])
def test_no_other_file_can_be_named(folders: tuple[Path, ...], stem: str) -> None:
    """Only plain names are looked for."""
    assert runbooks.find(stem, folders) is None


def test_shipped_runbooks_have_titles() -> None:
    """Each begins with a heading."""
    shipped = list(runbooks.everyone())
    assert len(shipped) >= 9
    assert all(runbook.markdown.startswith(f"# {runbook.title}") for runbook in shipped)
