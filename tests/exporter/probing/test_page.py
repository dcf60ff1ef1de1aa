from exporter.probing.failures import Failure
from exporter.probing.page import MAX_ROWS, Row, page

FAILURE = Failure(0.0, "status", "5 check", "HTTP 500 <b>", 0.5, "0 ms <i>", "<script>alert(1)</script>")


def test_page_escapes_what_comes_from_outside() -> None:
    """Nothing of a target, a detail or a response becomes markup."""
    text = page([Row("http://x/<u>", "m", "down", 0.5, [FAILURE])])
    assert not any(tag in text for tag in ("<script", "<u>", "<b>", "<i>"))
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "1970-01-01 00:00:00 UTC status: HTTP 500" in text


def test_page_loads_nothing_from_elsewhere() -> None:
    """No asset of another server, no script."""
    text = page([Row("a", "m", "up", 0.001, [])])
    assert not any(word in text for word in ("src=", "<link", "@import", "url(", "<script"))


def test_page_shows_the_troubled_first_and_is_bounded() -> None:
    """What is down stands above; a page of 10,000 targets would be read by nobody."""
    rows = [Row(f"up{number:05}", "m", "up", None, []) for number in range(MAX_ROWS + 5)]
    text = page([*rows, Row("trouble", "m", "down", None, [])])
    assert text.index("trouble") < text.index("up00000")
    assert text.count("<tr>") - 1 == MAX_ROWS
    assert f"{MAX_ROWS + 6} targets, 1 down." in text
