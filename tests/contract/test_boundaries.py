"""The two packages never import each other, and the chassis imports neither."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FORBIDDEN = {
    "chassis": {"exporter", "alert_handler", "demo", "tests"},
    "exporter": {"alert_handler", "demo", "tests"},
    "alert_handler": {"exporter", "demo", "tests"},
}
#: Each costs more memory than a daemon has to give (DESIGN, budgets).
HEAVY = {"numpy", "pandas", "scipy", "sklearn", "pydantic", "sqlalchemy", "structlog", "apprise"}


def imports(package: str) -> Iterator[tuple[Path, str]]:
    """Every module that a package imports, by its first name."""
    for path in (ROOT / package).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                yield from ((path, alias.name.partition(".")[0]) for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                yield path, node.module.partition(".")[0]


@pytest.mark.parametrize("package", FORBIDDEN)
def test_package_imports_none_of_the_others(package: str) -> None:
    """A package imports what it may, and nothing heavy."""
    assert [found for found in imports(package) if found[1] in FORBIDDEN[package] | HEAVY] == []


@pytest.mark.parametrize(("package", "absent"), [("exporter", "alert_handler"), ("alert_handler", "exporter")])
def test_package_starts_without_the_other(package: str, absent: str) -> None:
    """Each daemon's command line works when the other package cannot be imported."""
    code = (
        f"import sys; sys.modules[{absent!r}] = None; from {package}.__main__ import main; sys.exit(main(['describe']))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_handler_daemon_does_not_load_requests() -> None:
    """What `serve` imports leaves requests out: its import costs 4 MB (ADR 0002)."""
    code = "import sys, alert_handler.verbs.serve; from chassis import plugins; from alert_handler import notifiers; \
plugins.load(notifiers, 'notifier'); sys.exit('requests' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")


def test_exporter_daemon_loads_what_it_uses_alone() -> None:
    """Without a configuration no TLS, no checksums (OpenSSL is 3.5 MB each), no HTTP client, no prometheus_client."""
    unused = {"ssl", "hashlib", "http.client", "urllib3", "prometheus_client", "exporter.collectors.traffic"}
    # What measures coverage may be in the process before.
    code = f"""
import sys
before = set(sys.modules)
import exporter.__main__
from exporter import config
from exporter.app import Exporter
Exporter(None, config.known_collectors()).close()
print(sorted({unused!r} & (set(sys.modules) - before)))"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, timeout=60, check=False)
    assert (done.stdout, done.returncode) == (b"[]\n", 0)
