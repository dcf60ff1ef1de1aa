from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from alert_handler.presentation import markdown


class Balanced(HTMLParser):
    """Checks that elements are closed in their order; collects tags and links."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: set[str] = set()
        self.links: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element."""
        self.tags.add(tag)
        self.links += [value or "" for name, value in attrs if name == "href"]
        if tag != "hr":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """It must be the last one opened."""
        assert self.open.pop() == tag


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("# Disk full", '<h1 id="disk-full">Disk full</h1>'),
        ("## NightshiftDiskCritical", '<h2 id="nightshiftdiskcritical">NightshiftDiskCritical</h2>'),
        ("one\ntwo\n\nthree", "<p>one two</p>\n<p>three</p>"),
        ("a `<b>` c", "<p>a <code>&lt;b&gt;</code> c</p>"),
        ("**Means.** *now* 2 * 3 * 4", "<p><strong>Means.</strong> <em>now</em> 2 * 3 * 4</p>"),
        ("- one\n- two\n  more", "<ul><li>one</li><li>two more</li></ul>"),
        ("1. one\n2. two", "<ol><li>one</li><li>two</li></ol>"),
        (
            "- one\n  - inner\n- two",
            "<ul><li><p>one</p>\n<ul><li>inner</li></ul></li><li>two</li></ul>".replace("\n", ""),
        ),
        ("```\na < b\n\n# no heading\n```", '<pre tabindex="0"><code>a &lt; b\n\n# no heading</code></pre>'),
        ("---", "<hr>"),
        ("text\n# Head", '<p>text</p>\n<h1 id="head">Head</h1>'),
        ("<script>alert(1)</script>", "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>"),
    ],
)
def test_subset_renders(text: str, html: str) -> None:
    """What runbooks are written in."""
    assert markdown.render(text) == html


def test_table_has_headers_and_cells() -> None:
    """With inline markup inside; a bar may be escaped."""
    page = markdown.render("| a | b |\n|---|---|\n| `x` | y \\| z |\n\nafter")
    assert '<th scope="col">a</th><th scope="col">b</th>' in page
    assert "<td><code>x</code></td><td>y | z</td>" in page
    assert page.endswith("<p>after</p>")


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("https://prometheus.io/docs", "https://prometheus.io/docs"),
        ("memory.md", "memory"),
        ("./memory.md#nightshiftmemorycritical", "memory#nightshiftmemorycritical"),
        ("#below", "#below"),
        ("javascript:alert", ""),
        ("../../prometheus/targets.yml", ""),
        ("//evil.example", ""),
        ('https://a/"onclick="x', ""),
    ],
)
def test_link_leads_to_the_web_or_a_runbook(url: str, where: str) -> None:
    """Anything else is only its text."""
    assert markdown.target(url) == where
    assert ("<a " in markdown.render(f"[text]({url})")) is bool(where)


def test_title_is_the_first_heading() -> None:
    """Or nothing."""
    assert markdown.title("\n# Disk\n# Other") == "Disk"
    assert markdown.title("text") == ""


@given(
    st.lists(
        st.sampled_from(
            ["# ", "- ", "1. ", "  ", "```", "|", "---", "a", "*", "**", "`", "[x](y.md)", "\n", "\n\n", "<i>", " "]
        ),
        max_size=40,
    )
)
@settings(deadline=None, max_examples=100)
def test_any_text_gives_balanced_markup(parts: list[str]) -> None:
    """Whatever is written, the page around it stays whole, and only known elements come out."""
    page = Balanced(markdown.render("".join(parts)))
    assert page.open == []
    assert "i" not in page.tags
    assert set(page.links) <= {"y"}
