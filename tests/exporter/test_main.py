import json
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from exporter import __main__ as command_line
from tests.exporter.doubles import Until

#: Runs a verb: exit code, output, error output.
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """Runs a verb in an empty folder; its exit code, output and error output."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str) -> tuple[int, str, str]:
        code = command_line.main(list(arguments))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


def test_once_prints_the_exposition(run: Run) -> None:
    """One scrape of this machine on standard output, nothing else."""
    code, out, err = run("once")
    assert (code, err) == (0, "")
    assert "\nnightshift_memory_used_ratio 0." in out


def test_once_output_replaces_the_file(run: Run, tmp_path: Path) -> None:
    """A file is written whole or not at all, readable for the collector of text files."""
    path = tmp_path / "nightshift.prom"
    path.write_text("old")
    assert run("once", "--output", str(path))[0] == 0
    assert "nightshift_cpus" in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(tmp_path.iterdir()) == [path]


def test_once_shows_no_process(run: Run) -> None:
    """It has ended when the file is read, and node_exporter, which shows the file, has series of these names."""
    assert not re.search(r"^process_", run("once")[1], re.MULTILINE)


def test_once_is_a_flag_too(run: Run) -> None:
    """Cron jobs of other tools write it so."""
    assert "nightshift_cpus" in run("--once")[1]


def test_once_leaves_the_daemons_state_alone(run: Run, tmp_path: Path) -> None:
    """A run beside the daemon does not move how far that one has read its logs."""
    (tmp_path / "log").touch()
    traffic = f"traffic: {{state_directory: {tmp_path}/state, services: {{a: {{path: {tmp_path}/log}}}}}}"
    (tmp_path / "exporter.yml").write_text(f"collectors: {{{traffic}}}")
    assert 'log_readable{service="a"} 1' in run("once")[1]
    assert not (tmp_path / "state").exists()


def test_once_output_that_cannot_be_written(run: Run, tmp_path: Path) -> None:
    """A folder that is not there is one line on standard error."""
    code, out, err = run("once", "--output", str(tmp_path / "none" / "x"))
    assert (code, out, err.count("\n")) == (2, "", 1)


def test_describe_lists_every_metric(run: Run) -> None:
    """The table has a heading, the JSON is a list; no collector runs for it."""
    assert run("describe")[1].startswith("METRIC ")
    names = {row["name"] for row in json.loads(run("describe", "--format", "json")[1])}
    assert {"nightshift_service_up", "nightshift_http_requests_total", "process_open_fds"} <= names


@pytest.mark.parametrize("arguments", [("check-config",), ("--config.check",)])
def test_check_config_names_what_runs(run: Run, arguments: str) -> None:
    """A valid configuration is told with its collectors, by verb and by flag."""
    assert run(*arguments)[:2] == (0, "built-in defaults: valid; collectors: resources\n")


@pytest.mark.parametrize("verb", ["serve", "once", "check-config"])
def test_bad_configuration_is_one_line_and_2(run: Run, tmp_path: Path, verb: str) -> None:
    """A mistake is one line that names the place, whatever the verb."""
    (tmp_path / "exporter.yml").write_text("collectors: {trafic: {}}")
    expected = 'nightshift-exporter: config: exporter.yml: collectors: unknown key "trafic" (did you mean "traffic"?)\n'
    assert run(verb) == (2, "", expected)


def test_bad_address_is_one_line_and_2(run: Run) -> None:
    """An address that is none is told as such."""
    code, _, err = run("serve", "--web.listen-address", "nowhere")
    assert (code, err.count("\n")) == (2, 1)
    assert "cannot listen on 'nowhere'" in err


def test_serve_answers_reloads_and_drains(tmp_path: Path, until: Until) -> None:
    """The daemon answers, SIGHUP loads the file again, SIGTERM ends it with 0."""
    config = tmp_path / "exporter.yml"
    config.write_text("")
    arguments = ["serve", "--config.file", str(config), "--web.listen-address", "127.0.0.1:0", "--log.format", "json"]
    process = subprocess.Popen([sys.executable, "-m", "exporter", *arguments], stderr=subprocess.PIPE, text=True)
    lines = []
    reader = threading.Thread(target=lambda: lines.extend(map(json.loads, process.stderr)))
    reader.start()
    until(lambda: [line for line in lines if line["msg"] == "listening"])
    address = next(line["address"] for line in lines if line["msg"] == "listening")
    with urllib.request.urlopen(f"http://{address}/metrics") as response:
        assert b"nightshift_cpus" in response.read()
    config.write_text("collectors: {resources: {enabled: false}}")
    process.send_signal(signal.SIGHUP)
    until(lambda: [line for line in lines if line["msg"] == "configuration loaded"])
    process.terminate()
    assert process.wait(10) == 0
    reader.join(10)
    process.stderr.close()
