import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from chassis.config_file import ConfigInvalid, decode
from exporter.answers import Answer
from exporter.collectors.deployments import PATH, Config, Deployments
from exporter.errors import ConfigError
from tests.exporter.doubles import Clock, Samples, Shown

TOKEN = "correct horse"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
Post = Callable[..., Answer]


@pytest.fixture
def config(tmp_path: Path) -> dict[str, object]:
    """A configuration that takes reports."""
    token = tmp_path / "token"
    token.touch(mode=0o600)
    token.write_text(TOKEN)
    return {"state_directory": str(tmp_path / "state"), "token_file": str(token), "max_services": 3, "keep": 5}


@pytest.fixture
def make(config: dict[str, object], clock: Clock) -> Iterator[Callable[..., Deployments]]:
    """Makes collectors, and closes them after the test."""
    made: list[Deployments] = []

    def start(**keys: object) -> Deployments:
        made.append(Deployments(msgspec.convert(config | keys, Config), clock))
        return made[-1]

    clock.now = 1_700_000_000.0
    yield start
    for collector in made:
        collector.close()


def ask(collector: Deployments, method: str = "GET", body: bytes = b"", query: str = "", token: str = TOKEN) -> Answer:
    """An answer of `/deployments`."""
    route = collector.routes()[PATH]
    assert method in route.methods
    environ = {
        "REQUEST_METHOD": method,
        "QUERY_STRING": query,
        "CONTENT_LENGTH": str(len(body)),
        "HTTP_AUTHORIZATION": f"Bearer {token}",
        "wsgi.input": io.BytesIO(body),
    }
    return route.answer(environ)


def post(collector: Deployments, **fields: object) -> str:
    """The status of a report."""
    return ask(collector, "POST", json.dumps({"service": "shop", "version": "1.2"} | fields).encode()).status


def seen(collector: Deployments, shown: Shown) -> Samples:
    """The samples of the metrics."""
    return shown(collector.collect())


def test_post_is_shown_and_replaced(make: Callable[..., Deployments], shown: Shown, clock: Clock) -> None:
    """What runs has one series; the one of the version before is gone."""
    collector = make()
    assert post(collector, version="1.1", time="2023-11-14T22:13:10Z") == "200 OK"
    assert post(collector, version="1.2", commit=COMMIT) == "200 OK"
    assert seen(collector, shown) == {
        f'nightshift_deploy_info{{service="shop",version="1.2",commit="{COMMIT}"}}': 1,
        'nightshift_deploy_timestamp_seconds{service="shop"}': clock.now,
        'nightshift_deploys_total{service="shop"}': 2,
    }


def test_post_survives_a_restart(make: Callable[..., Deployments], shown: Shown) -> None:
    """The next process shows the same, with the same count."""
    post(make())
    assert seen(make(), shown)['nightshift_deploys_total{service="shop"}'] == 1


def test_get_lists_the_last_changes(make: Callable[..., Deployments]) -> None:
    """The newest first, of one service if asked, and no more than are kept."""
    collector = make()
    for number in range(7):
        post(collector, version=f"1.{number}", time=1_600_000_000 + number)
    post(collector, service="blog", environment="staging")
    listed = json.loads(ask(collector).body)
    assert [one["version"] for one in listed] == ["1.2", "1.6", "1.5", "1.4", "1.3"]
    assert json.loads(ask(collector, query="service=blog").body) == [
        {"service": "blog", "version": "1.2", "time": 1.7e9, "environment": "staging", "source": "webhook"}
    ]


@pytest.mark.parametrize(("environment", "count"), [("production", 1), (None, 1), ("staging", 0)])
def test_post_of_another_environment_is_not_what_runs(
    make: Callable[..., Deployments], shown: Shown, environment: str | None, count: int
) -> None:
    """A deployment to staging is listed and not shown."""
    collector = make(environment="production")
    assert post(collector, environment=environment) == "200 OK"
    assert len([name for name in seen(collector, shown) if "deploy_info" in name]) == count
    assert len(json.loads(ask(collector).body)) == 1


@pytest.mark.parametrize(
    "fields",
    [
        {"service": ""},
        {"service": "a b"},
        {"service": "shop\n"},
        {"service": "x" * 65},
        {"service": '"} 1\nevil'},
        {"service": None},
        {"version": ""},
        {"version": "x" * 101},
        {"version": "\x00"},
        {"version": 1.2},
        {"commit": "nothex"},
        {"commit": "a" * 65},
        {"environment": ""},
        {"time": "tomorrow"},
        {"time": -1},
        {"time": 1_700_003_601},
        {"time": True},
        {"time": [1]},
    ],
)
def test_post_refuses_what_would_be_a_bad_label(make: Callable[..., Deployments], fields: dict[str, object]) -> None:
    """Nothing of a refused report is kept."""
    collector = make()
    assert post(collector, **fields) == "400 Bad Request"
    assert json.loads(ask(collector).body) == []


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"\xff", b"[" * 10_000, b'{"service": "shop"}', b"{" * 9, b'{"service":"\xff"}']
)
def test_post_refuses_other_bodies(make: Callable[..., Deployments], body: bytes) -> None:
    """A body that is no report is a mistake of whoever sends it."""
    assert ask(make(), "POST", body).status == "400 Bad Request"


