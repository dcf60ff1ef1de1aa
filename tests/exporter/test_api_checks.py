import json
import logging
import threading
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from chassis.config_file import ConfigInvalid, decode
from exporter.answers import Answer
from exporter.collectors.api_checks import ApiChecks, Config, Watch
from exporter.families import Family
from exporter.walks.api_check import Endpoint, Verdict
from exporter.walks.failures import Failure, FailureLog
from tests.exporter.doubles import Clock, Samples, Shown
from tests.exporter.walk_doubles import Shop, open_shop, raw_server

Look = Callable[[Watch], Samples]
FAILURE = Failure(time="2026-01-01T00:00:00Z", step="sla", reason="slow", detail="too slow", seconds=2.0)


def failed(detail: str = "too slow") -> Verdict:
    """A run that missed its SLA."""
    return Verdict({"availability": True, "sla": False}, 2.0, msgspec.structs.replace(FAILURE, detail=detail))


def watch_of(verdicts: list[Verdict], clock: Clock, keep: int = 3) -> Watch:
    """A watch over an endpoint with these outcomes, one after the other."""
    runs = iter(verdicts)
    return Watch(("shop", "cart"), Endpoint(url="/"), lambda: next(runs), FailureLog(keep), clock)


@pytest.fixture
def look(shown: Shown) -> Look:
    """What a watch shows."""

    def show(watch: Watch) -> Samples:
        families = {metric: Family(metric) for metric in ApiChecks.metrics}
        watch.show(families)
        return shown(families.values())

    return show


@pytest.fixture
def shop() -> Iterator[Shop]:
    """An open shop."""
    with open_shop(Shop()) as place:
        yield place


def test_show_last_run(clock: Clock, look: Look) -> None:
    """The outcome of each check, the duration, the reason and the counts."""
    watch = watch_of([failed()], clock)
    watch.source.turn()
    found = look(watch)
    labels = 'service="shop",endpoint="cart"'
    assert found[f'nightshift_api_check_passed{{{labels},check="availability"}}'] == 1
    assert found[f'nightshift_api_check_passed{{{labels},check="sla"}}'] == 0
    assert found[f"nightshift_api_check_duration_seconds{{{labels}}}"] == 2.0
    assert found[f'nightshift_api_check_failure_reason_info{{{labels},check="sla",reason="slow"}}'] == 1
    assert found[f'nightshift_api_check_failures_total{{{labels},check="sla"}}'] == 1
    assert found[f'nightshift_api_check_failures_total{{{labels},check="availability"}}'] == 0


def test_show_counters_stand_at_zero_before_the_first_run(clock: Clock, look: Look) -> None:
    """What is not known yet is neither passed nor failed, but the counters are there."""
    found = look(watch_of([], clock))
    assert found['nightshift_api_check_runs_total{service="shop",endpoint="cart"}'] == 0
    assert not [name for name in found if "passed" in name]


def test_take_keeps_failures_that_no_success_drives_out(clock: Clock) -> None:
    """The last failures stay, newest first, however many successes follow."""
    good = Verdict({"availability": True, "sla": True}, 0.1)
    watch = watch_of([*(failed(str(number)) for number in range(5)), *[good] * 20], clock)
    for _ in range(25):
        watch.source.turn()
    entry = watch.entry()
    assert [failure.detail for failure in entry.failures] == ["4", "3", "2"]
    assert (entry.state, entry.runs, entry.failed_runs) == ("ok", 25, 5)


