import gzip
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from alert_handler.app import create_app
from tests.alert_handler.house import INTAKE, House, alert, house, repaired

ROOT = Path(__file__).parents[2]
STYLE = (ROOT / "alert_handler/static/style.css").read_text(encoding="utf-8")
PAGES = ("/", "/incidents", "/incidents/1", "/actions", "/rejects", "/runbooks", "/runbooks/disk", "/nothing-here")

#: What an alert's author may type; each must look like text and nothing else.
HOSTILE = (
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    '"><svg onload=alert(1)>',
    "' onmouseover='alert(1)",
    "{{ 7 * 7 }}{% include '/etc/passwd' %}",
    "]]><!--",
    "\u202egnp.exe \x1b[31mred\x1b[0m\r\nlevel=info msg=forged",
    "&lt;b&gt;&#60;b&#62;",
    "x" * 4096,
)
#: Addresses that must never become links.
NO_LINKS = (
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    " javascript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "file:///etc/passwd",
    "//evil.example/",
    "http:alert(1)",
    'https://a.example/"onmouseover="alert(1)',
    "https://a.example/\u202etxt",
    "https://a.example/" + "x" * 5000,
)


class Tree(HTMLParser):
    """The elements of a page with their attributes, and its visible text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the element, its attributes' names and their values."""
        self.text += " " if tag in ("td", "th", "li", "p", "dd", "dt") else ""
        self.elements.append((tag, tuple(name for name, _ in attrs)))
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        """Note the text."""
        self.text += data

    def of(self, name: str, tag: str = "") -> list[str]:
        """The values of the attributes *name*, on *tag* alone if given."""
        return [value for element, key, value in self.attributes if key == name and tag in ("", element)]


def words(page: str) -> str:
    """The text of *page* with single spaces."""
    return re.sub(r"\s+", " ", Tree(page).text)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[House]:
    """A house where nothing has happened."""
    with house(tmp_path) as built:
        yield built


@pytest.fixture(scope="module")
def lived_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A house with a repaired incident, an open one, one that was left to people, and a refused webhook."""
    with house(tmp_path_factory.mktemp("house")) as built:
        repaired(built)
        built.receive(alert({"alertname": "Odd", "severity": "warning", "service": "checkout"}))
        built.client.post(INTAKE, data=b"not json <script>alert(1)</script>")
        yield built


def test_board_says_healthy_when_nothing_is_open(home: House) -> None:
    """The state is a word, beside whatever colour."""
    page = home.get("/")
    assert "<h1>HEALTHY</h1>" in page
    assert "No open incident." in words(page)


def test_board_says_what_is_broken_and_for_whom(home: House) -> None:
    """One glance: state, service, alert, and what Nightshift makes of it."""
    home.receive(alert({"alertname": "ShopDown", "severity": "critical", "service": "shop"}))
    page = words(home.get("/"))
    assert "CRITICAL 1 open incident: shop (critical)." in page
    assert "ShopDown shop just now Left to people no playbook matches" in page


def test_board_says_what_was_done_and_whether_it_worked(lived_in: House) -> None:
    """The last action stands with its verdict, and the closed incident with its duration."""
    page = words(lived_in.get("/"))
    assert "Last action" in page
    assert "cleanup on logs: done, Prometheus says fixed" in page
    assert "3 files cleaned up" in page


def test_board_refreshes_itself_every_30_seconds(home: House) -> None:
    """By a meta element: the pages have no script. It says when it was made."""
    page = home.get("/")
    assert '<meta http-equiv="refresh" content="30">' in page
    assert '<time datetime="2027-01-15T08:00:00Z"' in page


def test_board_shouts_when_the_kill_switch_is_thrown(home: House) -> None:
    """Loud, and it names the file to remove."""
    home.kill_file.touch()
    page = words(home.get("/"))
    assert f"KILL SWITCH THROWN. No action is started until the file {home.kill_file} is removed." in page


def test_board_is_whole_while_prometheus_is_away(home: House) -> None:
    """It says so, turns degraded, and shows everything that is the handler's own."""
    home.receive(alert({"alertname": "Odd", "severity": "low"}))
    home.prometheus.close()
    home.handler.upkeep.turn()
    page = words(home.get("/"))
    assert "DEGRADED" in page
    assert "Prometheus does not answer" in page
    assert "Odd" in page