def test_post_too_large_is_refused(make: Callable[..., Deployments]) -> None:
    """A report is a few words."""
    assert ask(make(), "POST", b"x" * 20_000).status.startswith("413")


def test_post_needs_the_token(make: Callable[..., Deployments]) -> None:
    """A wrong token is 401; where none is configured nobody may post."""
    assert ask(make(), "POST", b"{}", token="wrong").status == "401 Unauthorized"
    assert ask(make(token_file=""), "POST", b"{}").status == "403 Forbidden"


def test_post_of_one_service_too_many_is_refused(make: Callable[..., Deployments], shown: Shown) -> None:
    """The number of series is bounded, also for somebody with the token."""
    collector = make()
    statuses = [post(collector, service=f"s{number}") for number in range(5)]
    assert statuses == ["200 OK"] * 3 + ["403 Forbidden"] * 2
    assert len([name for name in seen(collector, shown) if "deploy_info" in name]) == 3


def test_file_is_looked_at(make: Callable[..., Deployments], shown: Shown, tmp_path: Path) -> None:
    """A release file's version is shown, its service cannot be posted, and its counter starts at 0."""
    (tmp_path / "release").write_text("version: 2.0\ntime: 1650000000\n")
    collector = make(services={"shop": {"file": str(tmp_path / "release")}})
    assert seen(collector, shown) == {
        'nightshift_deploy_info{service="shop",version="2.0",commit=""}': 1,
        'nightshift_deploy_timestamp_seconds{service="shop"}': 1.65e9,
        'nightshift_deploys_total{service="shop"}': 0,
        'nightshift_deploy_readable{service="shop"}': 1,
    }
    assert post(collector) == "409 Conflict"


def test_file_that_changes_is_a_deployment(
    make: Callable[..., Deployments], shown: Shown, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The change is counted, listed and logged."""
    caplog.set_level("INFO")
    path = tmp_path / "release"
    path.write_text("1.0")
    collector = make(services={"shop": {"file": str(path), "interval_seconds": 3600}})
    seen(collector, shown)
    path.write_text("2.0")
    collector._looks["shop"].turn()
    assert seen(collector, shown)['nightshift_deploys_total{service="shop"}'] == 1
    assert [record.message for record in caplog.records] == ["deployed"]


def test_unreadable_source_is_told_once(
    make: Callable[..., Deployments], shown: Shown, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A checkout that is not there costs its own series and one line of the log."""
    collector = make(services={"shop": {"git": str(tmp_path / "none")}})
    found = seen(collector, shown)
    collector._looks["shop"].turn()
    assert found['nightshift_deploy_readable{service="shop"}'] == 0
    assert not [name for name in found if "deploy_info" in name]
    assert caplog.text.count("version cannot be read") == 1


def test_service_that_left_the_configuration_is_gone(
    make: Callable[..., Deployments], shown: Shown, tmp_path: Path
) -> None:
    """What was read from a file that is configured no more is not shown for ever."""
    (tmp_path / "release").write_text("1.0")
    seen(make(services={"shop": {"file": str(tmp_path / "release")}}), shown)
    assert seen(make(), shown) == {}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"services": {"shop": {}}}, "give git or file"),
        ({"services": {"shop": {"git": "/a", "file": "/b"}}}, "give git or file"),
        (
            {"services": {"shop": {"git": "/a", "interval_seconds": 0}}},
            "services.shop.interval_seconds: is 0; write 0.05 to 3600",
        ),
        ({"services": {"a b": {"git": "/a"}}}, "is no name"),
        ({"keep": 0}, "keep: is 0; write 1 to 10000"),
        ({"max_services": 10**6}, "max_services: is 1000000; write 1 to 1000"),
    ],
)
def test_config_refuses_what_shows_nothing(document: dict[str, object], message: str) -> None:
    """Mistakes are found before the start."""
    with pytest.raises(ConfigInvalid, match=message):
        decode(document, Config, "exporter.yml")


def test_unusable_token_file_is_an_error_of_the_configuration(make: Callable[..., Deployments]) -> None:
    """It is found at the start, not with the first report."""
    with pytest.raises(ConfigError, match="token_file"):
        make(token_file="/none/token")
