from pathlib import Path

import pytest

from chassis.config_file import ConfigInvalid
from chassis.web_config import RateLimit, WebConfig, load

HASH = "$2b$04$abcdefghijklmnopqrstuu1ZJqMG2nJ0bYk3nPHhc1sQyTrTgZ9hS"
WHOLE = f"""
tls_server_config:
  cert_file: server.crt
  key_file: /etc/keys/server.key
  client_auth_type: RequireAndVerifyClientCert
  client_ca_file: ca.crt
  client_allowed_sans: [prometheus.example]
  min_version: TLS13
  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256]
  curve_preferences: [X25519]
http_server_config:
  http2: false
  headers: {{X-Frame-Options: deny}}
basic_auth_users: {{prometheus: {HASH}}}
rate_limit: {{interval: 100ms, burst: 20}}
"""


def loaded(tmp_path: Path, text: str) -> WebConfig:
    """The configuration of a file with this text."""
    file = tmp_path / "web.yml"
    file.write_text(text)
    return load(file)


def test_load_takes_the_whole_format(tmp_path: Path) -> None:
    """Every key that exporter-toolkit documents is known; relative files lie beside the configuration."""
    tls = loaded(tmp_path, WHOLE).tls_server_config
    assert tls is not None
    assert (tls.cert_file, tls.key_file) == (str(tmp_path / "server.crt"), "/etc/keys/server.key")


def test_load_empty_is_plain_http(tmp_path: Path) -> None:
    """An empty file asks for nothing."""
    assert loaded(tmp_path, "") == WebConfig()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tls_server_confg: {}", 'did you mean "tls_server_config"'),
        ("tls_server_config: {cert_file: a}", "cert_file and key_file are both needed"),
        ("tls_server_config: {cert_file: a, key_file: b, min_version: TLS10}", '"TLS10" is not known'),
        ("tls_server_config: {cert_file: a, key_file: b, min_version: TLS13, max_version: TLS12}", "above max_version"),
        ("tls_server_config: {cert_file: a, key_file: b, client_auth_type: RequestClientCert}", "that nobody checks"),
        ("tls_server_config: {cert_file: a, key_file: b, client_ca_file: c}", "go together"),
        ("tls_server_config: {cert_file: a, key_file: b, client_auth_type: VerifyClientCertIfGiven}", "go together"),
        ("tls_server_config: {cert_file: a, key_file: b, client_allowed_sans: [x]}", "needs client_auth_type"),
        ("tls_server_config: {cert_file: a, key_file: b, cipher_suites: [RC4]}", '"RC4" is not known'),
        ("tls_server_config: {cert_file: a, key_file: b, curve_preferences: [X25519, CurveP256]}", "name one curve"),
        ("http_server_config: {headers: {X-Frame-Option: deny}}", 'did you mean "X-Frame-Options"'),
        ('http_server_config: {headers: {X-Frame-Options: "a\\r\\nSet-Cookie: b"}}', "no header may have"),
        ("basic_auth_users: {a: secret}", "is no bcrypt hash; make one with: htpasswd -nBC 10 a"),
        (f'basic_auth_users: {{"a:b": "{HASH}"}}', "is no name"),
        (f"basic_auth_users: {{a: {HASH.replace('$04$', '$31$')}}}", "has cost 31"),
        ("rate_limit: {interval: soon}", "write a duration such as 100ms"),
        ("rate_limit: {interval: 1s, burst: 0}", "write 1 or more"),
    ],
)
def test_load_refuses_and_says_what_to_write(tmp_path: Path, text: str, message: str) -> None:
    """Nothing that was asked for is silently left out."""
    with pytest.raises(ConfigInvalid, match=r"web\.yml") as caught:
        loaded(tmp_path, text)
    assert message in str(caught.value)


@pytest.mark.parametrize(("interval", "seconds"), [("0", 0), ("0s", 0), ("250ms", 0.25), ("1.5s", 1.5), ("2m", 120)])
def test_rate_limit_reads_durations(interval: str, seconds: float) -> None:
    """Go's durations, in seconds."""
    assert RateLimit(interval).seconds == seconds
