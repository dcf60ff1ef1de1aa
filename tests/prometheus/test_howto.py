import re
from pathlib import Path
from textwrap import dedent, indent

import yaml

from tests.prometheus.conftest import Run
from tests.prometheus.rulebook import ROOT

PAGE = ROOT / "docs" / "howto" / "add-a-rule.md"


def blocks() -> list[str]:
    """The YAML blocks of the page: target, rule, test."""
    found = re.findall(r"^ *```yaml\n(.*?)^ *```$", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    return [dedent(block) for block in found]


def test_example_passes_its_own_test(promtool: Run, tmp_path: Path) -> None:
    """The rule and the test that the page shows work as they stand there."""
    _, rule, case = blocks()
    (tmp_path / "mail.rules.yml").write_text(f"groups:\n- name: nightshift-mail\n  rules:\n{indent(rule, '  ')}")
    head = "rule_files: [mail.rules.yml]\nevaluation_interval: 5s\ntests:\n"
    (tmp_path / "mail.test.yml").write_text(head + case)
    done = promtool("test", "rules", tmp_path / "mail.test.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_example_rule_holds_its_example_target() -> None:
    """Number, time and reference of the example agree."""
    target, rule, _ = (yaml.safe_load(block) for block in blocks())
    [(key, entry)] = target.items()
    assert rule[0]["annotations"]["threshold"] == f"{key}.high"
    assert rule[0]["expr"].endswith(f"> {entry['levels']['high']}")
    assert rule[0]["for"] == entry["for"]["high"]
