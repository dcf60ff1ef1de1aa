from exporter.probing.attempt import Attempt, ProbeFailed, TlsFacts
from exporter.probing.blackbox_metrics import CHAIN_EXPIRY, EARLIEST_EXPIRY, families
from exporter.probing.certificates import Certificate
from tests.exporter.doubles import Shown


def certificate(subject: str, not_after: float) -> Certificate:
    """A certificate that ends then."""
    return Certificate(subject, "CN=ca", "0a", 0.0, not_after, ("a.example", "b.example"), "ff")


def test_families_of_a_chain_show_its_first_end(shown: Shown) -> None:
    """The chain ends with the first of its certificates; one that was not verified has no verified end."""
    chain = (certificate("CN=leaf", 200.0), certificate("CN=ca", 100.0))
    verified = shown(families(Attempt(0.0, tls=TlsFacts("TLS 1.3", "X", chain, verified=True))))
    loose = shown(families(Attempt(0.0, tls=TlsFacts("TLS 1.3", "X", chain, verified=False))))
    assert verified[EARLIEST_EXPIRY.name] == verified[CHAIN_EXPIRY.name] == 100
    assert (loose[EARLIEST_EXPIRY.name], loose[CHAIN_EXPIRY.name]) == (100, 0)
    assert any("CN=leaf" in series and "a.example,b.example" in series for series in verified)


def test_families_of_a_failure_before_any_address(shown: Shown) -> None:
    """A name that does not resolve has no protocol, and its reason is a label."""
    attempt = Attempt(0.0)
    attempt.enter(0.0, "resolve")
    attempt.finish(1.0, ProbeFailed("resolve", "x"))
    samples = shown(families(attempt))
    assert (samples["probe_success"], samples["probe_ip_protocol"], samples["probe_failed_step"]) == (0, 0, 1)
    assert samples['probe_failure_reason_info{reason="resolve"}'] == 1
