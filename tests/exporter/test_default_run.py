"""The exporter as it comes: a real process without a configuration, watched by an audit hook."""

import json
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter import __main__ as command_line
from exporter.web import OPTIONAL_PATHS

#: Runs the command line and writes down whatever would leave the process: connections, names, datagrams, programs.
WATCHED = """
import sys
from exporter.__main__ import main
GOES_OUT = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "socket.sendmsg",
            "subprocess.Popen", "os.system", "os.posix_spawn", "urllib.Request")
def hook(event, arguments):
    # waitress looks at the addresses that it serves on, and first at its default; numbers are asked of nobody
    if event in GOES_OUT and not (event == "socket.getaddrinfo" and arguments[0] in ("127.0.0.1", "0.0.0.0")):
        print('{"msg": "goes out", "event": "%s"}' % event, file=sys.stderr)
sys.addaudithook(hook)
sys.exit(main(sys.argv[1:]))
"""
FLAGS = (
    *("--config.file", "--config.check", "--version", "--log.level", "--log.format"),
    *("--web.listen-address", "--web.config.file", "--web.systemd-socket", "--web.route-prefix"),
)


class Daemon:
    """A running exporter and what it logs."""

    def __init__(self, folder: Path) -> None:
        arguments = ["serve", "--web.listen-address", "127.0.0.1:0", "--log.format", "json", "--log.level", "debug"]
        command = [sys.executable, "-c", WATCHED, *arguments]
        root = str(Path(command_line.__file__).parents[1])
        self._process = subprocess.Popen(
            command, cwd=folder, stderr=subprocess.PIPE, text=True, env={"PYTHONPATH": root, "PATH": "/nowhere"}
        )
        self.lines: list[dict[str, str]] = []
        self._listens = threading.Event()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()
        assert self._listens.wait(30), self.lines
        self.url = f"http://{self.told('listening')[0]['address']}"

    def _read(self) -> None:
        for text in self._process.stderr:
            self.lines.append(json.loads(text))
            if self.lines[-1]["msg"] == "listening":
                self._listens.set()

    def told(self, text: str) -> list[dict[str, str]]:
        """The log lines with this text."""
        return [line for line in self.lines if line["msg"] == text]

    def ask(self, path: str, method: str = "GET") -> int:
        """The status of an answer."""
        request = urllib.request.Request(self.url + path, method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return int(response.status)
        except urllib.error.HTTPError as error:
            error.close()
            return error.code

    def end(self) -> int:
        """Send SIGTERM; the exit status."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        code = self._process.wait(10)
        self._reader.join(10)
        self._process.stderr.close()
        return code


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """An exporter for all tests that only ask it."""
    it = Daemon(tmp_path_factory.mktemp("shared"))
    yield it
    it.end()


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """An exporter in an empty folder."""
    it = Daemon(tmp_path)
    yield it
    it.end()


def test_default_run_sends_nothing(daemon: Daemon) -> None:
    """Scraped, looked at, reloaded and ended, it opens no connection, asks for no name and runs no program."""
    assert daemon.ask("/metrics") == 200
    assert daemon.ask("/") == 200
    assert daemon.ask("/-/reload", "POST") == 200
    assert daemon.end() == 0
    assert daemon.told("goes out") == []


def test_hook_sees_what_goes_out(tmp_path: Path) -> None:
    """The watch above would have seen a connection."""
    (tmp_path / "exporter.yml").write_text('collectors: {services: {services: {a: {port: "127.0.0.1:1"}}}}')
    command = [sys.executable, "-c", WATCHED, "once", "--config.file", str(tmp_path / "exporter.yml")]
    root = Path(command_line.__file__).parents[1]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=60, check=True)
    assert '"socket.connect"' in done.stderr


@pytest.mark.parametrize("path", OPTIONAL_PATHS)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_default_run_answers_no_path_that_does_something(shared: Daemon, path: str, method: str) -> None:
    """Whatever probes, walks or takes what is posted is there only where it is configured."""
    assert shared.ask(path, method) == 404


@pytest.mark.parametrize("path", ["/-/healthy", "/-/ready"])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_health_is_told(shared: Daemon, path: str, method: str) -> None:
    """Both paths answer both methods."""
    assert shared.ask(path, method) == 200


def test_help_names_every_flag(capsys: pytest.CaptureFixture[str]) -> None:
    """The flags are called as those of Prometheus' own programs, and there is none that would do nothing."""
    with pytest.raises(SystemExit):
        command_line.main(["--help"])
    shown = capsys.readouterr().out
    assert [flag for flag in FLAGS if flag not in shown] == []
    assert "--web.external-url" not in shown
