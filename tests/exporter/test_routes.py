import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.sources.routes import Routes, found_route, method_of

without_identifiers = Routes(()).without_identifiers


@pytest.mark.parametrize(
    ("path", "route"),
    [
        (b"/", "/"),
        (b"/cart", "/cart"),
        (b"/users/17/orders/99", "/users/{id}/orders/{id}"),
        (b"/o/123E4567-e89b-12d3-a456-426614174000", "/o/{id}"),
        (b"/blob/d41d8cd98f00b204e9800998ecf8427e/raw", "/blob/{id}/raw"),
        (b"/c/1a2b3c4d", "/c/{id}"),
        (b"/c/deadbeef", "/c/deadbeef"),
        (b"/facade/added", "/facade/added"),
        (b"/t/eyJhbGciOiJIUzI1NiJ9_abc", "/t/{id}"),
        (b"/report/2026-11-21", "/report/{id}"),
        (b"/report/2026/11/21/full", "/report/{id}/{id}/{id}/full"),
        (b"/blog/10-ways-to-sleep-well", "/blog/{id}"),
        (b"/blog/why-we-sleep.html", "/blog/why-we-sleep.html"),
        (b"/p/shoe-48213.html", "/p/{id}"),
        (b"/api/v2/items", "/api/v2/items"),
        (b"/static/utf-8.css", "/static/utf-8.css"),
        (b"/a/b/c/d/e/f/g/h", "/a/b/c/d/e/f/..."),
        (b"/" + b"x" * 300, "/" + "x" * 40 + "..."),
        (b"/caf\xc3\xa9/\xff", "/café/\ufffd"),
        (b"*", "other"),
        (b"http://elsewhere/", "other"),
    ],
)
def test_found_route_names_the_kind_of_page(path: bytes, route: str) -> None:
    """Numbers, dates, UUIDs, hashes and slugs are {id}; deep and long paths are cut; no path is other."""
    assert found_route(without_identifiers(path)) == route


@settings(deadline=None, max_examples=100)
@given(st.lists(st.binary(max_size=40).map(lambda path: b"/" + path.replace(b"\n", b"")), min_size=1, max_size=6))
def test_without_identifiers_takes_many_lines_as_it_takes_each(paths: list[bytes]) -> None:
    """Paths joined by line feeds give the same as one by one."""
    assert without_identifiers(b"\n".join(paths)).split(b"\n") == [without_identifiers(path) for path in paths]


@pytest.mark.parametrize("filling", [b"1a", b"a-1", b"/a", b"--", b"1"])
def test_without_identifiers_never_goes_back(filling: bytes) -> None:
    """A path of 64 KiB made to confuse the expression is passed over."""
    assert without_identifiers(b"/" + filling * (2**15) + b"\xff").endswith(b"\xff")


@pytest.mark.parametrize(
    ("path", "route"),
    [
        (b"/user/alice", "/user/{name}"),
        (b"/user/{id}", "/user/{name}"),
        (b"/user/alice/bag", "/user/alice/bag"),
        (b"/user/", "/user/"),
        (b"/shop/a/b", "/shop/*"),
        (b"/shop", "/shop"),
        (b"/shopping", "/shopping"),
        (b"/a.b", "/a.b"),
        (b"/axb", "/axb"),
        (b"/a.b/c\nd", "/a.b/c\nd"),
    ],
)
def test_of_takes_the_template_that_fits(path: bytes, route: str) -> None:
    """A name stands for one segment, a star for the rest; what fits none has its own words."""
    assert Routes(["/user/{name}", "/shop/*", "/a.b"]).of(path) == route


@pytest.mark.parametrize(
    ("path", "route"),
    [
        (b"/404", "/404"),
        (b"/4040", "/{id}"),
        (b"/2024/report", "/2024/report"),
        (b"/2023/report", "/{id}/report"),
        (b"/api-v2-users/17", "/api-v2-users/{id}"),
        (b"/e/50x.html/404.html", "/e/50x.html/{id}"),
    ],
)
def test_of_takes_a_template_that_looks_like_an_identifier(path: bytes, route: str) -> None:
    """What somebody wrote down is meant, though it has digits."""
    routes = Routes(["/404", "/2024/report", "/api-v2-users/{id}"])
    assert routes.of(routes.without_identifiers(path)) == route


def test_of_takes_the_first_template() -> None:
    """Of two that fit the first counts."""
    assert Routes(["/user/me", "/user/{id}"]).of(b"/user/me") == "/user/me"


def test_of_without_finding_is_other() -> None:
    """Where routes are not looked for, what fits no template is other."""
    assert Routes(["/a"], found=False).of(b"/b") == "other"


@pytest.mark.parametrize("template", ["user", "/a*", "/*/b", "/a?b", "/{}", "/{a}b", "/a b", ""])
def test_routes_refuse_what_is_no_template(template: str) -> None:
    """A template that could never fit is an error that names it."""
    with pytest.raises(ValueError, match="is no template of a route"):
        Routes([template])


def test_routes_refuse_a_crowd() -> None:
    """Templates make series, so their number is limited."""
    with pytest.raises(ValueError, match="at most 200"):
        Routes([f"/{number}" for number in range(201)])


@pytest.mark.parametrize(("method", "label"), [(b"GET", "GET"), (b"get", "OTHER"), (b"BREW", "OTHER")])
def test_method_of_is_from_a_fixed_set(method: bytes, label: str) -> None:
    """A made-up method makes no new series."""
    assert method_of(method) == label