def test_board_shows_resources_with_their_limits(home: House) -> None:
    """The nearest to its limit first; one beyond it says so in words."""
    home.prometheus.answers["nightshift"] = [
        ({"__name__": "nightshift_memory_used_ratio", "instance": "web-1"}, 0.5),
        ({"__name__": "nightshift_filesystem_used_ratio", "instance": "web-1", "mountpoint": "/var"}, 0.93),
    ]
    page = words(home.get("/"))
    assert "web-1 disk /var 93.0 % 93.0 % 85 % exceeded web-1 memory 50 % 50 % 80 %" in page


def test_board_shows_messages_that_wait(lived_in: House) -> None:
    """No courier runs in this house, so its messages wait; after the promised 30 seconds they are late."""
    assert re.search(r"Messages on their way \d+ for log, the oldest written", words(lived_in.get("/")))
    lived_in.now += 31
    assert re.search(r"Messages LATE \d+ for log, the oldest written", words(lived_in.get("/")))


def test_board_of_a_storm_stays_small(home: House) -> None:
    """200 open incidents: the worst are shown, the rest is a link, the page is less than 20 kB on the wire."""
    home.receive(*(alert({"alertname": f"Storm{n}", "severity": "high"}) for n in range(200)))
    page = home.get("/")
    assert "All 200 open incidents" in page
    assert len(gzip.compress(page.encode())) < 20_000


def test_incident_page_tells_the_whole_story(lived_in: House) -> None:
    """What, why, the dry run, the evidence, the attempt with its output, the verdict, the lesson."""
    page = words(lived_in.get("/incidents/1"))
    for part in (
        "label severity=critical",
        "Dry run, 3 steps",
        "delete access-0.log",
        "deleted access-0.log",
        "Probable cause: health disk shop: 92.0% used",
        "Verdict: Fixed",
        "cleanup fixed DiskFull 1 of 1 times",
        "Done: 3 files cleaned up",
    ):
        assert part in page


def test_incident_page_takes_no_start_for_an_end(lived_in: House) -> None:
    """The sender tells when an alert began, not when it was resolved."""
    page = words(lived_in.get("/incidents/1"))
    assert "Alert resolved; it fired from " in page
    assert "Alert firing since " in words(lived_in.get("/incidents/2"))


def test_timeline_has_every_transition_with_seconds_since_the_start(lived_in: House) -> None:
    """The page's rows are the store's transitions, in their order."""
    steps = lived_in.json("/api/v1/incidents/1")["timeline"]
    page = lived_in.get("/incidents/1")
    shown = re.findall(r'data-label="Stage">(\w+)<', page)
    assert shown == ["intake", *(step["stage"] for step in steps)]
    assert '<td data-label="After">30 s</td>' in page


def test_evidence_has_a_picture_with_words_for_screen_readers(lived_in: House) -> None:
    """Inline SVG with title and description, and nothing but attributes."""
    page = lived_in.get("/incidents/1")
    assert '<svg class="spark" role="img" aria-labelledby="spark-1-title spark-1-desc"' in page
    assert "<desc" in page
    assert "over 2 min from 0.88 to 0.92, lowest 0.88, highest 0.92" in page


def test_messages_show_their_delivery(lived_in: House) -> None:
    """Channel, kind, title, state."""
    assert re.search(r"log action Acted: cleanup on logs for DiskFull \S+ pending", words(lived_in.get("/incidents/1")))


def test_incident_page_links_to_the_web(lived_in: House) -> None:
    """An honest runbook address is a link that gives nothing away."""
    page = lived_in.get("/incidents/1")
    assert '<a href="https://runbooks.example/disk" rel="noopener noreferrer">Runbook</a>' in page
    assert "Query in Prometheus</a>" in page


@pytest.mark.parametrize("url", NO_LINKS)
def test_address_that_is_no_web_address_is_text(home: House, url: str) -> None:
    """javascript:, data: and their like are shown and never linked."""
    annotations = {"runbook_url": url, "dashboard_url": url}
    home.receive(alert({"alertname": "Odd"}, annotations, generatorURL=url))
    tree = Tree(home.get("/incidents/1"))
    assert all(href.startswith("/") or href == "#main" for href in tree.of("href"))
    assert tree.text.count("not a web address") == 3


