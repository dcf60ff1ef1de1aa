from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.walks.cookies import MAX_COOKIES, CookieJar
from tests.exporter.doubles import Clock

HERE = urlsplit("https://www.shop.example/app/cart")


def sent(line: str, url: str, base: str = "https://www.shop.example/app/cart") -> str:
    """The Cookie header for *url* after *base* has set a cookie by *line*."""
    jar = CookieJar(Clock(1e9))
    jar.store(urlsplit(base), [line])
    return jar.header(urlsplit(url))


@pytest.mark.parametrize(
    ("line", "url", "expected"),
    [
        ("a=1", "https://www.shop.example/app/x", "a=1"),
        ("a=1", "https://www.shop.example/other", ""),
        ("a=1", "https://shop.example/app/x", ""),
        ("a=1; Path=/", "https://www.shop.example/", "a=1"),
        ("a=1; Path=/app", "https://www.shop.example/apple", ""),
        ("a=1; Path=/; Domain=shop.example", "https://api.shop.example/", "a=1"),
        ("a=1; Path=/; Domain=.shop.example", "https://shop.example/", "a=1"),
        ("a=1; Path=/; Domain=other.example", "https://other.example/", ""),
        ("a=1; Path=/; Domain=example", "https://another.example/", ""),
        ("a=1; Path=/; Secure", "http://www.shop.example/", ""),
        ("a=1; Path=/; Max-Age=0", "https://www.shop.example/", ""),
        ("a=1; Path=/; Max-Age=-5", "https://www.shop.example/", ""),
        ("a=1; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT", "https://www.shop.example/", ""),
        ("a=1; Path=/; Expires=Thu, 01 Jan 2099 00:00:00 GMT", "https://www.shop.example/", "a=1"),
        ("a=1; Path=/; Expires=tomorrow; Max-Age=soon", "https://www.shop.example/", "a=1"),
        ('a="x y"; Path=/', "https://www.shop.example/", 'a="x y"'),
        ("a=1\x00; Path=/", "https://www.shop.example/", ""),
        ("=1; Path=/", "https://www.shop.example/", ""),
        ("a; Path=/", "https://www.shop.example/", ""),
        ("a=" + "x" * 5000 + "; Path=/", "https://www.shop.example/", ""),
    ],
)
def test_store_sends_a_cookie_where_it_belongs(line: str, url: str, expected: str) -> None:
    """A cookie goes back to its host, path and scheme, and to nobody else."""
    assert sent(line, url) == expected


def test_store_address_has_no_subdomains() -> None:
    """A cookie of an address stays with that address."""
    assert sent("a=1; Path=/; Domain=0.0.1", "http://127.0.0.1/", "http://127.0.0.1/") == ""
    assert sent("a=1; Path=/", "http://127.0.0.1/", "http://127.0.0.1/") == "a=1"


def test_store_later_cookie_replaces_and_deletes() -> None:
    """The same name, host and path is the same cookie."""
    jar = CookieJar()
    jar.store(HERE, ["a=1", "b=2", "a=3"])
    assert jar.header(HERE) == "a=3; b=2"
    jar.store(HERE, ["a=; Max-Age=0"])
    assert jar.values() == ["2"]


def test_header_longest_path_first() -> None:
    """The more special cookie comes first."""
    jar = CookieJar()
    jar.store(HERE, ["a=root; Path=/", "a=app; Path=/app"])
    assert jar.header(HERE) == "a=app; a=root"


def test_store_keeps_a_bounded_number() -> None:
    """A server cannot fill the memory with cookies."""
    jar = CookieJar()
    jar.store(HERE, [f"c{number}=x" for number in range(10 * MAX_COOKIES)])
    assert len(jar.values()) == MAX_COOKIES


@settings(deadline=None, max_examples=200)
@given(st.lists(st.text(st.characters(codec="latin-1"), max_size=60), max_size=5))
def test_store_takes_any_line(lines: list[str]) -> None:
    """Whatever a server sends, what is sent back is one printable line."""
    jar = CookieJar()
    jar.store(HERE, lines)
    assert jar.header(HERE).isprintable()
