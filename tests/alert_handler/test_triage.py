import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alert_handler.metrics import Metrics
from alert_handler.model import Category, Diagnosis, Severity
from alert_handler.triage import SEVERITY_WORDS, TriageStage, category_of, judge, severity_of
from tests.alert_handler.doubles import attempt, case, decision, incident, verdict


@pytest.mark.parametrize(("word", "severity"), SEVERITY_WORDS.items())
def test_words_of_other_rule_sets_are_mapped(word: str, severity: Severity) -> None:
    """Every word, in any spelling of case and space."""
    assert severity_of({"severity": f" {word.upper()} "})[0] is severity


@pytest.mark.parametrize(
    ("labels", "severity"),
    [
        ({}, Severity.MEDIUM),
        ({"severity": "catastrophic"}, Severity.MEDIUM),
        ({"severity": "", "priority": "P1"}, Severity.CRITICAL),
        ({"severity": "unknown word", "level": "error"}, Severity.HIGH),
        ({"severity": "low", "priority": "p1"}, Severity.LOW),
    ],
)
def test_severity_is_taken_from_the_first_label_with_a_known_word(labels: dict[str, str], severity: Severity) -> None:
    """severity, then priority, then level; an unknown word is medium, never the end of the triage."""
    assert severity_of(labels)[0] is severity


@pytest.mark.parametrize("category", list(Category))
def test_category_label_counts_before_all_words(category: Category) -> None:
    """What the rule says is not guessed over."""
    told = incident({"alertname": "TlsCertificateError", "category": f" {category.upper()}"})
    assert category_of(told)[0] is category


@pytest.mark.parametrize(
    ("alertname", "summary", "category"),
    [
        ("LoginFailures", "", Category.SECURITY),
        ("ConfigReloadFailed", "", Category.CONFIGURATION),
        ("WebhookErrors", "", Category.INTEGRATION),
        ("LatencyHigh", "", Category.PERFORMANCE),
        ("Http5xx", "", Category.CODE),
        ("DiskFull", "requests are slow", Category.PERFORMANCE),
        ("DiskFull", "", Category.INFRASTRUCTURE),
    ],
)
def test_category_is_guessed_from_the_words_of_the_alert(alertname: str, summary: str, category: Category) -> None:
    """The more telling word wins, and nothing is without a category."""
    labels = {"alertname": alertname, "category": "made up"}
    assert category_of(incident(labels, annotations={"summary": summary}))[0] is category


@pytest.mark.parametrize(
    ("labels", "service"), [({"service": "shop", "job": "x"}, "shop"), ({"job": "node"}, "node"), ({}, "")]
)
def test_service_is_the_label_or_else_the_job(labels: dict[str, str], service: str) -> None:
    """Whose it is, as far as the labels tell."""
    assert judge(incident({"alertname": "A", **labels})).service == service


def test_new_episode_puts_away_what_the_last_one_found(metrics: Metrics) -> None:
    """Findings go, the attempt stays: numbers go on, and nothing runs twice under one number."""
    before = case(diagnosis=Diagnosis(), decision=decision(), verdict=verdict(), lesson="x", attempt=attempt(number=3))
    after = TriageStage(metrics)(before)
    assert (after.diagnosis, after.decision, after.verification, after.verdict, after.lesson) == (None,) * 4 + ("",)
    assert after.attempt == attempt(number=3)


def test_triage_is_counted_by_severity_and_category(metrics: Metrics) -> None:
    """One more incident of its kind."""
    TriageStage(metrics)(case())
    labels = {"severity": "critical", "category": "infrastructure"}
    assert metrics.registry.get_sample_value("nightshift_incidents_opened_total", labels) == 1


@settings(deadline=None, max_examples=200)
@given(st.dictionaries(st.sampled_from(["alertname", "severity", "category", "service", "priority"]), st.text()))
def test_hostile_labels_give_fixed_words_only(labels: dict[str, str]) -> None:
    """Whatever the labels hold: a severity and a category of the fixed sets, so that metrics stay bounded."""
    triage = judge(incident(labels, annotations={"summary": labels.get("service", "")}))
    assert (triage.severity in Severity, triage.category in Category) == (True, True)
