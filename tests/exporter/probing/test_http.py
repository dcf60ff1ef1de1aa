import gzip
import socket

import pytest

from exporter.probing.asking import families
from exporter.probing.attempt import Attempt
from exporter.probing.http import HttpFacts
from exporter.probing.http_options import BasicAuth, HttpOptions
from exporter.probing.modules import Module
from exporter.probing.tls import TlsConfig
from tests.exporter.doubles import Shown
from tests.exporter.probing.talkers import TLS, free_port, probe, talking

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
TRUSTING = TlsConfig(ca_file=str(TLS / "localhost.pem"))


def ask(target: str, seconds: float = 5.0, **options: object) -> Attempt:
    """One HTTP probe with these options."""
    return probe(Module("http", http=HttpOptions(**options)), target, seconds)  # type: ignore[arg-type]


def facts(attempt: Attempt) -> HttpFacts:
    """What the prober found."""
    assert isinstance(attempt.facts, HttpFacts)
    return attempt.facts


def redirect(location: str, status: int = 302) -> bytes:
    """A response that leads to *location*."""
    return f"HTTP/1.1 {status} Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()


def test_plan_success_times_every_phase() -> None:
    """A good answer succeeds, and the phases sum up to less than the whole."""
    with talking(OK) as server:
        attempt = ask(server.url)
    assert attempt.ok, attempt.detail
    assert list(attempt.phases) == ["resolve", "connect", "processing", "transfer"]
    assert 0 < sum(attempt.phases.values()) <= attempt.duration


def test_plan_request_is_complete_and_closes() -> None:
    """What is sent is one HTTP/1.1 request that asks for the connection's end."""
    with talking(OK) as server:
        ask(f"{server.url}a/b?c=d", headers={"X-One": "1"})
    lines = server.received[0].decode().split("\r\n")
    assert lines[0] == "GET /a/b?c=d HTTP/1.1"
    assert {f"Host: 127.0.0.1:{server.port}", "X-One: 1", "Connection: close"} <= set(lines)


def test_plan_refused_connection_has_its_reason() -> None:
    """Nobody listening is `refused`, at the second step."""
    attempt = ask(f"http://127.0.0.1:{free_port()}/")
    assert (attempt.reason, attempt.step, attempt.step_name) == ("refused", 2, "connect")


