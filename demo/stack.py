"""The whole stack as private processes: Prometheus, Alertmanager, exporter, alert handler, demo service, receiver.

No root, no Docker, no system file: free loopback ports and one temporary folder, which is removed at the end. All
processes are ended by their own ids, also after a failure or Ctrl-C.

    with Stack() as stack:
        stack.wait_ready()
        break_it(stack.layout.url("service"), "disk")
"""

import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from alert_handler.remediations.cleanup import Root
from demo import configs
from demo.binaries import find
from demo.clients import Handler, Prometheus, UnreachableError, get
from demo.configs import ROOT, Layout
from demo.processes import Child, free_ports, stop_process
from demo.progress import Progress
from demo.vitals import living_pid
from demo.waiting import DeadlineError, until

# Parts in the order of the table; the last three are the demo's, not Nightshift's.
PARTS = ("prometheus", "alertmanager", "exporter", "handler", "service", "receiver")
# Prometheus itself and Alertmanager are scraped less often; a demo does not wait for that.
WATCHED = ("nightshift-exporter", "nightshift-handler")
READY: Mapping[str, str] = {
    "prometheus": "/-/ready",
    "alertmanager": "/-/ready",
    "exporter": "/-/ready",
    "handler": "/-/ready",
    "service": "/health/system",
}
READY_SECONDS = 60.0
# Our daemons run from any working directory; Go's collector is told to keep Prometheus and Alertmanager small.
ENVIRONMENT: Mapping[str, str] = {
    "PYTHONPATH": os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))),
    "GOGC": "50",
}
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 -- a tmpfs, used through mkdtemp
PREFIX = "nightshift-demo-"


class StackFailedError(RuntimeError):
    """A part of the stack ended or did not come up; the text names it and carries its last words."""


@dataclass(frozen=True)
class Options:
    """How a stack is set up.

    Args:
        interval_seconds: Prometheus' scrape and evaluation interval; the shipped one is 5 s.
        suite: Debian suite whose Prometheus and Alertmanager run; None takes those on PATH first.
        visitors_per_second: traffic on the demo service.
        adapt: called with a part's name and its configuration document before it is written.
        handler_address: address that Alertmanager calls instead of the handler's own (a proxy under test).
    """

    interval_seconds: float = 5.0
    suite: str | None = None
    visitors_per_second: float = 5.0
    adapt: Callable[[str, dict[str, object]], dict[str, object]] = lambda _part, document: document
    handler_address: str | None = None


