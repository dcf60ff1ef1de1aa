import pytest

from chassis.config_file import ConfigInvalid, decode
from exporter.probing.http_options import BasicAuth, HttpOptions


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"headers": {"A": "x\ny"}}, "cannot be sent"),
        ({"fail_if_body_matches_regexp": ["("]}, "no regular expression"),
        ({"fail_if_body_matches_regexp": ["(a+)+$"]}, "for ever"),
        ({"fail_if_header_matches": [{"header": "a", "regexp": "["}]}, "no regular expression"),
        ({"body_size_limit": "many"}, "no size"),
        ({"body_size_limit": 0}, "1 or more"),
        ({"max_redirects": -1}, "max_redirects: is -1; write 0 to 100"),
        ({"bearer_token": "a", "bearer_token_file": "b"}, "give one of"),
        ({"body": "a", "body_file": "b"}, "not both"),
        ({"basic_auth": {"password": "a", "password_file": "b"}}, "not both"),
        ({"tls_config": {"key_file": "k"}}, "needs a cert_file"),
        ({"preferred_ip_protocol": "ip5"}, "invalid enum value"),
    ],
)
def test_options_refuse_what_cannot_be_meant(options: dict[str, object], message: str) -> None:
    """Every mistake is found when the configuration is read."""
    with pytest.raises(ConfigInvalid, match=message):
        decode(options, HttpOptions, "exporter.yml")


def test_basic_auth_header_has_the_password() -> None:
    """User name and password go into one header."""
    assert BasicAuth("u", "p").header() == "Basic dTpw"
