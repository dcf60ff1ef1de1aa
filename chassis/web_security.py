"""`--web.config.file` in use: a guard for the application and TLS for the server, both following the file."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from chassis import web_config
from chassis.basic_auth import BasicAuth
from chassis.config_file import ConfigInvalid
from chassis.tls import ServerTls, server_tls
from chassis.tls_channel import TlsChannels
from chassis.watched import Watched
from chassis.web_config import WebConfig
from chassis.web_guard import Guard, Rules, TokenBucket

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


@dataclass(frozen=True, slots=True)
class State:
    """What the file says at the moment; no TLS where *tls* is None."""

    rules: Rules
    tls: ServerTls | None


class WebSecurity:
    """What the file at *path* asks for. Changes of it and of the certificates count from the next second on.

    Raises:
        ConfigInvalid: the file or a certificate cannot be used; later that is logged, and what was in use stays.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._state = Watched(self._make, (ConfigInvalid,))
        self._speaks_tls = self._state().tls is not None

    def guard(self, application: "WSGIApplication") -> "WSGIApplication":
        """*application* behind users, headers and rate limit."""
        return Guard(application, lambda: self._state().rules)

    @property
    def channels(self) -> Callable[..., object] | None:
        """What makes the server's connections; None for plain HTTP."""
        return TlsChannels(self._tls) if self._speaks_tls else None

    def _tls(self) -> ServerTls:
        tls = self._state().tls
        if tls is None:  # `_make` lets no change take it away
            raise ConfigInvalid(f"{self._path.name}: tls_server_config is gone")
        return tls

    def _make(self) -> tuple[State, Iterable[Path]]:
        config = web_config.load(self._path)
        tls = config.tls_server_config
        if hasattr(self, "_speaks_tls") and self._speaks_tls != (tls is not None):
            raise ConfigInvalid(f"{self._path.name}: tls_server_config comes or goes only with a restart")
        files = [tls.cert_file, tls.key_file, tls.client_ca_file] if tls else []
        state = State(_rules(config), server_tls(tls) if tls else None)
        return state, [self._path, *(Path(name) for name in files if name)]


def _rules(config: WebConfig) -> Rules:
    users = BasicAuth(config.basic_auth_users) if config.basic_auth_users is not None else None
    headers = tuple(config.http_server_config.headers.items()) if config.http_server_config else ()
    limit = config.rate_limit
    return Rules(users, headers, TokenBucket(limit.seconds, limit.burst) if limit else TokenBucket(0, 1))
