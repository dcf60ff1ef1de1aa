import pytest
from jinja2 import Environment, UndefinedError
from markupsafe import Markup

from alert_handler.presentation import rendering


@pytest.fixture
def environment() -> Environment:
    """Jinja as Flask sets it up, with our own filters."""
    made = Environment(autoescape=True)
    rendering.install(made)
    return made


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("<b>", "&lt;b&gt;"),
        ("\u202ea\x1b\n", "\\u202ea\\x1b\\n"),
        (None, ""),
        (3, "3"),
        (Markup("<b>"), "<b>"),
        ("x" * 5000, "x" * 2000 + "... (5000 characters)"),
    ],
)
def test_printed_value_is_visible_and_escaped(environment: Environment, value: object, shown: str) -> None:
    """Without a filter in the template."""
    assert environment.from_string("{{ value }}").render(value=value) == shown


def test_missing_value_is_an_error(environment: Environment) -> None:
    """A page with a hole would be believed."""
    with pytest.raises(UndefinedError):
        environment.from_string("{{ nothing }}").render()


def test_block_keeps_lines_and_shows_everything_else() -> None:
    """For output in a `pre`."""
    assert rendering.block("a\r\n<b>\x1b[31m\tc") == "a\n&lt;b&gt;\\x1b[31m    c"
    assert rendering.block("x\n" * rendering.MAX_BLOCK).endswith(f"... ({2 * rendering.MAX_BLOCK} characters)")


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9090/graph?g0.expr=a+%3E+1&g0.tab=1",
        "https://[::1]:9093/#/alerts",
        "https://runbooks.example/a(b)~c",
    ],
)
def test_web_address_is_kept(url: str) -> None:
    """As it came."""
    assert rendering.web_link(url) == url


@pytest.mark.parametrize("url", ["", "ftp://a/", "http://", "http:///a", "https://a/\nb", "https://\u0430.example/"])
def test_anything_else_is_no_link(url: str) -> None:
    """Only http and https, printable ASCII, with a host."""
    assert rendering.web_link(url) == ""


def test_moment_has_the_date_when_it_is_far() -> None:
    """The time of day alone would mislead."""
    assert ">08:00:00</time>" in rendering.moment(1_800_000_000, 1_800_000_010)
    assert ">2027-01-15 08:00:00 UTC</time>" in rendering.moment(1_800_000_000, 1_800_090_000)


@pytest.mark.parametrize("at", [None, 0.0])
def test_time_that_never_was_is_never(at: float | None) -> None:
    """No 1970 on a page."""
    assert rendering.since(at, 5.0) == rendering.moment(at, 5.0) == "never"


def test_brief_cuts() -> None:
    """For lists."""
    assert rendering.brief("abcdef", 3) == "abc..."
