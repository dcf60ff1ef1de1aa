"""What docs/howto/serve-it-safely.md prints is served, scraped and checked as it is printed."""

import argparse
import base64
import http.client
import re
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
import yaml

from chassis import flags, web
from demo import binaries
from exporter import config
from exporter.__main__ import main
from exporter.app import Exporter
from exporter.web import OPTIONAL_PATHS, Application

PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "serve-it-safely.md").read_text()
PASSWORD = "correct horse"
Ask = Callable[..., tuple[int, dict[str, str]]]


def block(language: str, beginning: str = "") -> str:
    """The page's block in this language that begins so."""
    return next(one for one in re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL) if one.startswith(beginning))


def hashed() -> str:
    """What the page's line makes of the password."""
    line = block("sh", "python3 -c").replace("python3", sys.executable, 1)
    done = subprocess.run(
        ["sh", "-euc", line], input=PASSWORD, capture_output=True, text=True, start_new_session=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def web_file(tmp_path: Path) -> Path:
    """The page's web configuration beside its files."""
    authority, clients = trustme.CA(), trustme.CA()
    server, client = authority.issue_cert("exporter.example"), clients.issue_cert("prometheus.example")
    for name, issued in (("exporter", server), ("prometheus", client)):
        issued.cert_chain_pems[0].write_to_path(tmp_path / f"{name}.pem")
        issued.private_key_pem.write_to_path(tmp_path / f"{name}.key")
    authority.cert_pem.write_to_path(tmp_path / "exporter-ca.pem")
    clients.cert_pem.write_to_path(tmp_path / "clients-ca.pem")
    (tmp_path / "exporter-password").write_text(PASSWORD)
    (tmp_path / "web.yml").write_text(block("yaml", "tls_server_config"))
    return tmp_path / "web.yml"


@pytest.fixture
def about(web_file: Path) -> dict[str, Any]:
    """The page's job, which is in prometheus.yml beside its files."""
    text = block("yaml", "scrape_configs").replace("/etc/prometheus/", f"{web_file.parent}/")
    (web_file.parent / "prometheus.yml").write_text(text)
    found: dict[str, Any] = yaml.safe_load(text)["scrape_configs"][0]
    return found


@pytest.fixture
def ask(web_file: Path, about: dict[str, Any]) -> Iterator[Ask]:
    """Asks an exporter with the page's web configuration as the page's job says; gives status and headers."""
    document = yaml.safe_load(web_file.read_text())
    document["basic_auth_users"][about["basic_auth"]["username"]] = hashed()
    web_file.write_text(yaml.safe_dump(document))
    token = web_file.parent / "token"
    token.touch(mode=0o600)
    token.write_text("token")
    (web_file.parent / "exporter.yml").write_text(f"collectors: {{deployments: {{token_file: {token}}}}}")
    exporter = Exporter(web_file.parent / "exporter.yml", config.known_collectors(), state_directory=str(token.parent))
    parser = argparse.ArgumentParser()
    flags.add(parser, config="exporter.yml", port=0)
    options = parser.parse_args([f"--web.config.file={web_file}", "--web.listen-address=127.0.0.1:0"])
    with web.serve(Application(exporter), options, 0, threads=2, max_body_bytes=1000) as server:
        yield lambda *words: request(server.addresses[0], about, *words)
    exporter.close()


def request(
    address: str, about: dict[str, Any], path: str = "/metrics", method: str = "GET", authorization: str = ""
) -> tuple[int, dict[str, str]]:
    """Ask as the job *about* says; status and headers."""
    tls, user = about["tls_config"], about["basic_auth"]
    context = ssl.create_default_context(cafile=tls["ca_file"])
    if "cert_file" in tls:
        context.load_cert_chain(tls["cert_file"], tls["key_file"])
    words = f"{user['username']}:{Path(user['password_file']).read_text()}".encode()
    connection = http.client.HTTPConnection(address, timeout=30)
    connection.connect()
    with context.wrap_socket(connection.sock, server_hostname=tls["server_name"]) as connection.sock:
        given = authorization or f"Basic {base64.b64encode(words).decode()}"
        connection.request(method, path, headers={"Authorization": given})
        response = connection.getresponse()
        response.read()
        connection.close()
    return response.status, dict(response.getheaders())


def test_job_of_the_page_scrapes_what_the_page_serves(ask: Ask) -> None:
    """Certificates, password by the page's own line, and headers fit together."""
    status, headers = ask()
    assert status == 200
    assert headers["Strict-Transport-Security"] == "max-age=31536000"
    assert headers["X-Content-Type-Options"] == "nosniff"


def test_client_without_a_certificate_is_refused(ask: Ask, about: dict[str, Any]) -> None:
    """The page's client_auth_type lets nobody in without one."""
    del about["tls_config"]["cert_file"]
    with pytest.raises((ssl.SSLError, ConnectionError)):
        ask()


def test_users_leave_no_room_for_tokens(ask: Ask) -> None:
    """The page's warning: with users, a post with the right token is 401, and one with a password lacks the token."""
    assert ask("/deployments", "POST", "Bearer token")[0] == 401
    assert ask("/deployments", "POST")[0] == 401


def test_web_configuration_of_the_page_passes_promtool(web_file: Path) -> None:
    """Prometheus' own checker takes the file, and so does the page's check."""
    assert promtool("web-config", web_file) == ""
    assert main(["check-config", "--web.config.file", str(web_file)]) == 0


def test_job_of_the_page_passes_promtool(web_file: Path, about: dict[str, Any]) -> None:
    """Prometheus' own checker takes the job, and finds its files."""
    assert about["scheme"] == "https"
    assert promtool("config", web_file.parent / "prometheus.yml") == ""


def promtool(what: str, path: Path) -> str:
    """What the checker has to complain about."""
    command = [str(binaries.find("promtool")), "check", what, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_table_names_every_path_that_a_collector_adds() -> None:
    """Nobody opens something that the page does not tell of."""
    table = PAGE[PAGE.index("| path |") : PAGE.index("- A request has one")]
    named = set(re.findall(r"`(?:GET |POST )?(/\w+)`", table)) - {"/metrics"}
    assert named == set(OPTIONAL_PATHS) - {"/journeys/screenshot"}


def test_systemd_commands_of_the_page_name_what_there_is() -> None:
    """The units that are copied are there, and the arguments are flags."""
    line, echo, _ = block("sh", "cp ").splitlines()
    assert all((Path(__file__).parents[2] / name).is_file() for name in line.split()[1:-1])
    parser = argparse.ArgumentParser()
    flags.add(parser, config="", port=0)
    options = parser.parse_args(re.findall(r"--[^ \"]+", echo))
    assert options.systemd_socket
    assert options.web_config_file == Path("/etc/nightshift/web.yml")


def test_command_for_cron_writes_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page's last command, with another folder."""
    (tmp_path / "exporter.yml").touch()
    line = block("sh", "python3 -m exporter once")
    words = line.replace("/etc/nightshift", str(tmp_path)).replace("/var/lib/node_exporter", str(tmp_path)).split()
    monkeypatch.chdir(tmp_path)
    assert main(words[3:]) == 0
    assert "nightshift_build_info" in (tmp_path / "nightshift.prom").read_text()
