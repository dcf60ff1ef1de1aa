"""The systemd units: systemd itself reads them, where it is there."""

import configparser
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from chassis import flags
from exporter import __main__ as main

UNITS = Path(main.__file__).parent / "systemd"
ANALYZE = shutil.which("systemd-analyze")
needs_systemd = pytest.mark.skipif(ANALYZE is None, reason="systemd-analyze is not on this machine")


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """The units with a program that exists."""
    for unit in UNITS.iterdir():
        text = unit.read_text().replace("/opt/nightshift/bin/nightshift-exporter", "/bin/true")
        (tmp_path / unit.name).write_text(text)
    return tmp_path


def analyze(*arguments: object) -> str:
    """What systemd-analyze says."""
    assert ANALYZE is not None
    done = subprocess.run([ANALYZE, *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)
    return done.stdout + done.stderr


def exposure(said: str) -> float:
    """What a service could do, from 10 (all) to 0 (nothing)."""
    level = re.search(r"exposure level.*: ([\d.]+)", said)
    assert level is not None
    return float(level[1])


@needs_systemd
def test_units_are_valid(units: Path) -> None:
    """No unknown key, no value that is ignored."""
    said = analyze("verify", "--man=no", units / "nightshift-exporter.service", units / "nightshift-exporter.socket")
    assert "nightshift" not in said


@needs_systemd
def test_service_is_sandboxed(units: Path) -> None:
    """By systemd's own measure."""
    said = analyze("security", "--offline=true", units / "nightshift-exporter.service")
    assert exposure(said) < 2


@needs_systemd
def test_drop_in_for_pings_grants_one_right(units: Path) -> None:
    """With it the unit is valid, may send raw packets, and is hardly less confined."""
    folder = units / "nightshift-exporter.service.d"
    folder.mkdir()
    (units / "icmp.conf").rename(folder / "icmp.conf")
    assert "nightshift" not in analyze("verify", "--man=no", units / "nightshift-exporter.service")
    said = analyze("security", "--offline=true", units / "nightshift-exporter.service")
    assert "✗ AmbientCapabilities=" in said
    assert exposure(said) < 2.5


def test_service_gives_the_program_what_it_needs() -> None:
    """A place for its state, a signal to reload, the right to raise its own limit of descriptors."""
    parser = configparser.RawConfigParser(strict=False)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read(UNITS / "nightshift-exporter.service")
    service = parser["Service"]
    assert service["StateDirectory"] == "nightshift-exporter"
    assert "HUP" in service["ExecReload"]
    assert "@resources" not in service["SystemCallFilter"]


def test_socket_listens_where_the_program_does() -> None:
    """The unit and the default address agree."""
    text = (UNITS / "nightshift-exporter.socket").read_text()
    assert f"ListenStream={flags.addresses(None, main.PORT)[0]}" in text
