"""The documentation is true: references are fresh, links lead somewhere, the README's commands exist."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(path for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_references_are_fresh() -> None:
    """docs/reference is what docs/build.py writes."""
    done = subprocess.run(
        [sys.executable, "docs/build.py", "--check"], cwd=ROOT, capture_output=True, timeout=60, check=False
    )
    assert done.stdout == b""


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_to_files(page: Path) -> None:
    """Every relative link and picture of a page names a file of the project."""
    links = re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
    local = [link for link in links if not re.match(r"[a-z]+:|/", link)]
    assert [link for link in local if not (page.parent / link).exists()] == []


def test_readme_commands_are_verbs_of_the_makefile() -> None:
    """The two commands of the README are what the Makefile offers."""
    commands = re.search(r"```sh\n(.*?)```", README, re.DOTALL)
    assert commands is not None
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    verbs = [line.removeprefix("make ") for line in commands.group(1).split("\n") if line]
    assert verbs == ["demo", "test"]
    assert all(re.search(rf"^{verb}:", makefile, re.MULTILINE) for verb in verbs)


def test_ci_runs_the_test_command_of_the_readme() -> None:
    """.ci/run ends in `make test`."""
    assert (ROOT / ".ci/run").read_text(encoding="utf-8").rstrip().endswith("exec make test")


def test_readme_configuration_is_valid(tmp_path: Path) -> None:
    """The handler's configuration in the README passes check-config."""
    example = re.search(r"```yaml\n(# alert_handler.yml.*?)```", README, re.DOTALL)
    assert example is not None
    (tmp_path / "slack.url").write_text("http://127.0.0.1:9/hook", encoding="utf-8")
    (tmp_path / "slack.url").chmod(0o600)
    text = example.group(1).replace("/etc/nightshift/slack.url", str(tmp_path / "slack.url"))
    (tmp_path / "alert_handler.yml").write_text(text, encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "alert_handler",
        "check-config",
        "--config.file",
        str(tmp_path / "alert_handler.yml"),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
