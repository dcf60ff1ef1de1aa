import json
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest

from chassis.config_file import ConfigInvalid, decode
from exporter.answers import Answer
from exporter.collectors.journeys import MAX_ON_DEMAND, Config, Journeys, Watch
from exporter.families import Family
from exporter.walks.failures import Failure, FailureLog, StepResult, Walk
from exporter.walks.journey import Journey
from exporter.walks.message import REASONS
from tests.exporter.doubles import Clock, Samples, Shown
from tests.exporter.walk_doubles import Shop, open_shop

GOOD = Walk((StepResult("home", True, 0.1), StepResult("cart", True, 0.2)), 0.3, {"total": 12.5})


def failed(detail: str = "HTTP 500", step: str = "cart") -> Walk:
    """A run that failed at *step*."""
    failure = Failure(time="2026-01-01T00:00:00Z", step=step, reason="status", detail=detail, seconds=0.2)
    return Walk((StepResult("home", step != "home", 0.1),), 0.1, {}, failure, ("home: done",), b"jpeg")


@dataclass
class Walked:
    """A walker with these outcomes, one after the other, and the seconds that each was given."""

    walks: list[Walk]
    reasons: tuple[str, ...] = REASONS
    given: list[float] = field(default_factory=list)

    def walk(self, seconds: float) -> Walk:
        """The next outcome."""
        self.given.append(seconds)
        return self.walks.pop(0)


STEPS = [{"name": "home", "url": "/"}, {"name": "cart", "url": "/cart"}]


def watch_of(walks: list[Walk], clock: Clock, keep: int = 3) -> Watch:
    """A watch over a journey of two steps with these outcomes."""
    plan = msgspec.convert({"base_url": "http://h", "steps": STEPS}, Journey)
    return Watch("buy", Walked(walks), plan, FailureLog(keep), clock)


def look(watch: Watch, shown: Shown) -> Samples:
    """What a watch shows, by the labels behind the journey's."""
    families = {metric: Family(metric) for metric in Journeys.metrics}
    watch.show(families)
    found = shown(families.values())
    return {name.removeprefix("nightshift_journey_").replace('journey="buy",', ""): found[name] for name in found}


def test_show_success(clock: Clock, shown: Shown) -> None:
    """A run that succeeded has every step, its durations, its values and its time."""
    watch = watch_of([GOOD], clock)
    watch.source.turn()
    found = look(watch, shown)
    assert found['success{journey="buy"}'] == 1
    assert found['duration_seconds{journey="buy"}'] == 0.3
    assert found['step_duration_seconds{step="cart"}'] == 0.2
    assert found['failed_step{step="cart"}'] == 0
    assert found['captured_value{name="total"}'] == 12.5
    assert found['last_success_timestamp_seconds{journey="buy"}'] == 1000.0


def test_show_failed_step(clock: Clock, shown: Shown) -> None:
    """The failed step is named; a step that was not reached has no duration and no success."""
    watch = watch_of([failed(step="home")], clock)
    watch.source.turn()
    found = look(watch, shown)
    assert (found['failed_step{step="home"}'], found['failed_step{step="cart"}']) == (1, 0)
    assert found['failures_total{step="home",reason="status"}'] == 1
    assert found['step_success{step="cart"}'] == 0
    assert 'step_duration_seconds{step="cart"}' not in found


def test_show_counters_stand_at_zero_before_the_first_run(clock: Clock, shown: Shown) -> None:
    """Every step and reason is counted from the start; nothing is said of a run that was not."""
    found = look(watch_of([], clock), shown)
    assert sum(name.startswith("failures_total") for name in found) == 2 * len(REASONS)
    assert 'success{journey="buy"}' not in found


def test_take_keeps_failures_that_no_success_drives_out(clock: Clock) -> None:
    """The last failures stay, newest first, however many successes follow."""
    watch = watch_of([*(failed(str(number)) for number in range(5)), *[GOOD] * 20], clock)
    for _ in range(25):
        watch.source.turn()
    entry = watch.entry()
    assert [failure.detail for failure in entry.failures] == ["4", "3", "2"]
    assert (entry.state, entry.runs, entry.failed_runs) == ("ok", 25, 5)


