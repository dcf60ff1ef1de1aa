import pytest
import urllib3

from alert_handler.channel_http import HttpChannel, HttpOptions, origin_of
from alert_handler.errors import DeliveryRejected, DeliveryUnavailable
from tests.alert_handler.peers import http_peer


def test_origin_hides_credentials_path_and_query() -> None:
    """Only scheme, host and port may be shown."""
    assert origin_of("https://me:pw@host.example:8443/secret?token=x") == "https://host.example:8443"


def test_post_goes_through_a_configured_proxy() -> None:
    """A proxy gets the whole address, as proxies do."""
    with http_peer() as proxy:
        HttpChannel(HttpOptions(proxy_url=f"http://{proxy.address}")).post("http://chat.example/x", b"{}", {})
        assert proxy.got[0].path == "http://chat.example/x"


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_post_any_success_is_enough(status: int) -> None:
    """2xx is success."""
    with http_peer() as peer:
        peer.status, peer.answer = status, b""
        HttpChannel(HttpOptions()).post(f"http://{peer.address}/", b"{}", {})
        assert len(peer.got) == 1


def test_post_quotes_the_answer_shortly() -> None:
    """The server's own words help, but not a page of them."""
    with http_peer() as peer:
        peer.status, peer.answer = 404, b"no_service " * 1000
        with pytest.raises(DeliveryRejected) as caught:
            HttpChannel(HttpOptions()).post(f"http://{peer.address}/", b"{}", {})
    assert "HTTP 404: no_service no_service" in str(caught.value)
    assert len(str(caught.value)) < 300


def test_post_unusable_header_is_rejected() -> None:
    """A token with a line end in it can never be sent."""
    with pytest.raises(DeliveryRejected, match=r"cannot be asked \(ValueError\)"):
        HttpChannel(HttpOptions()).post("http://127.0.0.1:9/", b"{}", {"Authorization": "Bearer a\nb"})


def test_post_to_a_server_without_tls_is_unavailable() -> None:
    """A TLS failure is told as one."""
    with http_peer() as peer, pytest.raises(DeliveryUnavailable, match="TLS failed"):
        HttpChannel(HttpOptions(timeout_seconds=2)).post(f"https://{peer.address}/", b"{}", {})


def test_what_without_system_error_names_the_kind() -> None:
    """An error without a system's reason is told by its kind."""
    assert HttpChannel(HttpOptions())._what(urllib3.exceptions.ProtocolError("x")) == (
        "no usable answer (ProtocolError)"
    )
