import os
import ssl
import subprocess
from pathlib import Path

import msgspec
import pytest

from exporter.walks.message import StepFailed
from exporter.walks.tls import TlsContexts, TlsRule


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    """A certificate of an authority."""
    path = tmp_path / "ca.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 2 -subj /CN=ca"
    subprocess.run(
        [*command.split(), "-keyout", str(tmp_path / "key"), "-out", str(path)], check=True, capture_output=True
    )
    return path


def test_get_is_made_once(authority: Path) -> None:
    """A context takes time and memory: one serves all."""
    contexts = TlsContexts()
    rule = TlsRule(ca_file=str(authority))
    assert contexts.get(rule) is contexts.get(TlsRule(ca_file=str(authority)))
    assert contexts.get(rule) is not contexts.get(TlsRule(ca_file=str(authority), insecure_skip_verify=True))


def test_get_renewed_file_is_read_again(authority: Path) -> None:
    """A certificate that was renewed is used without a restart."""
    contexts = TlsContexts()
    rule = TlsRule(ca_file=str(authority))
    before = contexts.get(rule)
    os.utime(authority, (1, 1))
    assert contexts.get(rule) is not before


def test_get_trusts_whom_it_should(authority: Path) -> None:
    """Without the flag certificates and names are checked; with it neither is."""
    contexts = TlsContexts()
    checked = contexts.get(TlsRule(ca_file=str(authority)))
    unchecked = contexts.get(TlsRule(insecure_skip_verify=True))
    assert (checked.verify_mode, checked.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert (unchecked.verify_mode, unchecked.check_hostname) == (ssl.CERT_NONE, False)
    assert checked.minimum_version >= ssl.TLSVersion.TLSv1_2


def test_get_file_without_a_certificate_is_named(tmp_path: Path) -> None:
    """A file that holds something else fails the step with its name."""
    path = tmp_path / "wrong.pem"
    path.write_text("no certificate")
    with pytest.raises(StepFailed, match=str(path)) as caught:
        TlsContexts().get(TlsRule(cert_file=str(path)))
    assert caught.value.reason == "tls"


def test_rule_key_needs_its_certificate() -> None:
    """A key alone proves nothing."""
    with pytest.raises(msgspec.ValidationError, match="without cert_file"):
        msgspec.convert({"key_file": "x"}, TlsRule)
