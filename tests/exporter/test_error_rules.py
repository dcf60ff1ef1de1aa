from pathlib import Path

import pytest

from chassis.config_file import ConfigInvalid
from exporter.sources import error_rules


def test_load_shipped_rules_cover_every_category() -> None:
    """The rules that come with the exporter know all six."""
    assert len({rule.category for rule in error_rules.load().categories}) == 6


@pytest.mark.parametrize(
    ("message", "category"),
    [
        ("TypeError: f(): Argument #1 must be of type string, null given", "code"),
        ("Maximum execution time of 30 seconds exceeded", "performance"),
        ("Lock wait timeout exceeded; try restarting transaction", "performance"),
        ("No space left on device", "infrastructure"),
        ("SQLSTATE[HY000]: connection refused", "infrastructure"),
        ("Login attempt failed for bob", "security"),
        ("cURL error 60: SSL certificate problem", "integration"),
        ("api.example answered with status 503", "integration"),
        ("Could not read /etc/app/settings.yml", "configuration"),
        ("open(/srv/files): Permission denied", "configuration"),
    ],
)
def test_load_shipped_rules_categorise(message: str, category: str) -> None:
    """Common errors of several languages are of the category that a person would say."""
    assert error_rules.load().categorizer().of(message) == category


def test_load_own_rules_go_first(tmp_path: Path) -> None:
    """A file of one's own is asked before the shipped one, which still knows the rest."""
    own = tmp_path / "own.yml"
    own.write_text("categories: [{category: performance, contains: [no space left]}]")
    categories = error_rules.load(str(own)).categorizer()
    assert categories.of("No space left on device") == "performance"
    assert categories.of("Too many open files") == "infrastructure"


def test_load_own_rules_may_replace(tmp_path: Path) -> None:
    """With `replace` the shipped rules are gone."""
    own = tmp_path / "own.yml"
    own.write_text("{replace: true, default: security}")
    assert error_rules.load(str(own)).categorizer().of("No space left on device") == "security"
    assert not error_rules.load(str(own)).suspicious


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("categories: [{category: code, regex: '('}]", r"categories\[0\].*no regular expression"),
        ("failed_logins: [{regex: '(a+)+'}]", "could take long"),
        ("suspicious: [{kind: sql_injektion, regex: x}]", "sql_injection"),
        ("category: []", "categories"),
    ],
)
def test_load_refuses_with_the_place(tmp_path: Path, text: str, problem: str) -> None:
    """A mistake names the rule, and the nearest word that would do."""
    own = tmp_path / "own.yml"
    own.write_text(text)
    with pytest.raises(ConfigInvalid, match=problem):
        error_rules.load(str(own))
