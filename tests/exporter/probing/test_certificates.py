import ssl

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.probing.certificates import CertificateUnreadable, read
from tests.exporter.probing.talkers import TLS

DER = ssl.PEM_cert_to_DER_cert((TLS / "localhost.pem").read_text())


def test_read_agrees_with_the_standard_library() -> None:
    """Names, serial number and times are those that OpenSSL reads."""
    ours = read(DER)
    theirs = ssl._ssl._test_decode_cert(str(TLS / "localhost.pem"))  # type: ignore[attr-defined]
    assert ours.not_after == ssl.cert_time_to_seconds(theirs["notAfter"])
    assert ours.not_before == ssl.cert_time_to_seconds(theirs["notBefore"])
    assert ours.serial.lstrip("0").upper() == theirs["serialNumber"].lstrip("0")
    assert ours.names == tuple(name for kind, name in theirs["subjectAltName"] if kind == "DNS")


def test_read_names_subject_and_fingerprint() -> None:
    """The subject begins with its most special part; the fingerprint is SHA-256 of the whole."""
    ours = read(DER)
    assert ours.subject == ours.issuer == "CN=localhost,O=Nightshift tests"
    assert len(ours.fingerprint) == 64


@pytest.mark.parametrize("cut", [0, 1, 5, 40, 100, len(DER) - 1])
def test_read_refuses_what_is_cut_off(cut: int) -> None:
    """A part of a certificate is none."""
    with pytest.raises(CertificateUnreadable):
        read(DER[:cut])


@settings(deadline=None, max_examples=500)
@given(st.integers(0, len(DER) - 1), st.binary(min_size=1, max_size=4))
def test_read_of_damaged_bytes_reads_or_refuses(at: int, noise: bytes) -> None:
    """Whatever a server sends as a certificate raises nothing else."""
    try:
        found = read.__wrapped__(DER[:at] + noise + DER[at + len(noise) :])
    except CertificateUnreadable:
        return
    assert found.fingerprint