def test_take_logs_changes_only(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """A failure is told when it begins and when it ends."""
    caplog.set_level(logging.INFO)
    watch = watch_of([failed(), failed(), Verdict({"availability": True}, 0.1)], clock)
    for _ in range(3):
        watch.source.turn()
    assert [record.message for record in caplog.records] == ["API check failed: too slow", "API check passes again"]


def collector_of(shop: Shop, endpoint: dict[str, Any]) -> ApiChecks:
    """A collector with one endpoint, which has been asked once; a slow machine misses no SLA."""
    endpoint = {"sla_seconds": 60, "timeout_seconds": 60, **endpoint}
    document = {"services": {"shop": {"base_url": shop.url, "endpoints": {"search": endpoint}}}}
    collector = ApiChecks(msgspec.convert(document, Config))
    for watch in collector._watches:
        watch.source.first.wait(20)
    return collector


def passed(shop: Shop, shown: Shown, endpoint: dict[str, Any]) -> dict[str, float]:
    """Each check of an endpoint, and whether it passed."""
    collector = collector_of(shop, endpoint)
    found = shown(collector.collect())
    collector.close()
    prefix = 'nightshift_api_check_passed{service="shop",endpoint="search",check="'
    return {name.removeprefix(prefix)[:-2]: value for name, value in found.items() if name.startswith(prefix)}


@pytest.mark.parametrize(
    ("endpoint", "failing"),
    [
        ({"url": "/search?q=x"}, set()),
        ({"url": "/none"}, {"availability"}),
        ({"url": "/none", "status": [404]}, set()),
        ({"url": "/", "schema": {"type": "object"}}, {"schema"}),
        ({"url": "/search", "schema": {"type": "object", "required": ["results"]}}, set()),
        ({"url": "/search", "schema": {"properties": {"results": {"maxItems": 1}}}}, {"schema"}),
        ({"url": "/search", "rules": [{"json": "$.results[*]", "count": True, "min": 2}]}, set()),
        ({"url": "/search", "rules": [{"json": "$.results[*]", "count": True, "min": 3}]}, {"business"}),
        ({"url": "/search", "rules": [{"header": "Content-Type", "equals": "text/html"}]}, {"business"}),
    ],
)
def test_collect_judges_each_check(shop: Shop, shown: Shown, endpoint: dict[str, Any], failing: set[str]) -> None:
    """Each check passes or fails for itself; schema and business are there where they are configured."""
    found = passed(shop, shown, endpoint)
    expected = {"availability", "duration", "sla"}
    expected |= {"schema"} & set(endpoint) | ({"business"} if "rules" in endpoint else set())
    assert set(found) == expected
    assert {check for check, value in found.items() if not value} == failing


def test_collect_endpoint_that_does_not_answer_passes_nothing(shown: Shown) -> None:
    """Refused is a failure of every check."""
    with open_shop(Shop()) as closed:
        pass
    found = passed(closed, shown, {"url": "/", "rules": [{"regex": "x"}]})
    assert found == {"availability": 0, "duration": 0, "sla": 0, "business": 0}


def test_collect_slow_answer_misses_its_sla_only(shop: Shop, shown: Shown) -> None:
    """An answer within the timeout but after sla_seconds is there, and not met."""
    pause = threading.Event()
    quick = shop.answer

    def slowly(*asked: Any) -> tuple[int, dict[str, str], str]:
        pause.wait(0.1)
        return quick(*asked)

    shop.answer = slowly  # type: ignore[method-assign]
    found = passed(shop, shown, {"url": "/", "sla_seconds": 0.05})
    assert found == {"availability": 1, "duration": 1, "sla": 0}


def page(collector: ApiChecks, query: str = "") -> Answer:
    """What `/api_checks` answers."""
    return collector.routes()["/api_checks"].answer({"QUERY_STRING": query})


def test_page_shows_what_was_asked_and_answered(shop: Shop) -> None:
    """A failure has its request and its answer, as JSON and on the page."""
    shop.answers["/x"] = (500, {}, "<script>alert(1)</script>")
    collector = collector_of(shop, {"url": "/x"})
    entry = json.loads(page(collector, "format=json").body)[0]
    html = page(collector).body.decode()
    collector.close()
    assert entry["name"] == "shop/search"
    assert entry["failures"][0]["request"].startswith("GET http://127.0.0.1")
    assert "<script>" in entry["failures"][0]["response"]
    assert "<script>" not in html
    assert "&lt;script&gt;alert(1)" in html


def test_collect_a_thousand_endpoints_on_few_threads(shop: Shop, shown: Shown) -> None:
    """A thousand endpoints are asked by no more threads than there are workers."""
    endpoints = {f"e{number:03}": {"url": f"/e{number}", "status": [404]} for number in range(1000)}
    document = {"services": {"s": {"base_url": shop.url, "endpoints": endpoints}}, "workers": 4}
    collector = ApiChecks(msgspec.convert(document, Config))
    threads = [thread for thread in threading.enumerate() if thread.name.startswith("source api_checks")]
    found = shown(collector.collect())
    collector.close()
    assert len(threads) <= 4
    assert sum(name.startswith("nightshift_api_check_runs_total") for name in found) == 1000


def test_collect_hung_endpoints_delay_no_scrape_and_add_no_thread(shown: Shown) -> None:
    """While every worker hangs a scrape answers at once, and the threads stay what they are."""
    ends = threading.Event()
    with raw_server(lambda _: ends.wait(30), ends) as url:
        endpoints = {f"e{number}": {"url": "/", "timeout_seconds": 30} for number in range(50)}
        document = {"services": {"s": {"base_url": url, "endpoints": endpoints}}, "workers": 3}
        collector = ApiChecks(msgspec.convert(document, Config))
        collector._schedule._settled_by = 0
        found = [shown(collector.collect()) for _ in range(200)][-1]
        threads = [thread for thread in threading.enumerate() if thread.name.startswith("source api_checks")]
        collector._schedule.close(0)
    assert len(threads) == 3
    assert found["nightshift_api_checks_late_seconds"] > 0


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"workers": 0}, "workers: is 0; write 1 to 100"),
        ({"services": {"s": {"base_url": "h", "endpoints": {}}}}, "is no http"),
        ({"services": {"s": {"base_url": "http://h", "endpoints": {"e": {"url": "/${t}"}}}}}, "nothing before it sets"),
        (
            {"services": {"s": {"base_url": "http://h", "endpoints": {"e": {"url": "/", "schema": {"type": "x"}}}}}},
            "JSON Schema cannot be used",
        ),
    ],
)
def test_config_refuses_what_cannot_work(document: dict[str, Any], message: str) -> None:
    """A mistake is found when the configuration is read."""
    with pytest.raises(ConfigInvalid, match=message):
        decode(document, Config, "exporter.yml")


def test_config_schema_file_that_is_missing_is_named(shop: Shop) -> None:
    """A schema file is read at the start, and named when it cannot be."""
    with pytest.raises(ValueError, match=r"/nowhere/schema\.json cannot be used"):
        collector_of(shop, {"url": "/", "schema_file": "/nowhere/schema.json"})
