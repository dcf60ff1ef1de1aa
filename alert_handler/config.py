"""The alert handler's configuration: one YAML file, strict, everything with a default.

With no file at all it runs in mode observe, keeps its store in ./nightshift.db and knows the shipped playbooks.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec

from alert_handler.errors import ConfigInvalid
from alert_handler.model import Mode
from alert_handler.playbooks import Playbook, check, check_unique
from alert_handler.policy import Policy
from chassis import config_file
from chassis.secret_files import SecretUnusable, read_secret

DEFAULT_PATH = "alert_handler.yml"
PORT = 19093
SHIPPED_PLAYBOOKS = Path(__file__).parent / "playbooks"
MAX_WORKERS = 64

Interval = Annotated[float, msgspec.Meta(ge=0.1, le=3600)]


class Upstream(msgspec.Struct, frozen=True):
    """A server that the handler asks: its address and how long to wait for an answer."""

    url: str
    timeout_seconds: Annotated[float, msgspec.Meta(ge=0.1, le=60)] = 5.0


class PrometheusUpstream(Upstream, frozen=True):
    """Prometheus, and how often it looks: a verification waits for one scrape and one evaluation after the action."""

    url: str = "http://127.0.0.1:9090"
    scrape_interval_seconds: Interval = 5.0
    evaluation_interval_seconds: Interval = 5.0

    @property
    def settle_seconds(self) -> float:
        """From an action's end until Prometheus has surely looked since."""
        return self.scrape_interval_seconds + self.evaluation_interval_seconds


class SwitchFiles(msgspec.Struct, frozen=True):
    """Where the switches are thrown: lines of NAME=value, and a file that stops everything by existing."""

    file: str = ""
    kill_file: str = ""


class Intake(msgspec.Struct, frozen=True):
    """Who may send alerts: with `token_file`, only senders that show its content as bearer token."""

    token_file: str = ""


class Watchdog(msgspec.Struct, frozen=True):
    """How long the always-firing alert may be silent before people are told."""

    max_silence_seconds: Annotated[float, msgspec.Meta(ge=1, le=86400)] = 300.0


class Config(msgspec.Struct, frozen=True):
    """The whole file."""

    mode: Mode = Mode.OBSERVE
    store_url: str = "sqlite:///nightshift.db"
    prometheus: PrometheusUpstream = PrometheusUpstream()
    alertmanager: Upstream = Upstream(url="http://127.0.0.1:9093")
    switches: SwitchFiles = SwitchFiles()
    intake: Intake = Intake()
    policy: Policy = Policy()
    watchdog: Watchdog = Watchdog()
    workers: int = 4
    #: Sections of the remediation kinds, by kind.
    remediations: dict[str, dict[str, Any]] = {}
    #: Channels by name; each may say `kind` (default: its name) and `min_severity`, the rest is its kind's.
    notifiers: dict[str, dict[str, Any]] = msgspec.field(default_factory=lambda: {"log": {}})
    #: Asked first, in this order; then those of the files.
    playbooks: tuple[Playbook, ...] = ()
    playbook_files: tuple[str, ...] = (str(SHIPPED_PLAYBOOKS / "*.yml"),)


def load(path: Path | None) -> Config:
    """The configuration in *path*, or the defaults when there is none; playbook files are read in.

    Raises:
        ConfigInvalid: it cannot be used; the message names file, path in it, value and remedy.
    """
    try:
        config = Config() if path is None else config_file.load(path, Config)
        name = path.name if path else "defaults"
        _check(config, name)
        entries = [*config.playbooks, *_from_files(config, path.parent if path else Path())]
        check_unique(entries)
    except config_file.ConfigInvalid as error:
        raise ConfigInvalid(str(error)) from error
    return msgspec.structs.replace(config, playbooks=tuple(entries))


@contextmanager
def built_from(path: Path | None) -> Iterator[None]:
    """While it is built what the file *path* asks for, a refusal names the file, as those of `load` do."""
    try:
        yield
    except ConfigInvalid as error:
        raise ConfigInvalid(f"{path.name if path else 'defaults'}: {error}") from error


def _check(config: Config, name: str) -> None:
    for place, url in (("prometheus.url", config.prometheus.url), ("alertmanager.url", config.alertmanager.url)):
        problem = _url_problem(url)
        if problem:
            raise ConfigInvalid(f"{name}: {place}: {problem}; write http://HOST:PORT")
    if not 1 <= config.workers <= MAX_WORKERS:
        raise ConfigInvalid(f"{name}: workers: {config.workers} is not within 1 to {MAX_WORKERS}")
    if config.intake.token_file:
        try:
            read_secret(config.intake.token_file)
        except SecretUnusable as error:
            raise ConfigInvalid(f"{name}: intake.token_file: {error}") from error
    for index, playbook in enumerate(config.playbooks):
        _check_playbook(playbook, f"{name}: playbooks[{index}]")


def _url_problem(url: str) -> str:
    """Why *url* cannot be asked, or ""; a secret in it is not repeated."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if "@" in url:
        return "an address must not hold credentials"
    if not usable or "?" in url or "#" in url or not url.isprintable() or " " in url:
        return f"{url!r} is no address"
    return ""


def _check_playbook(playbook: Playbook, place: str) -> None:
    try:
        check(playbook)
    except ConfigInvalid as error:
        raise ConfigInvalid(f"{place} ({playbook.name}): {error}") from error


def _from_files(config: Config, base: Path) -> list[Playbook]:
    """The entries of every playbook file; a pattern is relative to the configuration's folder."""
    found: list[Playbook] = []
    for pattern in config.playbook_files:
        files = _glob((base / pattern).absolute())
        if not files:
            raise ConfigInvalid(f"playbook_files: {pattern!r} matches no file below {base.absolute()}")
        for file in files:
            found += _from_file(file)
    return found


def _glob(pattern: Path) -> list[Path]:
    try:
        return sorted(Path("/").glob(str(pattern).lstrip("/")))
    except (OSError, ValueError) as error:
        raise ConfigInvalid(f"playbook_files: {str(pattern)!r} is no pattern: {error}") from error


def _from_file(file: Path) -> list[Playbook]:
    document = config_file.read(file)
    entries: list[Playbook] = config_file.decode(document or [], list[Playbook], file.name)
    for index, playbook in enumerate(entries):
        _check_playbook(playbook, f"{file.name}: [{index}]")
    return entries