@pytest.mark.parametrize("value", HOSTILE, ids=[str(n) for n in range(len(HOSTILE))])
def test_hostile_text_gives_the_elements_of_benign_text(tmp_path: Path, value: str) -> None:
    """Wherever an alert's text goes, the page has the same elements and attributes as with a plain word."""
    hostile = [Tree(page).elements for page in _pages_about(tmp_path / "hostile", value)]
    benign = [Tree(page).elements for page in _pages_about(tmp_path / "benign", "harmless")]
    assert hostile == benign


def test_invisible_characters_are_made_visible(tmp_path: Path) -> None:
    """No escape sequence, no bidirectional override and no forged line reaches the reader."""
    for page in _pages_about(tmp_path / "house", HOSTILE[5]):
        assert not set("\x1b\u202e\r") & set(page)
    assert "\\u202egnp.exe" in page


@pytest.mark.parametrize("path", PAGES)
def test_page_needs_nothing_but_the_style_sheet(lived_in: House, path: str) -> None:
    """No script, no inline style, no handler, no foreign asset: what the content security policy would forbid."""
    tree = Tree(lived_in.client.get(path).text)
    assert not {"script", "style", "iframe", "object", "embed", "form"} & {tag for tag, _ in tree.elements}
    assert not [name for _, name, _ in tree.attributes if name == "style" or name.startswith("on")]
    assert all(href.startswith("/static/") for href in tree.of("href", "link"))
    assert tree.of("src") == []


@pytest.mark.parametrize("path", PAGES)
def test_page_can_be_read_by_machines_for_people(lived_in: House, path: str) -> None:
    """A language, landmarks, one first heading, captions and headers in tables, no id twice."""
    page = lived_in.client.get(path).text
    tree = Tree(page)
    tags = [tag for tag, _ in tree.elements]
    assert '<html lang="en">' in page
    assert tags.count("main") == tags.count("h1") == tags.count("footer") == 1
    ids = tree.of("id")
    assert len(ids) == len(set(ids))
    assert page.count("<thead") == tags.count("table")


