import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from chassis.config_file import ConfigInvalid
from exporter.answers import Answer
from exporter.collectors.error_log import Config, ErrorLogs, Reports, Target
from tests.exporter.doubles import Samples, Shown, Until

TOKEN = "a-long-token-for-tests"
Start = Callable[..., ErrorLogs]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """An error log with two errors of one pattern and a line of information."""
    path = tmp_path / "error.log"
    path.write_text("ERROR cart 1 lost\nERROR cart 2 lost\nINFO fine\n", encoding="utf-8")
    return path


@pytest.fixture
def start(tmp_path: Path, log: Path) -> Iterator[Start]:
    """Starts collectors that read the log from its beginning and keep state in one folder; ends them."""
    token = tmp_path / "token"
    token.write_text(TOKEN, encoding="utf-8")
    token.chmod(0o600)
    started: list[ErrorLogs] = []

    def begin(**changes: object) -> ErrorLogs:
        target = Target(path=str(log), preset="plain", start="beginning", poll_interval_seconds=0.05)
        given = {
            "services": {"shop": target},
            "reports": Reports(token_file=str(token)),
            "state_directory": str(tmp_path / "state"),
        }
        started.append(ErrorLogs(Config(**{**given, **changes})))  # type: ignore[arg-type]
        return started[-1]

    yield begin
    for collector in started:
        collector.close()


def send(collector: ErrorLogs, body: object = None, method: str = "POST", token: str = TOKEN, **environ: str) -> Answer:
    """The answer to a request to /errors."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    request = {"REQUEST_METHOD": method, "CONTENT_LENGTH": str(len(data)), "HTTP_AUTHORIZATION": f"Bearer {token}"}
    return collector.routes()["/errors"].answer({**request, "wsgi.input": io.BytesIO(data), **environ})


def errors(samples: Samples) -> float:
    """The errors of every pattern together."""
    return sum(value for name, value in samples.items() if name.startswith("nightshift_errors_total"))


def test_collect_shows_errors_by_pattern(start: Start, shown: Shown) -> None:
    """The pattern is counted, named, dated, and there from 0 for what did not come."""
    found = shown(start().collect())
    assert errors(found) == 2
    assert found['nightshift_error_patterns_new_total{service="shop"}'] == 1
    assert found['nightshift_errors_total{service="shop",category="security",pattern="other"}'] == 0
    assert found['nightshift_suspicious_events_total{service="shop",kind="xss"}'] == 0
    assert any("_first_seen_timestamp_seconds" in name and value > 1e9 for name, value in found.items())
    assert any('template="ERROR cart <*> lost"' in name for name in found)


def test_collect_reads_on(start: Start, log: Path, shown: Shown, until: Until) -> None:
    """What is written later is counted."""
    collector = start()
    assert errors(shown(collector.collect())) == 2
    with log.open("a", encoding="utf-8") as file:
        file.write("ERROR cart 3 lost\n")
    until(lambda: errors(shown(collector.collect())) == 3)


def test_restart_counts_nothing_twice_and_nothing_as_new(start: Start, log: Path, shown: Shown) -> None:
    """Another process goes on where the last scrape was; a known pattern keeps its date."""
    first = start()
    before = shown(first.collect())
    first.close()
    with log.open("a", encoding="utf-8") as file:
        file.write("ERROR cart 3 lost\n")
    after = shown(start().collect())
    assert errors(after) == 1
    assert after['nightshift_error_patterns_new_total{service="shop"}'] == 0
    dated = [name for name in before if "first_seen" in name]
    assert {name: after[name] for name in dated} == {name: before[name] for name in dated}


def test_restart_before_a_scrape_loses_nothing(start: Start, shown: Shown, until: Until) -> None:
    """What was read and never shown is read again."""
    first = start()
    until(lambda: first._services["shop"].lines == 3)
    first.close()
    assert errors(shown(start().collect())) == 2


def test_collect_missing_log_is_told(start: Start, shown: Shown) -> None:
    """A log that is not there is a 0, not a failure."""
    found = shown(start(services={"shop": Target(path="/nowhere/error.log")}).collect())
    assert found['nightshift_error_log_readable{service="shop"}'] == 0


def test_get_errors_shows_an_example_of_each_pattern(start: Start) -> None:
    """Who looks for details finds fingerprint, category, times, count and one message."""
    collector = start()
    list(collector.collect())
    (pattern,) = json.loads(send(collector, method="GET").body)["services"]["shop"]["patterns"]
    assert pattern["count"] == 2
    assert pattern["sample"] == "ERROR cart 1 lost"
    assert {"fingerprint", "template", "category", "first_seen", "last_seen", "stack", "users"} <= set(pattern)


def test_post_errors_counts_a_report(start: Start, shown: Shown) -> None:
    """A report counts under its service, with the pattern that the answer names."""
    collector = start()
    answer = send(collector, {"error": "Payment 7 failed", "service": "pay", "user_id": 42})
    assert answer.status == "202 Accepted"
    told = json.loads(answer.body)
    found = shown(collector.collect())
    assert (
        found[f'nightshift_errors_total{{service="pay",category="{told["category"]}",pattern="{told["fingerprint"]}"}}']
        == 1
    )
    assert found['nightshift_error_reports_total{service="pay"}'] == 1
    assert found['nightshift_business_events_total{service="pay",kind="payment",outcome="failure"}'] == 1


def test_post_errors_keeps_neither_user_nor_secret(start: Start, tmp_path: Path) -> None:
    """Nothing that is shown or stored holds the user's id or a password."""
    collector = start()
    body = {"error": "no password=hunter2secret", "user_id": "bob@example.org", "context": {"api_key": "hunter2secret"}}
    assert send(collector, body).status == "202 Accepted"
    list(collector.collect())
    stored = b"".join(file.read_bytes() for file in (tmp_path / "state").iterdir())
    for where in (stored, send(collector, method="GET").body):
        assert b"hunter2secret" not in where
        assert b"bob@" not in where