class Stack(AbstractContextManager["Stack"]):
    """The running stack; entering starts every process, leaving ends them and removes the folder.

    Raises:
        BinaryMissingError: Prometheus or Alertmanager is not to be had.
        StackFailedError: a process cannot be started.
    """

    def __init__(self, options: Options | None = None, progress: Progress | None = None) -> None:
        self.options = options or Options()
        self.keep = False
        self._progress = progress
        self.layout = _new_layout(self.options.interval_seconds)
        self.children: dict[str, Child] = {}

    @property
    def prometheus(self) -> Prometheus:
        """Prometheus' API."""
        return Prometheus(self.layout.url("prometheus"))

    @property
    def handler(self) -> Handler:
        """The alert handler's API."""
        return Handler(self.layout.url("handler"))

    def __enter__(self) -> Self:
        """Writes the configuration and starts all processes."""
        try:
            self._start_all()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Ends everything, unless it is to be kept."""
        if self.keep and error is None:
            return
        self.stop()

    def stop(self) -> None:
        """Ends all processes and removes the folders."""
        # The handler first, so that it does not restart what is being ended.
        for name in ("handler", "alertmanager", "prometheus", "exporter", "service", "receiver"):
            if name in self.children:
                self.children[name].stop()
        # The worker may have been started by the handler; it is a session of its own.
        worker = living_pid(self.layout.pid_file)
        if worker is not None:
            stop_process(worker, str(self.layout.pid_file))
        shutil.rmtree(self.layout.cache, ignore_errors=True)
        shutil.rmtree(self.layout.folder, ignore_errors=True)

    def wait_ready(self, seconds: float = READY_SECONDS) -> None:
        """Waits until every part answers and Prometheus has scraped what it watches.

        Raises:
            StackFailedError: a part ended or did not come up in time.
        """
        for part, path in READY.items():
            url = self.layout.url(part) + path
            with self._blaming(part):
                until(lambda url=url: _answers(url), f"{part} at {url}", seconds, self.tick)  # type: ignore[misc]
        with self._blaming("prometheus"):
            until(self._scraped, "the first scrape of every part", seconds, self.tick)

    def wait(self, condition: Callable[[], object], what: str, seconds: float) -> object:
        """Waits until `condition` holds while every process lives; a part that does not answer counts as not yet.

        Raises:
            StackFailedError: a process ended.
            DeadlineError: it did not hold in time.
        """
        return until(lambda: _lenient(condition), what, seconds, self.tick)

    def tick(self, what: str) -> None:
        """Shows what is waited for.

        Raises:
            StackFailedError: a process has ended.
        """
        if self._progress:
            self._progress.waiting(f"waiting for {what}")
        for name, child in self.children.items():
            code = child.exit_code()
            if code is not None:
                raise StackFailedError(f"{name} ended with {code}; its last words:\n{child.last_lines()}")

    def resident_bytes(self) -> dict[str, int]:
        """Resident memory by part, now."""
        return {name: child.resident_bytes() for name, child in self.children.items()}

    def _start_all(self) -> None:
        """Writes the configuration, then starts every process.

        Raises:
            StackFailedError: one cannot be started.
        """
        for folder in (self.layout.logs, self.layout.folder / "prometheus", self.layout.folder / "alertmanager"):
            folder.mkdir(parents=True, exist_ok=True)
        self._write_configs()
        for name, argv in commands(self.layout, self.options).items():
            child = Child(name, argv, self.layout.folder / f"{name}.log", ENVIRONMENT)
            self.children[name] = child
            try:
                child.start()
            except OSError as error:
                raise StackFailedError(f"{name} cannot be started: {error}") from error

    def _write_configs(self) -> None:
        """Writes the four configuration files."""
        layout = self.layout
        rules = str(configs.SHIPPED / "rules" / "*.rules.yml")
        prometheus = configs.prometheus_text(layout.addresses, layout.interval_seconds, rules, layout.url("handler"))
        configs.write(layout.path("prometheus"), prometheus)
        called = self.options.handler_address or layout.addresses["handler"]
        configs.write(layout.path("alertmanager"), configs.alertmanager_text(called))
        for part, document in (
            ("exporter", configs.exporter_config(layout)),
            ("handler", configs.handler_config(layout, sys.executable)),
        ):
            configs.write_yaml(layout.path(part), self.options.adapt(part, document))

    @contextmanager
    def _blaming(self, part: str) -> Iterator[None]:
        """Adds a part's last words to a missed deadline.

        Raises:
            StackFailedError: in place of a DeadlineError.
        """
        try:
            yield
        except DeadlineError as error:
            words = self.children[part].last_lines()
            raise StackFailedError(f"{error}; the last words of {part}:\n{words}") from error

    def _scraped(self) -> bool:
        """Says whether Prometheus has scraped every watched part well."""
        try:
            up = self.prometheus.query("up == 1")
        except UnreachableError:
            return False
        return set(WATCHED) <= {labels["job"] for labels, _ in up}


def commands(layout: Layout, options: Options) -> Mapping[str, Sequence[str]]:
    """Gives the command of every part.

    Raises:
        BinaryMissingError: Prometheus or Alertmanager is not to be had.
    """
    at = layout.addresses
    ours = {
        part: [sys.executable, "-m", package, "--config.file", str(layout.path(part)), "--web.listen-address", at[part]]
        for part, package in (("exporter", "exporter"), ("handler", "alert_handler"))
    }
    # The links in messages and on pages lead to where the handler really is.
    ours["handler"] += ["--web.external-url", layout.url("handler")]
    return {
        "service": _service_command(layout, options),
        "receiver": [sys.executable, "-m", "demo.receiver", "--listen", at["receiver"], "--file", str(layout.messages)],
        "alertmanager": [
            str(find("alertmanager", options.suite)),
            f"--config.file={layout.path('alertmanager')}",
            f"--storage.path={layout.folder / 'alertmanager'}",
            f"--web.listen-address={at['alertmanager']}",
            # One Alertmanager alone; by default it would listen for peers on every interface.
            "--cluster.listen-address=",
        ],
        "prometheus": [
            str(find("prometheus", options.suite)),
            f"--config.file={layout.path('prometheus')}",
            f"--storage.tsdb.path={layout.folder / 'prometheus'}",
            f"--web.listen-address={at['prometheus']}",
        ],
        **ours,
    }


def _service_command(layout: Layout, options: Options) -> list[str]:
    """Gives the demo service's command."""
    argv = [sys.executable, "-m", "demo.service", "serve", "--listen", layout.addresses["service"]]
    argv += ["--logs", str(layout.logs), "--cache", str(layout.cache), "--pid-file", str(layout.pid_file)]
    return [*argv, "--visitors-per-second", str(options.visitors_per_second)]


def _new_layout(interval_seconds: float) -> Layout:
    """Makes the temporary folders and picks the ports."""
    folder = Path(tempfile.mkdtemp(prefix=PREFIX))
    cache = _cache_folder(folder)
    addresses = {part: f"127.0.0.1:{port}" for part, port in zip(PARTS, free_ports(len(PARTS)), strict=True)}
    return Layout(folder, cache, addresses, interval_seconds)


def _cache_folder(folder: Path) -> Path:
    """Makes the cache folder: in memory, so that cleaning it frees memory, where there is and the handler may clean."""
    parent = folder
    if SHARED_MEMORY.is_dir() and os.access(SHARED_MEMORY, os.W_OK):
        try:
            Root(str(SHARED_MEMORY / PREFIX))
            parent = SHARED_MEMORY
        except ValueError:
            parent = folder
    return Path(tempfile.mkdtemp(prefix=PREFIX, dir=parent))


def _answers(url: str) -> bool:
    """Says whether a GET gives 2xx."""
    try:
        get(url)
    except UnreachableError:
        return False
    return True


def _lenient(condition: Callable[[], object]) -> object:
    """Gives what a condition gives, None while a part does not answer."""
    try:
        return condition()
    except UnreachableError:
        return None
