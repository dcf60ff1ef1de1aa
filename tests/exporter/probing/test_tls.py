import shutil
import ssl
from pathlib import Path

import pytest

from exporter.probing.attempt import ProbeFailed
from exporter.probing.tls import TlsConfig, context
from tests.exporter.probing.talkers import TLS


def test_context_verifies_by_default() -> None:
    """Names and chains are verified, and old versions are not spoken, unless told otherwise."""
    strict = context(TlsConfig())
    assert (strict.verify_mode, strict.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert strict.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context(TlsConfig(insecure_skip_verify=True)).verify_mode == ssl.CERT_NONE


def test_context_is_kept_until_a_file_changes(tmp_path: Path) -> None:
    """Loading authorities is slow, so it is done once; a renewed file counts at once."""
    authority = tmp_path / "ca.pem"
    shutil.copy(TLS / "localhost.pem", authority)
    config = TlsConfig(ca_file=str(authority))
    first = context(config)
    assert context(config) is first
    authority.write_text(authority.read_text() + "\n")
    assert context(config) is not first


def test_context_with_an_unusable_file_fails_as_secret(tmp_path: Path) -> None:
    """A missing or broken file fails the probe and names the section."""
    (tmp_path / "empty.pem").touch()
    for name in ("missing.pem", "empty.pem"):
        with pytest.raises(ProbeFailed, match="tls_config") as failed:
            context(TlsConfig(ca_file=str(tmp_path / name)))
        assert failed.value.reason == "secret"
