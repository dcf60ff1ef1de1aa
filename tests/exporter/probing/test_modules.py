from pathlib import Path

import msgspec
import pytest

from exporter.probing.http_options import BasicAuth, HttpOptions
from exporter.probing.modules import DEFAULTS, PHASES, PROBERS, Module
from exporter.probing.tcp import TcpOptions
from exporter.probing.tls import TlsConfig

GOOD = {"http": "http://shop.example/", "tcp": "shop.example:80", "dns": "192.0.2.1", "icmp": "shop.example"}


@pytest.mark.parametrize("name", sorted(DEFAULTS))
def test_default_module_plans_its_targets(name: str) -> None:
    """Every built-in module takes a target of its prober."""
    module = DEFAULTS[name]
    assert callable(module.plan(GOOD[module.prober]))


@pytest.mark.parametrize("name", sorted(PROBERS))
def test_prober_refuses_an_empty_target(name: str) -> None:
    """Nothing is no target; the phases of each prober are known phases."""
    with pytest.raises(ValueError, match=r"."):
        Module(name).plan("")  # type: ignore[arg-type]
    assert set(PROBERS[name].phases) <= set(PHASES)


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({}, "prober"),
        ({"prober": "htp"}, "Invalid enum value"),
        ({"prober": "http", "timeout": "soon"}, "no duration"),
        ({"prober": "http", "timeout": -1}, "0 to 3600"),
        ({"prober": "http", "htpp": {}}, "unknown field"),
        ({"prober": "tcp", "tcp": {"query_response": [{}]}}, "at least one"),
    ],
)
def test_module_refuses_what_cannot_be_meant(section: dict[str, object], message: str) -> None:
    """A mistake in a module is found when the configuration is read."""
    with pytest.raises(msgspec.ValidationError, match=message):
        msgspec.convert(section, Module)


def test_module_of_blackbox_exporter_is_understood() -> None:
    """A module as its example configuration has it."""
    text = {
        "prober": "http",
        "timeout": "5s",
        "http": {
            "valid_http_versions": ["HTTP/1.1", "HTTP/2.0"],
            "method": "GET",
            "headers": {"Host": "vhost.example.com", "Accept-Language": "en-US"},
            "follow_redirects": True,
            "fail_if_ssl": False,
            "fail_if_header_not_matches": [{"header": "Access-Control-Allow-Origin", "regexp": "(\\*|example\\.com)"}],
            "tls_config": {"insecure_skip_verify": False},
            "preferred_ip_protocol": "ip4",
            "ip_protocol_fallback": False,
        },
    }
    assert msgspec.convert(text, Module).http.headers["Host"] == "vhost.example.com"


def test_secrets_are_what_may_not_be_shown(tmp_path: Path) -> None:
    """Passwords, tokens, bodies and headers that may be credentials; not Host and Accept."""
    options = HttpOptions(headers={"X-Key": "k", "Host": "h", "Accept": "a"}, basic_auth=BasicAuth("u", "p"))
    assert [one for one in Module("http", http=options).secrets() if one] == ["k", "p", "dTpw"]
    token = tmp_path / "token"
    token.write_text("from-a-file\n")
    token.chmod(0o600)
    kept = HttpOptions(basic_auth=BasicAuth("u", password_file=str(token)), body="pass=word")
    assert {"from-a-file", "dTpmcm9tLWEtZmlsZQ==", "pass=word"} <= set(Module("http", http=kept).secrets())
    assert "from-a-file" in Module("http", http=HttpOptions(bearer_token_file=str(token))).secrets()


def test_asked_as_sets_host_and_server_name() -> None:
    """As blackbox_exporter's `hostname`: the Host header of HTTP, the name in TLS of TCP, nothing elsewhere."""
    assert Module("http").asked_as("shop.example").http.headers == {"Host": "shop.example"}
    assert Module("tcp").asked_as("shop.example").tcp.tls_config.server_name == "shop.example"
    assert Module("icmp").asked_as("shop.example") == Module("icmp")
    named = Module("tcp", tcp=TcpOptions(tls_config=TlsConfig(server_name="a.example")))
    assert named.asked_as("shop.example") is named


@pytest.mark.parametrize("hostname", ["other.example", "a\r\nX: y", "\0"])
def test_asked_as_refuses_what_the_module_contradicts(hostname: str) -> None:
    """A module with a Host header asks for that one, and nobody adds headers through a query."""
    module = Module("http", http=HttpOptions(headers={"host": "shop.example"}))
    with pytest.raises(ValueError, match="hostname"):
        module.asked_as(hostname)
    assert module.asked_as("shop.example").http.headers == {"Host": "shop.example"}


def test_shown_has_only_what_differs() -> None:
    """The defaults are in the reference."""
    shown = Module("http", timeout=5, http=HttpOptions(method="HEAD")).shown()
    assert shown == {"prober": "http", "timeout": 5, "http": {"method": "HEAD"}}
