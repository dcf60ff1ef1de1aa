import json

import pytest

from exporter.walks.failures import Failure, StepResult
from exporter.walks.page import Entry, overview, query_of

EVIL = "<script>alert('x')</script>\"&"
FAILURE = Failure(time=EVIL, step=EVIL, reason=EVIL, detail=EVIL, seconds=1.0, request=EVIL, response=EVIL)
ENTRY = Entry(
    name=EVIL,
    state="failing",
    last_run=EVIL,
    seconds=1.0,
    runs=3,
    failed_runs=1,
    steps=[StepResult(EVIL, success=False, seconds=0.5)],
    values={EVIL: 12.5},
    failures=[FAILURE],
    screenshot=EVIL,
)


def test_overview_escapes_every_text() -> None:
    """Nothing that came from outside is markup, in no place; the page may load and run nothing."""
    answer = overview(EVIL, [ENTRY], {})
    page = answer.body.decode()
    assert "<script" not in page
    assert page.count("&lt;script&gt;") >= 10
    assert "default-src 'none'" in dict(answer.headers)["Content-Security-Policy"]


@pytest.mark.parametrize("environ", [{"QUERY_STRING": "format=json"}, {"HTTP_ACCEPT": "application/json"}])
def test_overview_is_json_where_asked(environ: dict[str, str]) -> None:
    """The same facts for programs."""
    found = json.loads(overview("x", [ENTRY], environ).body)
    assert found[0]["failures"][0]["reason"] == EVIL
    assert found[0]["steps"] == [{"name": EVIL, "success": False, "seconds": 0.5}]


def test_overview_of_nothing_says_so() -> None:
    """An empty page is explained."""
    assert "None is configured" in overview("Journeys", [], {}).body.decode()


def test_query_of_takes_the_first() -> None:
    """Twice the same name, percent-encoding, and too much of it."""
    assert query_of({"QUERY_STRING": "name=a%20b&name=c&x"}) == {"name": "a b"}
    assert query_of({"QUERY_STRING": "&".join(f"a{number}=1" for number in range(50))}) == {}
