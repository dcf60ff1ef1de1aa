from pathlib import Path

import pytest

from tests.prometheus.conftest import Run
from tests.prometheus.rulebook import FOLDER, RULES, document, stems

HEALTHY = Path(__file__).parent / "healthy.test.yml"


@pytest.mark.parametrize("stem", stems())
def test_rules_pass_their_own_tests(promtool: Run, stem: str) -> None:
    """Every pair passes on every Prometheus: ranges are left-open from 3.0 on."""
    done = promtool("test", "rules", RULES / f"{stem}.test.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_healthy_and_unscraped_machines_are_silent(promtool: Run) -> None:
    """On a healthy machine, and where nothing of Nightshift is scraped, only the watchdog fires."""
    done = promtool("test", "rules", HEALTHY)
    assert done.returncode == 0, done.stdout + done.stderr


def test_configuration_is_accepted_without_a_warning(promtool: Run) -> None:
    """The shipped prometheus.yml and all rules that it loads are valid."""
    done = promtool("check", "config", FOLDER / "prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "WARNING" not in done.stdout + done.stderr


def test_rule_files_pass_the_linter(promtool: Run) -> None:
    """The lint of promtool (duplicate rules) finds nothing, and calls nothing a failure."""
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", *sorted(RULES.glob("*.rules.yml")))
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_rule_file_has_its_test_file() -> None:
    """A topic is a pair, and a test file loads its own topic's rules."""
    assert {path.name.removesuffix(".test.yml") for path in RULES.glob("*.test.yml")} == set(stems())
    for stem in stems():
        assert f"{stem}.rules.yml" in document(RULES / f"{stem}.test.yml")["rule_files"], stem


def test_configuration_loads_rules_and_never_tests() -> None:
    """The glob of prometheus.yml finds every rule file and no test file."""
    [pattern] = document(FOLDER / "prometheus.yml")["rule_files"]
    found = {path.name for path in FOLDER.glob(pattern)}
    assert found == {f"{stem}.rules.yml" for stem in stems()}
