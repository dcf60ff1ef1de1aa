import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.probing.http_request import basic, check_headers, encode, follow, harmless, may_be_trusted, parse


@pytest.mark.parametrize(
    ("text", "origin", "path"),
    [
        ("http://shop.example", ("http", "shop.example", 80), "/"),
        ("https://Shop.Example:8443/a?b=c#d", ("https", "shop.example", 8443), "/a?b=c"),
        ("shop.example:8080/x", ("http", "shop.example", 8080), "/x"),
        ("http://[::1]:9/", ("http", "::1", 9), "/"),
        ("http://bücher.example/ä", ("http", "xn--bcher-kva.example", 80), "/%C3%A4"),
    ],
)
def test_parse_url_gives_its_parts(text: str, origin: tuple[str, str, int], path: str) -> None:
    """Scheme, host, port and path, with their defaults; the fragment is nobody else's business."""
    url = parse(text)
    assert (url.origin, url.path) == (origin, path)


@pytest.mark.parametrize(
    "text",
    ["", "ftp://x/", "http://", "http://a b/", "http://x/\r\nEvil: 1", "http://x:0/", "http://x:99999/", 'http://x"/'],
)
def test_parse_refuses_what_is_no_url(text: str) -> None:
    """Nothing that could break a request gets into one."""
    with pytest.raises(ValueError, match=r"."):
        parse(text)


def test_parse_refuses_a_user_name() -> None:
    """A password in a URL would become a label."""
    with pytest.raises(ValueError, match="basic_auth"):
        parse("http://user:pass@shop.example/")


def test_follow_takes_relative_places_and_drops_users() -> None:
    """A location is relative to where it came from; who put a user name in it does not decide who we are."""
    url = parse("https://shop.example/a/b")
    assert str(follow(url, "../c")) == "https://shop.example/c"
    assert str(follow(url, "//evil:x@other.example/")) == "https://other.example/"


@settings(deadline=None, max_examples=300)
@given(st.text(max_size=60))
def test_follow_of_any_text_gives_a_safe_request_or_none(location: str) -> None:
    """Whatever a server writes into Location, the next request has one line and the headers that were meant."""
    try:
        url = follow(parse("http://shop.example/"), location)
    except ValueError:
        return
    request = encode("GET", url, {}, b"")
    assert request.count(b"\r\n") == 6
    assert request.isascii()


@pytest.mark.parametrize(
    ("location", "shown"),
    [
        ("/a b", "http://shop.example/a%20b"),
        ('/?q="x"', "http://shop.example/?q=%22x%22"),
        ("/caf\u00c3\u00a9", "http://shop.example/caf%C3%A9"),  # the bytes of UTF-8, as headers are read
        ("/a%20b", "http://shop.example/a%20b"),
    ],
)
def test_follow_encodes_what_servers_forget_to(location: str, shown: str) -> None:
    """A redirect with a blank leads where browsers go."""
    assert str(follow(parse("http://shop.example/"), location)) == shown


@pytest.mark.parametrize(
    ("first", "other", "trusted"),
    [
        ("http://shop.example/", "http://shop.example/b", True),
        ("http://shop.example/", "https://shop.example/", True),
        ("https://shop.example/", "http://shop.example/", False),
        ("http://shop.example/", "https://shop.example:8443/", False),
        ("http://shop.example:8080/", "https://shop.example/", False),
        ("http://shop.example/", "https://www.shop.example/", False),
    ],
)
def test_may_be_trusted_is_the_same_origin_or_its_host_over_tls(first: str, other: str, *, trusted: bool) -> None:
    """Sites lead from http to https; what was sent in the clear may be sent to the same host's proven name."""
    assert may_be_trusted(parse(first), parse(other)) is trusted


def test_encode_sets_what_is_missing() -> None:
    """Own headers replace the usual ones; a body has its length."""
    url = parse("http://shop.example/")
    text = encode("POST", url, {"Host": "other", "user-agent": "me"}, b"abc").decode()
    assert "Host: other\r\nuser-agent: me\r\n" in text
    assert "shop.example" not in text
    assert text.endswith("Content-Length: 3\r\nConnection: close\r\n\r\nabc")


@pytest.mark.parametrize(
    "headers", [{"A b": "x"}, {"A": "x\r\ny"}, {"Content-Length": "1"}, {"Transfer-Encoding": "x"}]
)
def test_check_headers_refuses_what_breaks_a_request(headers: dict[str, str]) -> None:
    """Header names are tokens, values are one line, and framing is not given by hand."""
    with pytest.raises(ValueError, match=r"cannot be sent|itself"):
        check_headers(headers)


def test_harmless_keeps_no_credential() -> None:
    """Only what is known to be no credential may reach another host."""
    assert harmless({"Authorization": "x", "X-Token": "x", "Cookie": "x", "Accept": "y"}) == {"Accept": "y"}


def test_basic_encodes_user_and_password() -> None:
    """As RFC 7617 writes it."""
    assert basic("Aladdin", "open sesame") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
