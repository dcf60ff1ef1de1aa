from collections.abc import Iterator
from pathlib import Path

import pytest

from alert_handler import app
from alert_handler.app import HEADERS, Reloader, create_app
from alert_handler.config import load
from alert_handler.errors import StoreUnavailable
from alert_handler.handler import Handler
from chassis.server import AddressUnusable, Server
from tests.alert_handler.doubles import FakeClock


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """The configuration file."""
    file = tmp_path / "handler.yml"
    file.write_text(f"store_url: sqlite:///{tmp_path}/x.db\nplaybook_files: []\n")
    return file


@pytest.fixture
def handler(file: Path, clock: FakeClock) -> Iterator[Handler]:
    """A handler of that file."""
    handler = Handler(load(file), "http://nightshift.example", clock)
    yield handler
    handler.stop()


def gauge(handler: Handler, name: str) -> float | None:
    """The value of a reload gauge."""
    return handler.metrics.registry.get_sample_value(f"nightshift_config_last_reload_{name}")


def test_reloader_good_file_is_taken(handler: Handler, file: Path, clock: FakeClock) -> None:
    """The new mode is in force, and the gauges say when."""
    reload = Reloader(handler, file)
    file.write_text(file.read_text() + "mode: recommend\n")
    clock.advance(60)
    assert reload() == ""
    assert handler.config.mode == "recommend"
    assert (gauge(handler, "successful"), gauge(handler, "success_timestamp_seconds")) == (1.0, clock())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("mode: act\nwhithin: 1\n", 'handler.yml: unknown key "whithin"'),
        ("mode: [\n", "handler.yml: line 2"),
        ("workers: 3\n", "handler.yml: store_url and workers change only at a restart"),
    ],
)
def test_reloader_bad_file_leaves_the_old_one(
    handler: Handler, file: Path, clock: FakeClock, text: str, message: str
) -> None:
    """The reason is told, and shown by the gauge until a good one comes."""
    reload = Reloader(handler, file)
    began = clock()
    clock.advance(60)
    before, config = file.read_text(), handler.config
    file.write_text(text)
    assert reload().startswith(message)
    assert handler.config is config
    assert (gauge(handler, "successful"), gauge(handler, "success_timestamp_seconds")) == (0.0, began)
    file.write_text(before)
    assert reload() == ""
    assert gauge(handler, "successful") == 1.0


def test_create_app_every_answer_has_the_security_headers(handler: Handler) -> None:
    """Pages, errors and metrics alike."""
    client = create_app(handler, lambda: "").test_client()
    for path in ("/metrics", "/-/healthy", "/no/such/page", "/api/v1/incidents"):
        answer = client.get(path)
        assert {name: answer.headers.get(name) for name in HEADERS} == HEADERS


def test_create_app_no_route_ever_redirects(handler: Handler) -> None:
    """A 301 loses an alert silently, so no address has another spelling that redirects."""
    client = create_app(handler, lambda: "").test_client()
    rules = [rule.rule for rule in client.application.url_map.iter_rules() if "<" not in rule.rule]
    codes = {
        client.open(path, method=m).status_code for r in rules for path in (f"{r}/", f"/{r}") for m in ("GET", "POST")
    }
    assert not {code for code in codes if 300 <= code < 400}


def test_create_app_store_that_cannot_be_read_is_503(handler: Handler) -> None:
    """A page that cannot be shown says so, without a traceback."""
    client = create_app(handler, lambda: "").test_client()
    handler.database.close()
    assert client.get("/api/v1/incidents").status_code == 503


def test_serve_address_in_use_gives_the_store_back(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A start that fails leaves neither lock nor thread behind."""
    monkeypatch.setattr(app, "Signals", lambda: None)
    for _ in range(2):
        with pytest.raises(AddressUnusable, match="write HOST:PORT"):
            app.serve(file, lambda it: Server(it, ["nonsense"]), "http://x")


def test_serve_store_in_use_is_told(handler: Handler, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second handler on one store ends with a sentence."""
    monkeypatch.setattr(app, "Signals", lambda: None)
    with pytest.raises(Exception, match=r"^handler.yml: store_url: .* is used by another alert handler") as caught:
        app.serve(file, lambda it: Server(it, ["127.0.0.1:0"]), "http://x")
    assert not isinstance(caught.value, StoreUnavailable)
    assert handler.ready() == ""