def test_plan_silent_server_times_out_where_it_waits() -> None:
    """A server that says nothing is a `timeout` in `processing`, and that phase has the time."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        attempt = ask(f"http://127.0.0.1:{silent.getsockname()[1]}/", seconds=0.1)
    assert (attempt.reason, attempt.step_name) == ("timeout", "processing")
    assert attempt.phases["processing"] > 0.05


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"valid_status_codes": (204,)}, "status"),
        ({"valid_http_versions": ("HTTP/2.0",)}, "version"),
        ({"fail_if_not_ssl": True}, "ssl"),
        ({"fail_if_body_matches_regexp": ("o.",)}, "body"),
        ({"fail_if_body_not_matches_regexp": ("missing",)}, "body"),
        ({"body_size_limit": 1}, "too_large"),
    ],
)
def test_plan_broken_rule_has_its_reason(options: dict[str, object], reason: str) -> None:
    """Each rule fails for a reason of its own."""
    with talking(OK) as server:
        attempt = ask(server.url, **options)
    assert attempt.reason == reason
    assert attempt.by_pattern == (reason == "body")


def test_plan_malformed_response_is_protocol() -> None:
    """What is not HTTP fails as `protocol`, with its beginning kept."""
    with talking(b"SSH-2.0-OpenSSH\r\n") as server:
        attempt = ask(server.url)
    assert attempt.reason == "protocol"
    assert attempt.snippet.startswith(b"SSH-2.0")


def test_plan_server_that_speaks_first_is_heard() -> None:
    """Bytes that come with the connection are not waited for a second time."""

    def greet(connection: socket.socket) -> None:
        connection.sendall(b"220 mail.example ESMTP\r\n")
        connection.recv(1000)

    with talking(greet) as server:
        assert ask(server.url, seconds=3).reason == "protocol"


def test_plan_connection_without_response_is_protocol_or_reset() -> None:
    """A connection that ends before the response is told as such, not as a timeout."""
    with talking(b"") as server:
        assert ask(server.url).reason in ("protocol", "reset")


def test_plan_redirect_is_followed_within_its_bound() -> None:
    """A redirect is followed and counted; one too many fails."""
    with talking(redirect("/next"), OK) as server:
        attempt = ask(server.url)
        assert (attempt.ok, facts(attempt).redirects) == (True, 1)
        assert server.received[1].startswith(b"GET /next ")
    with talking(redirect("/again")) as server:
        attempt = ask(server.url, max_redirects=3)
    assert (attempt.reason, len(server.received)) == ("redirect", 4)


def test_plan_redirect_is_not_followed_when_told_so() -> None:
    """Without following, the redirect itself is the response."""
    with talking(redirect("/next"), OK) as server:
        attempt = ask(server.url, follow_redirects=False, valid_status_codes=(302,))
    assert attempt.ok
    assert len(server.received) == 1


def test_plan_credentials_stay_with_their_host() -> None:
    """Neither Authorization nor own headers nor the body reach another host; harmless ones do."""
    with talking(OK) as other, talking(redirect(f"http://127.0.0.1:{other.port}/", 307)) as first:
        ask(
            first.url,
            method="POST",
            body="secret-body",
            basic_auth=BasicAuth("u", "pass"),
            headers={"X-Api-Key": "key-1", "Accept-Language": "de"},
        )
    sent, leaked = first.received[0], other.received[0]
    assert b"Authorization: Basic dTpwYXNz" in sent
    assert b"key-1" in sent
    assert b"secret-body" in sent
    assert not any(word in leaked for word in (b"Authorization", b"key-1", b"secret-body"))
    assert b"Accept-Language: de" in leaked


@pytest.mark.parametrize("location", ["ftp://other.example/", "http://", "javascript:alert(1)", "http://a b/"])
def test_plan_redirect_to_no_url_fails(location: str) -> None:
    """A Location that is no http or https URL is not gone to."""
    with talking(redirect(location)) as server:
        assert ask(server.url).reason == "redirect"


def test_plan_gzip_bomb_is_bounded() -> None:
    """A body that unpacks to more than its limit fails as `too_large`."""
    packed = gzip.compress(bytes(50_000_000))
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(packed)}\r\n\r\n".encode()
    with talking(head + packed) as server:
        attempt = ask(server.url, compression="gzip", body_size_limit="1MB")
    assert attempt.reason == "too_large"
    assert facts(attempt).response.decoded < 2_000_000  # type: ignore[union-attr]


def test_plan_tls_verifies_the_certificate() -> None:
    """A trusted certificate passes with its facts; an unknown one fails as `tls`."""
    with talking(OK, tls=True) as server:
        url = f"https://localhost:{server.port}/"
        good = ask(url, tls_config=TRUSTING, preferred_ip_protocol="ip4")
        unknown = ask(url, preferred_ip_protocol="ip4")
    assert good.ok, good.detail
    assert good.tls is not None
    assert good.tls.version == "TLS 1.3"
    assert good.tls.chain[0].subject == "CN=localhost,O=Nightshift tests"
    assert (unknown.reason, unknown.step_name) == ("tls", "tls")


def test_plan_tls_for_another_name_fails() -> None:
    """A certificate for another name is not taken, unless nothing is verified."""
    other = TlsConfig(ca_file=str(TLS / "localhost.pem"), server_name="bank.example")
    with talking(OK, tls=True) as server:
        url = f"https://127.0.0.1:{server.port}/"
        assert ask(url, tls_config=other).reason == "tls"
        assert ask(url, tls_config=TlsConfig(insecure_skip_verify=True)).ok


def test_plan_host_header_is_the_name_to_prove() -> None:
    """As with blackbox_exporter: who asks an address for a virtual host wants that host's certificate."""
    with talking(OK, tls=True) as server:
        url = f"https://127.0.0.1:{server.port}/"
        assert ask(url, tls_config=TRUSTING, headers={"Host": "localhost:8443"}).ok
        assert ask(url, tls_config=TRUSTING, headers={"host": "bank.example"}).reason == "tls"


def test_plan_server_name_is_not_asked_of_another_host() -> None:
    """The name in tls_config belongs to the target; where a redirect leads, the URL's own counts."""
    named = TlsConfig(ca_file=str(TLS / "localhost.pem"), server_name="bank.example")
    with talking(OK, tls=True) as other, talking(redirect(f"https://127.0.0.1:{other.port}/")) as first:
        assert ask(first.url, tls_config=named).ok


def test_plan_plain_server_asked_for_tls_fails_as_tls() -> None:
    """A server that speaks no TLS fails in the handshake."""
    with talking(OK) as server:
        assert ask(f"https://127.0.0.1:{server.port}/").reason == "tls"


def test_plan_secret_file_that_others_may_read_is_not_used() -> None:
    """A token file open to everybody fails as `secret`, before anything is sent."""
    token = TLS / "localhost.pem"
    with talking(OK) as server:
        attempt = ask(server.url, bearer_token_file=str(token))
    assert (attempt.reason, server.received) == ("secret", [])


def test_families_have_the_names_of_blackbox_exporter(shown: Shown) -> None:
    """The metrics of /probe are those that existing boards ask for."""
    with talking(OK, tls=True) as server:
        module = Module("http", http=HttpOptions(tls_config=TRUSTING))
        attempt = probe(module, f"https://127.0.0.1:{server.port}/")
    samples = shown(families(module, attempt))
    assert samples["probe_success"] == 1
    assert samples["probe_http_status_code"] == 200
    assert samples['probe_http_duration_seconds{phase="tls"}'] > 0
    assert samples["probe_ssl_earliest_cert_expiry"] > 4e9
    assert samples["probe_http_uncompressed_body_length"] == 2


def test_families_of_a_failure_name_its_reason(shown: Shown) -> None:
    """A failed probe says why, and still has every other metric."""
    module = Module("http")
    samples = shown(families(module, probe(module, f"http://127.0.0.1:{free_port()}/")))
    assert samples['probe_failure_reason_info{reason="refused"}'] == 1
    assert (samples["probe_success"], samples["probe_http_status_code"], samples["probe_failed_step"]) == (0, 0, 2)
