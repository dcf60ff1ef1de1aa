import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from exporter.walks import browser

CHILD = Path(browser.__file__).with_name("browser_child.py")
#: Stands for playwright: a browser that cannot be started.
NO_BROWSER = """
class Error(Exception): pass
class TimeoutError(Error): pass
class sync_playwright:
    def __enter__(self): raise Error("no " + "chromium " * 10_000)
    def __exit__(self, *_): pass
"""
ORDER = {"steps": [], "hosts": [], "allowed": [], "secrets": [], "executable": "", "sandbox": True, "seconds": 5}


def answer(path: Path, order: dict[str, Any]) -> dict[str, Any]:
    """What the child answers with the modules in *path*."""
    code = (
        f"import sys; sys.path.insert(0, {str(path)!r}); import runpy; runpy.run_path({str(CHILD)!r}, None, '__main__')"
    )
    asked = json.dumps(order).encode()
    done = subprocess.run([sys.executable, "-I", "-c", code], input=asked, capture_output=True, timeout=60, check=False)
    assert done.stdout.count(b"\n") == 1
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture
def playwright(tmp_path: Path) -> Path:
    """A folder with a module in playwright's place."""
    (tmp_path / "playwright").mkdir()
    (tmp_path / "playwright" / "__init__.py").touch()
    return tmp_path


def test_main_without_a_browser_tells_why(playwright: Path) -> None:
    """A browser that does not start is a short answer, not a traceback."""
    (playwright / "playwright" / "sync_api.py").write_text(NO_BROWSER)
    found = answer(playwright, ORDER)
    assert found["problem"].startswith("no chromium")
    assert len(found["problem"]) <= 4096


def test_main_without_playwright_says_so(playwright: Path) -> None:
    """A missing extra is one word."""
    (playwright / "playwright" / "sync_api.py").write_text("raise ImportError")
    assert answer(playwright, ORDER) == {"missing": True}


def test_child_needs_nothing_of_ours() -> None:
    """The child runs with any interpreter that has playwright: it imports the standard library and that."""
    tree = ast.parse(CHILD.read_text())
    named = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    named |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in named} <= sys.stdlib_module_names | {"playwright"}


def test_daemon_imports_no_browser() -> None:
    """What the collector imports knows the child by its path only."""
    code = "import sys, exporter.collectors.journeys; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert not {"playwright", "exporter.walks.browser_child", "asyncio"} & set(done.stdout.split())