def test_times_are_time_elements(lived_in: House) -> None:
    """Each says its exact time in UTC, whatever words it shows."""
    stamps = Tree(lived_in.get("/incidents/1")).of("datetime")
    assert stamps
    assert all(re.fullmatch(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ", stamp) for stamp in stamps)


def test_time_that_no_calendar_has_breaks_no_page(home: House) -> None:
    """A start in the year 9999 beyond the date line is shown as it comes."""
    home.receive(alert({"alertname": "Late"}, startsAt="9999-12-31T23:59:59-12:00"))
    assert "Late" in home.get("/incidents/1")
    assert "Late" in home.get("/")


@pytest.mark.parametrize("path", [*PAGES, "/api/v1/status", "/metrics", "/static/style.css", "/-/healthy"])
def test_every_answer_has_the_security_headers(lived_in: House, path: str) -> None:
    """Pages, data, files and errors alike."""
    headers = lived_in.client.get(path, buffered=True).headers
    assert headers["Content-Security-Policy"].startswith("default-src 'none'; style-src 'self'")
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"


def test_looking_changes_nothing(lived_in: House) -> None:
    """GET, HEAD and OPTIONS of every route leave the store byte for byte as it was."""
    before = _store(lived_in)
    for path in _addresses(lived_in):
        for method in ("GET", "HEAD", "OPTIONS"):
            lived_in.client.open(path, method=method, buffered=True)
    assert _store(lived_in) == before


def test_no_address_redirects(lived_in: House) -> None:
    """A redirect would lose an alert silently; a slash too many is answered in place."""
    for path in _addresses(lived_in):
        for spelling in (path, f"{path}/", f"/{path}"):
            assert lived_in.client.get(spelling, buffered=True).status_code not in range(300, 400)


def test_list_narrows_by_state(lived_in: House) -> None:
    """The filter shows open incidents alone, or closed ones."""
    assert "DiskFull" not in words(lived_in.get("/incidents?state=open"))
    assert "Odd" not in words(lived_in.get("/incidents?state=closed"))


def test_list_pages_on_to_older_incidents(lived_in: House) -> None:
    """A full page links to what comes before its last row; the last page does not."""
    first = lived_in.get("/incidents?limit=1")
    link = re.search(r'href="/(incidents\?before=2)"', first)
    assert link is not None
    assert "Older" not in lived_in.get("/incidents?before=1")


def test_unknown_address_gets_help(home: House) -> None:
    """A person gets a page that leads on; a program gets a line of text."""
    missing = home.client.get("/incidents/999")
    assert missing.status_code == 404
    assert 'href="/incidents"' in missing.text
    assert home.client.get("/api/v1/nothing/here").mimetype == "text/plain"


def test_address_of_an_impossible_incident_is_not_found(home: House) -> None:
    """A number that no store can hold is no error of ours."""
    assert home.client.get(f"/incidents/{10**30}").status_code == 404
    assert home.client.get(f"/api/v1/incidents/{10**30}").status_code == 404


def test_rejects_show_samples_as_text(lived_in: House) -> None:
    """The sample stands there as it came, escaped, with the reason."""
    page = lived_in.get("/rejects")
    assert "not json &lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "malformed" in page


def test_actions_lead_to_their_incident(lived_in: House) -> None:
    """Each attempt is listed with its verdict and a link."""
    page = lived_in.get("/actions")
    assert '<a href="/incidents/1">#1</a>' in page
    assert "cleanup on logs" in words(page)


def test_every_runbook_url_of_the_rules_leads_somewhere(home: House) -> None:
    """The address in a rule is a page of the handler, with the anchor that the rule names."""
    for stem, anchor in _runbook_urls():
        assert anchor in Tree(home.get(f"/runbooks/{stem}")).of("id"), (stem, anchor)


@pytest.mark.parametrize("stem", ["../adr/0001", "..%2fadr", "nothing", "Disk", "a" * 300])
def test_runbook_that_does_not_exist_is_not_found(home: House, stem: str) -> None:
    """No other file can be named."""
    assert home.client.get(f"/runbooks/{stem}").status_code == 404


def test_pages_below_a_path_link_below_it(tmp_path: Path) -> None:
    """Behind a reverse proxy that serves the handler below a path, links and style sheet go there."""
    with house(tmp_path) as home:
        home.handler.external_url = "https://ops.example/nightshift"
        page = create_app(home.handler, lambda: "").test_client().get("/").text
    assert all(href.startswith("/nightshift/") or href == "#main" for href in Tree(page).of("href"))


@pytest.mark.parametrize("scheme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize("ink", ["ink", "quiet", "link", "healthy", "warning", "degraded", "critical"])
def test_colours_have_enough_contrast(scheme: int, ink: str) -> None:
    """WCAG AA: 4.5 to 1 on both grounds, and on a coloured chip."""
    colours = [dict(re.findall(r"--([\w-]+): (#\w{6});", part)) for part in STYLE.split("prefers-color-scheme: dark")]
    names = colours[scheme]
    assert _contrast(names[ink], names["ground"]) >= 4.5
    assert _contrast(names[ink], names["raised"]) >= 4.5
    assert ink in ("ink", "quiet", "link") or _contrast(names["on-tone"], names[ink]) >= 4.5


def _pages_about(folder: Path, text: str) -> list[str]:
    """Every page that shows an alert of which everything is *text*."""
    folder.mkdir()
    with house(folder) as home:
        home.prometheus.answers["_used_ratio"] = [({"__name__": "nightshift_x_used_ratio", "service": text}, 0.9)]
        labels = {"alertname": text, "service": text, "severity": text, "instance": text, "zone": text}
        home.receive(alert(labels, {"summary": text, "description": text}))
        home.client.post(INTAKE, data=b"[" + text.encode())
        return [home.get(path) for path in ("/", "/incidents", "/incidents/1", "/rejects")]


def _store(home: House) -> bytes:
    folder = home.folder / "store"
    return b"".join(file.read_bytes() for file in sorted(folder.glob("*.db*")) if not file.name.endswith("-shm"))


def _addresses(home: House) -> list[str]:
    """An address of every route."""
    values = {"number": "1", "sender": "alertmanager", "stem": "disk", "filename": "style.css"}
    rules = (rule.rule for rule in home.app.url_map.iter_rules())
    return [re.sub(r"<(?:[^:>]+:)?(\w+)>", lambda match: values[match.group(1)], rule) for rule in rules]


def _runbook_urls() -> set[tuple[str, str]]:
    found = set()
    for file in (ROOT / "prometheus/rules").glob("*.rules.yml"):
        for group in yaml.safe_load(file.read_text(encoding="utf-8"))["groups"]:
            urls = (rule.get("annotations", {}).get("runbook_url", "") for rule in group["rules"])
            found |= {match.groups() for url in urls if (match := re.search(r"/runbooks/(\w+)#(\S+)$", url))}
    assert found
    return found


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