def test_take_logs_changes_only(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """A failure is told when it begins, when it becomes another, and when it ends."""
    caplog.set_level(logging.INFO)
    watch = watch_of([failed(), failed(), failed(step="home"), GOOD, GOOD], clock)
    for _ in range(5):
        watch.source.turn()
    messages = [record.message for record in caplog.records]
    assert messages == ["journey failed: HTTP 500"] * 2 + ["journey succeeds again"]


@pytest.fixture
def shop() -> Iterator[Shop]:
    """An open shop."""
    with open_shop(Shop()) as place:
        yield place


@pytest.fixture
def journeys(shop: Shop) -> Iterator[Journeys]:
    """Two journeys: one that runs by itself and fails at its second step, one on demand only."""
    browse = {
        "base_url": shop.url,
        "steps": [
            {"name": "home", "url": "/", "capture": {"csrf": {"regex": 'value="([^"]+)'}}},
            {"name": "lost", "url": "/<b>lost</b>"},
        ],
    }
    asked = {"base_url": shop.url, "interval_seconds": 0, "steps": [{"name": "search", "url": "/search?q=x"}]}
    collector = Journeys(msgspec.convert({"journeys": {"browse <i>": browse, "asked": asked}}, Config))
    yield collector
    collector.close()


def ask(journeys: Journeys, path: str, query: str, **environ: str) -> Answer:
    """What a path of the collector answers."""
    found: Any = {"QUERY_STRING": query, **environ}
    return journeys.routes()[path].answer(found)


def test_collect_walks_by_itself_what_has_an_interval(journeys: Journeys, shown: Shown) -> None:
    """After the first scrape one journey has run, the other waits to be asked."""
    found = shown(journeys.collect())
    assert found['nightshift_journey_success{journey="browse <i>"}'] == 0
    assert found['nightshift_journey_failures_total{journey="browse <i>",step="lost",reason="status"}'] == 1
    assert found['nightshift_journey_runs_total{journey="asked"}'] == 0


def test_page_shows_failures_as_json(journeys: Journeys) -> None:
    """Step, reason, request and answer of the failure, without the session."""
    list(journeys.collect())
    entries = json.loads(ask(journeys, "/journeys", "format=json").body)
    failing = next(entry for entry in entries if entry["name"] == "browse <i>")
    failure = failing["failures"][0]
    assert (failing["state"], failure["step"], failure["reason"]) == ("failing", "lost", "status")
    assert "GET " in failure["request"]
    assert "not here" in failure["response"]
    assert "abcdef123456" not in json.dumps(entries)


def test_page_escapes_everything(journeys: Journeys, shop: Shop) -> None:
    """Names from the configuration and texts of servers cannot become markup."""
    shop.answers["/%3Cb%3Elost%3C/b%3E"] = (500, {"X-Evil": "<img src=x>"}, '</pre><script>alert("x")</script>')
    list(journeys.collect())
    page = ask(journeys, "/journeys", "").body.decode()
    assert "browse &lt;i&gt;" in page
    assert not {"<script", "<img", "<b>", "<i>"} & {tag for tag in ("<script", "<img", "<b>", "<i>") if tag in page}


def test_walk_now_answers_the_metrics_of_one_run(journeys: Journeys, shown: Shown) -> None:
    """`/journey` walks at once and answers as a probe; /metrics does not count that."""
    body = ask(journeys, "/journey", "name=asked").body.decode()
    assert "\nprobe_success 1\n" in body
    assert 'nightshift_journey_step_success{journey="asked",step="search"} 1' in body
    assert shown(journeys.collect())['nightshift_journey_runs_total{journey="asked"}'] == 0


def test_walk_now_debug_shows_every_step(journeys: Journeys) -> None:
    """debug=true tells steps, captures, the last request and its answer before the metrics."""
    body = ask(journeys, "/journey", "name=browse+%3Ci%3E&debug=true").body.decode()
    assert "home: csrf = a+b/c=" in body
    assert "lost: failed, status" in body
    assert 'probe_failure_reason_info{reason="status"} 1' in body
    assert "probe_failed_step 2" in body


def test_walk_now_unknown_name_lists_the_known(journeys: Journeys) -> None:
    """A wrong name is answered with the right ones, as text."""
    answer = ask(journeys, "/journey", "name=nobody")
    assert answer.status.startswith("400")
    assert b"known: asked, browse <i>" in answer.body
    assert dict(answer.headers)["Content-Type"].startswith("text/plain")


def test_walk_now_ends_before_the_scrape_does(journeys: Journeys, shop: Shop) -> None:
    """A run that Prometheus asks for ends before Prometheus gives up."""
    let_go = threading.Event()
    quick = shop.answer

    def stall(*asked: Any) -> tuple[int, dict[str, str], str]:
        let_go.wait(20)
        return quick(*asked)

    shop.answer = stall  # type: ignore[method-assign]
    body = ask(journeys, "/journey", "name=asked", HTTP_X_PROMETHEUS_SCRAPE_TIMEOUT_SECONDS="0.7").body
    let_go.set()
    assert b'probe_failure_reason_info{reason="timeout"} 1' in body


def test_walk_now_refuses_a_crowd(journeys: Journeys) -> None:
    """Only so many runs at one time are started from outside."""
    for _ in range(MAX_ON_DEMAND):
        journeys._on_demand.acquire()
    assert ask(journeys, "/journey", "name=asked").status.startswith("503")


def test_screenshot_is_a_picture_or_404(journeys: Journeys) -> None:
    """A journey without a picture has none; a picture is nothing but a picture."""
    assert ask(journeys, "/journeys/screenshot", "name=asked").status.startswith("404")
    journeys._watches["asked"].screenshot = b"\xff\xd8"
    answer = ask(journeys, "/journeys/screenshot", "name=asked")
    assert dict(answer.headers) == {"Content-Type": "image/jpeg", "X-Content-Type-Options": "nosniff"}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"keep_failures": 1000}, "keep_failures: is 1000; write 1 to 100"),
        (
            {
                "journeys": {"a": {"base_url": "http://h", "steps": STEPS}},
                "browser_journeys": {"a": {"base_url": "http://h", "steps": [{"name": "x", "goto": "/"}]}},
            },
            "'a' is given with and without a browser",
        ),
    ],
)
def test_config_refuses_what_cannot_work(document: dict[str, Any], message: str) -> None:
    """A mistake is found when the configuration is read."""
    with pytest.raises(ConfigInvalid, match=message):
        decode(document, Config, "exporter.yml")
