from pathlib import Path

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from alert_handler import config
from alert_handler.errors import ConfigInvalid, RemediationRefused
from alert_handler.playbooks import (
    Playbook,
    Verify,
    check,
    check_unique,
    condition,
    fill,
    fill_all,
    first_match,
    parse_matcher,
)
from alert_handler.plugins import build_remediations
from tests.alert_handler.doubles import LABELS, playbook

MATCHERS = [
    ('a="b"', ("a", "=", "b")),
    (' a = "b" ', ("a", "=", "b")),
    ("a=b", ("a", "=", "b")),
    ("a=", ("a", "=", "")),
    ('a=""', ("a", "=", "")),
    ('a!="b"', ("a", "!=", "b")),
    ('a=~"b.*"', ("a", "=~", "b.*")),
    ("a!~b|c", ("a", "!~", "b|c")),
    (r'a="x\"y"', ("a", "=", 'x"y')),
    (r'a="x\\y"', ("a", "=", r"x\y")),
    (r'a="x\ny"', ("a", "=", "x\ny")),
    (r'a=~"\d+\.5"', ("a", "=~", r"\d+\.5")),
    (r'a=~"x\\.y"', ("a", "=~", r"x\.y")),
    ('a="{}, =~ \'"', ("a", "=", "{}, =~ '")),
    ('_x:y="ä"', ("_x:y", "=", "ä")),
]


@pytest.mark.parametrize(("text", "parsed"), MATCHERS)
def test_matcher_is_read_as_alertmanager_writes_it(text: str, parsed: tuple[str, str, str]) -> None:
    """Operators, quotes, escapes, spaces."""
    assert parse_matcher(text) == parsed


@pytest.mark.parametrize(
    "text",
    ["", "a", "=b", '"a"="b"', "1a=b", "a=b c", 'a="b', 'a="b"c"', 'a=~"("', 'a=~"(a+)+"', "a == b", '{a="b"}', "a>1"],
)
def test_what_is_no_matcher_is_refused(text: str) -> None:
    """The message shows it and how to write one."""
    with pytest.raises(ConfigInvalid):
        parse_matcher(text)


@pytest.mark.parametrize(
    ("matcher", "labels", "expected"),
    [
        ('a="b"', {"a": "b"}, True),
        ('a="b"', {"a": "bb"}, False),
        ('a="b"', {}, False),
        ('a=""', {}, True),
        ('a!="b"', {}, True),
        ('a!="b"', {"a": "b"}, False),
        ('a=~"b.*"', {"a": "bc"}, True),
        ('a=~"b"', {"a": "abc"}, False),
        ('a=~"b|c"', {"a": "cx"}, False),
        ('a=~".*"', {}, True),
        ('a=~".+"', {}, False),
        ('a!~"b"', {"a": "bc"}, True),
        ('a!~"b.*"', {"a": "bc"}, False),
        ('a=~"b$"', {"a": "b\n"}, False),
        ('a=~".*"', {"a": "x" * 257}, False),
        ('a!~"b"', {"a": "x" * 257}, False),
    ],
)
def test_matcher_answers_as_alertmanager_does(matcher: str, labels: dict[str, str], expected: bool) -> None:  # noqa: FBT001
    """A missing label is an empty one; patterns are anchored; an over-long value matches no pattern at all."""
    assert playbook(match=(matcher,)).matches(labels) is expected


def test_all_matchers_must_match_and_the_first_entry_wins() -> None:
    """Order is precedence."""
    narrow = playbook(name="narrow", match=('alertname="DiskFull"', 'service="shop"'))
    wide = playbook(name="wide")
    assert first_match((narrow, wide), LABELS) == narrow
    assert first_match((narrow, wide), {"alertname": "DiskFull"}) == wide
    assert first_match((narrow, wide), {"alertname": "Other"}) is None


@settings(deadline=None, max_examples=200)
@given(st.text(max_size=300))
def test_any_label_value_is_matched_without_an_exception(value: str) -> None:
    """Labels are foreign bytes."""
    assert playbook(match=('a=~"x.*y"', 'a!=""')).matches({"a": value}) in (True, False)


@pytest.mark.parametrize(
    ("text", "value", "expected"),
    [
        ("< 0.8", 0.79, True),
        ("<0.8", 0.8, False),
        ("<= 8e-1", 0.8, True),
        ("> -1", 0, True),
        (">= 1", 1, True),
        ("== 1", 1, True),
        ("!= 0", 0, False),
        ("!= 0", float("nan"), False),
        ("> 0", float("inf"), True),
    ],
)
def test_condition_compares_with_a_number(text: str, value: float, expected: bool) -> None:  # noqa: FBT001
    """All six operators; NaN is healthy for none of them."""
    assert Verify(query="x", healthy=text).is_healthy(value) is expected


