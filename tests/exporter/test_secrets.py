"""Secrets of the configuration: each can stand in a file of its own, and no answer or log line shows one."""

import io
import logging
import re
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest

from chassis import web_config
from exporter import config
from exporter.app import Exporter
from exporter.web import Application
from tests.exporter.doubles import Site, Until

SECRET_NAME = re.compile(r"password|passphrase|token|secret|credential|api_key|private")
#: Texts that take variables, whose values may come from `secret_files` of the same section.
BY_VARIABLE = {"exporter.walks.request_rule.BasicAuth.password"}
WORDS = ("canary-one", "canary-two", "canary-three", "canary-four", "canary-five")
CONFIG = """
collectors:
  resources: {enabled: false}
  probes:
    modules:
      password: {prober: http, http: {basic_auth: {username: u, password: canary-one}}}
      token: {prober: http, http: {bearer_token: canary-two}}
      header: {prober: http, http: {headers: {X-Api-Key: canary-three}}}
    targets: [{targets: ["SITE/password"], module: password}]
  api_checks:
    services:
      shop:
        base_url: SITE
        headers: {Authorization: "Bearer ${token}"}
        secret_files: {token: four}
        endpoints: {health: {url: "/health?token=${token}"}}
  journeys:
    journeys:
      login:
        base_url: SITE
        secret_files: {password: five}
        steps: [{name: login, url: "/login?p=${password}", headers: {X-Password: "${password}"}}]
  deployments: {token_file: four}
  error_log: {reports: {token_file: five}}
"""


def structs() -> dict[str, type[msgspec.Struct]]:
    """Every struct that a configuration of the exporter is made of, by its full name."""
    roots = [config.TopLevel, web_config.WebConfig, *(cls.config for cls in config.known_collectors().values())]
    found: dict[str, type[msgspec.Struct]] = {}
    while roots:
        struct = roots.pop()
        name = f"{struct.__module__}.{struct.__qualname__}"
        if name not in found:
            found[name] = struct
            roots += [inner for field in msgspec.structs.fields(struct) for inner in _structs_in(field.type)]
    return found


def _structs_in(kind: object) -> list[type[msgspec.Struct]]:
    if isinstance(kind, type) and not isinstance(kind, types.GenericAlias) and issubclass(kind, msgspec.Struct):
        return [kind]
    return [inner for argument in typing.get_args(kind) for inner in _structs_in(argument)]


STRUCTS = structs()


@pytest.mark.parametrize("name", sorted(STRUCTS))
def test_secret_has_a_file_as_twin(name: str) -> None:
    """A field whose name speaks of a secret names a file, or stands beside one that does."""
    fields = {field.name: field for field in msgspec.structs.fields(STRUCTS[name])}
    secrets = [key for key in fields if SECRET_NAME.search(key) and not re.search(r"_files?$", key)]
    texts = [key for key in secrets if fields[key].type is not bool]
    assert [key for key in texts if f"{key}_file" not in fields and f"{name}.{key}" not in BY_VARIABLE] == []


def test_secret_names_are_found() -> None:
    """The search above reaches the structs inside of structs, and finds those that there are."""
    keys = {f"{name}.{field.name}" for name, struct in STRUCTS.items() for field in msgspec.structs.fields(struct)}
    assert {key for key in keys if SECRET_NAME.search(key.rpartition(".")[2])} >= {
        "exporter.probing.http_options.BasicAuth.password",
        "exporter.probing.http_options.HttpOptions.bearer_token",
        "exporter.checks.mysql.MysqlRule.password_file",
        "exporter.collectors.deployments.Config.token_file",
        *BY_VARIABLE,
    }


@pytest.fixture
def application(tmp_path: Path, site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Application]:
    """An exporter with a secret in every place that takes one, whose targets send it back."""
    monkeypatch.chdir(tmp_path)
    for name, word in (("four", WORDS[3]), ("five", WORDS[4])):
        Path(name).touch(mode=0o600)
        Path(name).write_text(word, encoding="utf-8")
    places = ("/password", "/token", "/header", f"/health?token={WORDS[3]}", f"/login?p={WORDS[4]}")
    site.answers |= {place: (500, word.encode()) for place, word in zip(places, WORDS, strict=True)}
    Path("exporter.yml").write_text(CONFIG.replace("SITE", site.url), encoding="utf-8")
    exporter = Exporter(Path("exporter.yml"), config.known_collectors())
    yield Application(exporter)
    exporter.close()


def test_no_answer_and_no_log_line_shows_a_secret(
    application: Application, site: Site, until: Until, caplog: pytest.LogCaptureFixture
) -> None:
    """Metrics, pages of failures as HTML and JSON, and the debugging of each module and journey are without them."""
    caplog.set_level(logging.DEBUG)

    def ask(path: str, query: str = "", accept: str = "") -> str:
        environ = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "QUERY_STRING": query, "HTTP_ACCEPT": accept}
        return b"".join(application({**environ, "wsgi.input": io.BytesIO()}, lambda *_: None)).decode()

    until(lambda: "nightshift_api_check_runs_total" in ask("/metrics"))
    told = {
        module: ask("/probe", f"target={quote(f'{site.url}/{module}', safe='')}&module={module}&debug=true")
        for module in ("password", "token", "header")
    }
    told["/journey"] = ask("/journey", "name=login&debug=true")
    assert all("HTTP/1.1 500" in text or "HTTP 500" in text for text in told.values())
    for page in ("/", "/metrics", "/probes", "/api_checks", "/journeys", "/errors", "/deployments"):
        told |= {f"{page} as {accept}": ask(page, accept=accept) for accept in ("text/html", "application/json")}
    told["log"] = caplog.text
    assert [(where, word) for where, text in told.items() for word in WORDS if word in text] == []