@pytest.mark.parametrize(
    ("body", "environ", "refusal"),
    [
        ({"error": 7}, {}, ("400", "malformed")),
        ({"error": "x"}, {"HTTP_AUTHORIZATION": "Bearer wrong"}, ("401", "unauthorized")),
        ({"error": "x"}, {"CONTENT_LENGTH": ""}, ("411", "no_length")),
        ({"error": "x" * 300_000}, {}, ("413", "too_large")),
    ],
)
def test_post_errors_refusals_are_counted(
    start: Start, shown: Shown, body: object, environ: dict[str, str], refusal: tuple[str, str]
) -> None:
    """What is not taken is answered with 4xx and counted by reason."""
    collector = start()
    status, reason = refusal
    assert send(collector, body, **environ).status.startswith(status)
    found = shown(collector.collect())
    assert found[f'nightshift_error_report_failures_total{{reason="{reason}"}}'] == 1
    assert errors(found) == 2


def test_post_errors_without_a_token_is_off(start: Start) -> None:
    """Nobody may report where no token is configured."""
    assert send(start(reports=Reports()), {"error": "x"}).status.startswith("403")


def test_post_errors_invented_services_are_capped(start: Start, shown: Shown) -> None:
    """A sender that invents services adds 50 of them; the rest counts under the default."""
    collector = start()
    services = [
        json.loads(send(collector, {"error": "x", "service": f"s{number}"}).body)["service"] for number in range(60)
    ]
    assert services[49:] == ["s49", *["reported"] * 10]
    assert shown(collector.collect())['nightshift_error_reports_total{service="reported"}'] == 10


def test_rules_that_cannot_be_used_stop_the_start(start: Start, tmp_path: Path) -> None:
    """A bad rule is an error of the configuration that names it."""
    (tmp_path / "rules.yml").write_text("failed_logins: [{regex: '('}]", encoding="utf-8")
    with pytest.raises(ConfigInvalid, match=r"rules.yml: failed_logins\[0\]"):
        start(rules_file=str(tmp_path / "rules.yml"))


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (Target, {"path": "x", "max_patterns": 0}),
        (Target, {"path": "x", "poll_interval_seconds": 0}),
        (Target, {"path": []}),
        (Target, {"path": "x", "preset": "cobol"}),
        (Reports, {"max_body_bytes": 1}),
        (Reports, {"max_patterns": 5000}),
    ],
)
def test_config_refuses_impossible_values(kind: type, fields: dict[str, object]) -> None:
    """A value that cannot work is an error of the configuration that names the key."""
    with pytest.raises(msgspec.ValidationError, match=list(fields)[-1] if "preset" not in fields else "cobol"):
        msgspec.convert(fields, kind)
