import ssl
from pathlib import Path

import pytest
import trustme

from chassis.config_file import ConfigInvalid
from chassis.tls import names_of, server_tls
from chassis.web_config import TlsServerConfig


@pytest.fixture
def pair(tmp_path: Path) -> TlsServerConfig:
    """A certificate and its key."""
    issued = trustme.CA().issue_cert("localhost")
    issued.private_key_pem.write_to_path(tmp_path / "key")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "crt")
    return TlsServerConfig(cert_file=str(tmp_path / "crt"), key_file=str(tmp_path / "key"))


def test_server_tls_is_at_least_1_2(pair: TlsServerConfig) -> None:
    """Nothing older is spoken."""
    assert server_tls(pair).context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_server_tls_takes_suites_and_curve(pair: TlsServerConfig) -> None:
    """Go's names mean OpenSSL's suites."""
    wanted = {"cipher_suites": ("TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",), "curve_preferences": ("CurveP256",)}
    context = server_tls(TlsServerConfig(cert_file=pair.cert_file, key_file=pair.key_file, **wanted)).context  # type: ignore[arg-type]
    offered = [cipher["name"] for cipher in context.get_ciphers() if cipher["protocol"] != "TLSv1.3"]
    assert offered == ["ECDHE-ECDSA-AES256-GCM-SHA384"]


def test_server_tls_names_the_files_that_cannot_be_used(pair: TlsServerConfig, tmp_path: Path) -> None:
    """A missing key, a key of another certificate, a key with a password."""
    other = trustme.CA().issue_cert("localhost")
    other.private_key_pem.write_to_path(tmp_path / "other")
    (tmp_path / "locked").write_text(
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMA==\n-----END ENCRYPTED PRIVATE KEY-----\n"
    )
    for name in ("none", "other", "locked"):
        with pytest.raises(ConfigInvalid, match=f"{name}: "):
            server_tls(TlsServerConfig(cert_file=pair.cert_file, key_file=str(tmp_path / name)))


def test_server_tls_names_a_client_ca_that_is_none(pair: TlsServerConfig, tmp_path: Path) -> None:
    """An empty file is no authority."""
    (tmp_path / "ca").touch()
    wanted = {"client_ca_file": str(tmp_path / "ca"), "client_auth_type": "RequireAndVerifyClientCert"}
    with pytest.raises(ConfigInvalid, match="client_ca_file"):
        server_tls(TlsServerConfig(cert_file=pair.cert_file, key_file=pair.key_file, **wanted))  # type: ignore[arg-type]


def test_names_of_are_all_alternative_names() -> None:
    """Whatever kind they are; no certificate has none."""
    assert list(names_of({"subjectAltName": (("DNS", "a"), ("IP Address", "::1"))})) == ["a", "::1"]
    assert list(names_of(None)) == []