@pytest.mark.parametrize("text", ["", "0.8", "=< 1", "< NaN", "< ", "< 1 2", "healthy", "< 0x1"])
def test_what_is_no_condition_is_refused(text: str) -> None:
    """A number is needed, and an operator."""
    with pytest.raises(ConfigInvalid, match="no condition"):
        condition(text)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"name": ""}, "name: is empty"),
        ({"match": ()}, "match: also answers an alert without labels"),
        ({"match": ('a=~".*"',)}, "match: also answers an alert without labels"),
        ({"match": ('a!="b"',)}, "match: also answers an alert without labels"),
        ({"match": ('a="b"', "nonsense")}, r"match\[1\]: no matcher: 'nonsense'"),
        ({"verify": Verify(query=" ", healthy="< 1")}, "verify.query: is empty"),
        ({"verify": Verify(query="x", healthy="ok")}, "verify.healthy: no condition: 'ok'"),
    ],
)
def test_entry_that_cannot_work_is_refused(changes: dict[str, object], problem: str) -> None:
    """An entry that answers every alert, or verifies nothing, is a mistake at the start, not at night."""
    with pytest.raises(ConfigInvalid, match=problem):
        check(playbook(**changes))


def test_names_must_be_unique() -> None:
    """Attempts are kept by the name of their entry."""
    check_unique([playbook(name="a"), playbook(name="b")])
    with pytest.raises(ConfigInvalid, match="'a' is given twice"):
        check_unique([playbook(name="a"), playbook(name="b"), playbook(name="a")])


@pytest.mark.parametrize(
    "value", ["shop", "10.0.0.1:9100", "/var/log", "db-1.example.org", "user@host", "a_b", "0", "x" * 256, "a..b"]
)
def test_harmless_value_is_filled_in(value: str) -> None:
    """Names, addresses, mount points."""
    assert fill('x{service="{service}"} {service}', {"service": value}) == f'x{{service="{value}"}} {value}'


SHELL = [
    "$(id)",
    "`id`",
    "; id",
    "&& id",
    "| id",
    "> /tmp/x",
    "a b",
    "a;b",
    "a&b",
    "a|b",
    "${IFS}",
    "~root",
    "!!",
    "*",
    "a*",
]
SHELL += [
    "?",
    "[a]",
    "{a,b}",
    "a'b",
    'a"b',
    "a\\b",
    "#",
    "%0a",
    "a\tb",
    "-rf",
    "--help",
    "-",
    "@",
    ".",
    ":",
    "=x",
    "a=b",
]
PATHS = [
    "..",
    "../etc/passwd",
    "a/../../etc",
    "/..",
    "/../etc/shadow",
    "a/..",
    "./../x",
    "..\\windows",
    "//../..",
    "a/../b",
]
PATHS += ["/var/log/../../etc", "file:///etc/passwd?x", ".ssh", ".", "./x", "~/x", "C:\\x", "/a b", "/%2e%2e", "/a\0b"]
PROMQL = [
    'x"} or vector(1) #',
    'x",a="b',
    "x\\",
    'x"',
    "{x}",
    "}",
    "x or y",
    "x[5m]",
    "(x)",
    "x,y",
    "x#y",
    "x>0",
    "x\ny",
    "x!=y",
]
MARKUP = [
    "<script>",
    "</a>",
    "{{ 7*7 }}",
    "{% x %}",
    "javascript:alert(1)<",
    "&lt;",
    "[a](b)",
    "<!channel>",
    "a,b",
    "=1+1",
]
CONTROL = [chr(code) for code in range(33)] + [f"a{chr(code)}" for code in (*range(33), 127, 0x85, 0xA0)]
UNICODE = [
    "ä",
    "\uff53hop",
    "shop\u200b",
    "\u202eshop",
    "\u0441hop",
    "\u0663",
    "\uff11",
    "\ufeffx",
    "\u2028",
    "a\u0301",
]
UNICODE += [
    "\U0001f600",
    "\ud800",
    "\u017fhop",
    "\u212a",
    "x\u00ad",
    "\u2024\u2024/x",
    "a\u2215b",
    "\uff0e\uff0e/",
    "\u037e",
]
HEADERS = ["x\r\nHost: a", "x\r", "a\n-rf", "\nshop", "shop\n", "http://169.254.169.254/latest?a=b", "http://u:p@h/#x"]
JINJA = [
    "{service}",
    "{a}{b}",
    "${jndi:ldap://x}",
    "%s%n",
    "{0.__class__}",
    "%(x)s",
    "\\u0041",
    "#{x}",
    "<%= x %>",
    "@{x}",
]
SQL = ["' OR 1=1 --", "x'; DROP TABLE incidents;--", "1)", "*/x/*", "a--b'", "CHAR(65)"]
WINDOWS = [
    "%PATH%",
    "a^b",
    "CON ",
    "\\\\host\\share",
    "x:$DATA",
    "a\x1b[31m",
    "a\x9b31m",
    "a\x07",
    "a\u0000",
    "dir\\..\\x",
]
WINDOWS += ["!cmd", "a~1 ", "x,y;z", "@@'x", "a=1&b=2"]
LONG = ["x" * 257, "x" * 5000, ""]
HOSTILE = SHELL + PATHS + PROMQL + MARKUP + CONTROL + UNICODE + HEADERS + JINJA + SQL + WINDOWS + LONG


