import gzip
import io
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from exporter import config, web
from exporter.answers import HasRoutes, Refused, Route, text_answer
from exporter.app import Exporter
from exporter.collector import build
from exporter.web import OPTIONAL_PATHS, Application

#: Status, headers and body.
Answer = tuple[str, dict[str, str], bytes]
#: Asks for a path with a method and headers.
Ask = Callable[..., Answer]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A configuration of no collectors."""
    file = tmp_path / "exporter.yml"
    file.write_text("collectors: {resources: {enabled: false}}")
    return file


@pytest.fixture
def ask(path: Path) -> Iterator[Ask]:
    """Asks the application and gives status, headers and body."""
    exporter = Exporter(path, config.known_collectors())
    application = Application(exporter)

    def request(target: str, method: str = "GET", **headers: str) -> Answer:
        answer = []
        environ = {"REQUEST_METHOD": method, "PATH_INFO": target, "wsgi.input": io.BytesIO()}
        environ |= {f"HTTP_{name.upper()}": value for name, value in headers.items()}
        body = b"".join(application(environ, lambda status, headers: answer.append((status, dict(headers)))))
        return *answer[0], body

    request.exporter = exporter
    yield request
    exporter.close()


def test_metrics_are_text_by_default(ask: Ask) -> None:
    """Without an Accept header the answer is text 0.0.4 of the stated length."""
    status, headers, body = ask("/metrics")
    assert status == "200 OK"
    assert headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert headers["Content-Length"] == str(len(body))
    assert b"nightshift_build_info" in body


def test_metrics_negotiates_openmetrics(ask: Ask) -> None:
    """Prometheus gets the format that it prefers."""
    _, headers, body = ask("/metrics", accept="application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
    assert headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert body.endswith(b"# EOF\n")


def test_metrics_compresses_large_bodies_only(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that takes gzip gets it where there is something to gain."""
    assert "Content-Encoding" not in ask("/metrics", accept_encoding="gzip")[1]
    monkeypatch.setattr(web, "GZIP_FROM_BYTES", 100)
    _, headers, body = ask("/metrics", accept_encoding="gzip")
    assert headers["Content-Encoding"] == "gzip"
    assert b"nightshift_build_info" in gzip.decompress(body)
    assert "Content-Encoding" not in ask("/metrics", accept_encoding="br")[1]


@pytest.mark.parametrize("target", ["/", "/metrics", "/-/healthy", "/-/ready"])
def test_head_has_headers_and_no_body(ask: Ask, target: str) -> None:
    """HEAD is answered as GET without the body."""
    status, headers, body = ask(target, "HEAD")
    assert (status, body) == ("200 OK", b"")
    assert int(headers["Content-Length"]) > 0


def test_unknown_path_is_404(ask: Ask) -> None:
    """An unknown path says where the metrics are."""
    status, _, body = ask("/metric")
    assert status == "404 Not Found"
    assert b"/metrics" in body


def test_path_of_a_collector_that_does_not_run_names_it(ask: Ask) -> None:
    """Who asks for a probe without the collector is told what to configure."""
    assert b"needs the collector probes" in ask("/probe")[2]


def test_optional_paths_are_those_of_all_collectors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each path that some collector answers leads to that collector where it does not run, and no path is made up."""
    monkeypatch.chdir(tmp_path)  # where they keep what must survive a restart
    built = {name: build(cls, msgspec.convert({}, cls.config)) for name, cls in config.known_collectors().items()}
    answered = {path: name for name, it in built.items() if isinstance(it, HasRoutes) for path in it.routes()}
    for it in built.values():
        it.close()
    assert answered == OPTIONAL_PATHS


def test_path_of_a_collector_is_answered_by_it(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """A collector's own path is served, with its own methods, and refused as it says."""

    def refuse(_: object) -> None:
        raise Refused(text_answer("403 Forbidden", "no"))

    routes = {"/queue": Route(lambda _: text_answer("200 OK", "three")), "/push": Route(refuse, ("POST",))}
    monkeypatch.setattr(Exporter, "routes", routes)
    assert ask("/queue")[2] == b"three\n"
    assert ask("/queue", "POST")[0] == "405 Method Not Allowed"
    assert ask("/push", "POST")[0] == "403 Forbidden"


@pytest.mark.parametrize(
    ("target", "method", "allow"), [("/-/reload", "GET", "POST, PUT"), ("/metrics", "POST", "GET, HEAD")]
)
def test_wrong_method_is_405(ask: Ask, target: str, method: str, allow: str) -> None:
    """A path tells which methods it takes."""
    status, headers, _ = ask(target, method)
    assert (status, headers["Allow"]) == ("405 Method Not Allowed", allow)


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_reload_loads_the_file_again(ask: Ask, path: Path, method: str) -> None:
    """A reload is confirmed, and a bad file is told with its place."""
    assert ask("/-/reload", method)[0] == "200 OK"
    path.write_text("collectors: {resource: {}}")
    status, _, body = ask("/-/reload", method)
    assert status == "500 Internal Server Error"
    assert b'did you mean "resources"' in body


def test_landing_page_names_version_and_links(ask: Ask) -> None:
    """People who come by see what this is and where to go, by relative links."""
    _, headers, body = ask("/")
    assert headers["Content-Type"] == "text/html; charset=utf-8"
    assert b'<a href="metrics">' in body
    assert b"Collectors: none" in body


def test_failing_request_is_a_500_and_logged(ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    """A fault costs one request, and its text stays in the log."""
    ask.exporter.exposition = lambda *_: 1 / 0
    status, _, body = ask("/metrics")
    assert status == "500 Internal Server Error"
    assert b"ZeroDivisionError" not in body
    assert "request failed: ZeroDivisionError" in caplog.text


def test_at_once_are_scrapes_that_wait_for_nothing(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    """The web server's loop answers no other path, and no scrape while a collector may have to wait."""
    application = Application(ask.exporter)
    assert application.at_once("/metrics")
    assert not application.at_once("/-/reload")
    monkeypatch.setattr(Exporter, "waits", True)
    assert not application.at_once("/metrics")
