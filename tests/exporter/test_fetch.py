import socket

import pytest

from exporter.errors import SourceMalformed, SourceUnavailable
from exporter.sources import fetch
from exporter.sources.fetch import Fetcher, check_url
from tests.exporter.doubles import Site


@pytest.fixture
def fetcher() -> Fetcher:
    """A fetcher that waits at most 0.2 s."""
    return Fetcher(0.2)


def test_get_answers_status_body_and_time(fetcher: Fetcher, site: Site) -> None:
    """A GET gives what the server said, whatever the status."""
    site.answers["/x"] = (503, b"busy")
    response = fetcher.get(f"{site.url}/x")
    assert (response.status, response.body) == (503, b"busy")
    assert response.seconds > 0


def test_get_follows_no_redirect(fetcher: Fetcher, site: Site) -> None:
    """A redirect is an answer like another: nobody sends us elsewhere."""
    site.answers["/x"] = (302, b"")
    site.headers["Location"] = "/elsewhere"
    assert fetcher.get(f"{site.url}/x").status == 302
    assert site.asked == ["/x"]


def test_get_refused_says_so(fetcher: Fetcher) -> None:
    """A closed port is refused."""
    with pytest.raises(SourceUnavailable, match=r"(?i)refused") as caught:
        fetcher.get("http://127.0.0.1:1/")
    assert caught.value.reason == "refused"


def test_get_silence_is_a_timeout(fetcher: Fetcher) -> None:
    """A server that accepts and says nothing costs no more than the timeout."""
    with socket.create_server(("127.0.0.1", 0)) as server, pytest.raises(SourceUnavailable) as caught:
        fetcher.get(f"http://127.0.0.1:{server.getsockname()[1]}/")
    assert caught.value.reason == "timeout"


def test_get_large_answer_is_refused(fetcher: Fetcher, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """An answer without end costs no memory."""
    monkeypatch.setattr(fetch, "MAX_BODY_BYTES", 10)
    site.answers["/x"] = (200, b"x" * 11)
    with pytest.raises(SourceMalformed, match="larger than 10 bytes"):
        fetcher.get(f"{site.url}/x")


@pytest.mark.parametrize("url", ["", "/x", "ftp://h/", "http://", "http://h:port/", "localhost:80"])
def test_check_url_refuses_what_cannot_be_fetched(url: str) -> None:
    """Only absolute http and https URLs are taken."""
    with pytest.raises(ValueError, match=r"no http|no URL|Port"):
        check_url(url)