def test_corpus_of_hostile_values_is_large() -> None:
    """Nobody thins it out unseen."""
    assert len(set(HOSTILE)) >= 200


@pytest.mark.parametrize("value", HOSTILE, ids=[ascii(value)[:24] for value in HOSTILE])
def test_hostile_value_is_refused_and_not_repeated(value: str) -> None:
    """It is never filled in, and the refusal does not carry it on."""
    with pytest.raises(RemediationRefused) as caught:
        fill("{service}", {"service": value})
    assert len(value) < 3 or value not in str(caught.value)


@settings(deadline=None, max_examples=300)
@given(st.text(max_size=20))
def test_filled_in_value_holds_no_character_that_means_something(value: str) -> None:
    """Shell, PromQL, URL, markup and paths that climb: none of their characters passes."""
    try:
        filled = fill("{a}", {"a": value})
    except RemediationRefused:
        return
    assert filled == value
    assert not set(filled) & set("\"'`$\\;&|<>(){}[]*?!#%=,~^ \n\r\t\0")
    assert filled.isascii()
    assert ".." not in filled.split("/")
    assert not filled.startswith("-")


def test_missing_label_is_refused() -> None:
    """A target that is not named is no target."""
    with pytest.raises(RemediationRefused, match="the alert has no label 'service'"):
        fill("{service}", {"Service": "shop"})


def test_text_without_placeholder_stays() -> None:
    """Braces of PromQL are no placeholders."""
    text = 'sum by (a) (x{a="b",c=~"d.{2}"}) or y{} or z{ service }'
    assert fill(text, {}) == text


def test_placeholders_are_filled_everywhere_but_in_keys() -> None:
    """In lists and mappings of any depth; numbers stay numbers."""
    params = {"{service}": ["{service}", {"deep": ("{service}", 5, None, True)}]}
    assert fill_all(params, LABELS) == {"{service}": ["shop", {"deep": ["shop", 5, None, True]}]}


@pytest.mark.parametrize(
    "values",
    [{"cooldown_seconds": -1}, {"cooldown_seconds": float("nan")}, {"deadline_seconds": 0}, {"deadline_seconds": 1e9}],
)
def test_times_of_an_entry_are_bounded(values: dict[str, float]) -> None:
    """Neither negative nor endless nor NaN."""
    entry = {"name": "a", "match": ["a=b"], "remediation": "x", "verify": {"query": "x", "healthy": "< 1"}}
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({**entry, **values}, Playbook)


ROOT = Path(__file__).parents[2]
RULES = [
    rule
    for file in sorted((ROOT / "prometheus" / "rules").glob("*.rules.yml"))
    for group in yaml.safe_load(file.read_text())["groups"]
    for rule in group["rules"]
    if "alert" in rule
]


@pytest.fixture(scope="module")
def shipped() -> config.Config:
    """The configuration without any file: the shipped playbooks."""
    return config.load(None)


def test_shipped_playbooks_fit_their_remediations(shipped: config.Config) -> None:
    """Every one can be built."""
    assert shipped.playbooks
    assert build_remediations(shipped)


@pytest.mark.parametrize("rule", RULES, ids=[rule["alert"] for rule in RULES])
def test_shipped_playbooks_answer_exactly_the_alerts_with_an_action(
    shipped: config.Config, rule: dict[str, object]
) -> None:
    """A rule's label `action` names the remediation; an alert without it is left to people."""
    labels = {
        "alertname": rule["alert"],
        "service": "shop",
        "instance": "127.0.0.1:19100",
        "mountpoint": "/",
        **rule["labels"],
    }  # type: ignore[dict-item]
    found = first_match(shipped.playbooks, labels)
    assert (found.remediation if found else None) == labels.get("action")


@pytest.mark.parametrize("name", ["cleanup", "restart"])
def test_shipped_playbooks_cover_every_remediation_of_the_issue(shipped: config.Config, name: str) -> None:
    """Each kind that is shipped is used."""
    assert any(entry.remediation == name for entry in shipped.playbooks)
