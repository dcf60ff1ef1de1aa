"""How a daemon is reached: its application behind `--web.config.file`, on its addresses or on systemd's sockets."""

import argparse
import importlib
import os
import socket
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from chassis import flags
from chassis.server import MAX_BODY_BYTES, AddressUnusable, Server

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

#: The first descriptor that systemd hands over.
_FIRST_DESCRIPTOR = 3


class Security(Protocol):
    """What stands between the network and the application."""

    @property
    def channels(self) -> Callable[..., object] | None:
        """What makes the server's connections; None for plain HTTP."""

    def guard(self, application: "WSGIApplication") -> "WSGIApplication":
        """The application behind its rules."""


class PlainHttp:
    """No TLS, no users, no limit: the default, on loopback."""

    channels = None

    def guard(self, application: "WSGIApplication") -> "WSGIApplication":
        """*application* itself."""
        return application


def security(path: Path | None) -> Security:
    """What the web configuration at *path* asks for. TLS and bcrypt are imported only then: they cost 6 MB.

    Raises:
        ConfigInvalid: the file or a certificate cannot be used.
    """
    if path is None:
        return PlainHttp()
    found: Security = importlib.import_module("chassis.web_security").WebSecurity(path)
    return found


class Below:
    """*application* below *prefix* (`/nightshift`); all other paths are 404."""

    def __init__(self, application: "WSGIApplication", prefix: str) -> None:
        self._application = application
        self._prefix = "/" + prefix.strip("/")

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """Answer one request."""
        prefix, path = self._prefix, environ["PATH_INFO"]
        if not f"{path}/".startswith(f"{prefix}/"):
            body = f"Not found. Everything is below {prefix}/.\n".encode()
            headers = [("Content-Type", "text/plain; charset=utf-8"), ("Content-Length", str(len(body)))]
            start_response("404 Not Found", headers)
            return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]
        inner = {"SCRIPT_NAME": environ.get("SCRIPT_NAME", "") + prefix, "PATH_INFO": path[len(prefix) :] or "/"}
        return self._application({**environ, **inner}, start_response)


def serve(
    application: "WSGIApplication",
    options: argparse.Namespace,
    port: int,
    *,
    threads: int,
    max_body_bytes: int = MAX_BODY_BYTES,
) -> Server:
    """The server of *application* as the command line's *options* say; *port* is the default one on loopback.

    A body of over *max_body_bytes* is refused before the application, and any rule, is asked: it lies on disk until
    it has come whole, whoever sends it.

    Raises:
        AddressUnusable: an address cannot be used, or systemd handed no socket over.
        ConfigInvalid: the web configuration cannot be used.
    """
    guarded = security(options.web_config_file)
    if options.route_prefix.strip("/"):
        application = Below(application, options.route_prefix)
    addresses = systemd_sockets() if options.systemd_socket else flags.addresses(options.listen, port)
    guard = guarded.guard(application)
    return Server(guard, addresses, threads=threads, max_body_bytes=max_body_bytes, channels=guarded.channels)


def systemd_sockets() -> list[socket.socket]:
    """The sockets that systemd handed over (sd_listen_fds(3)).

    Raises:
        AddressUnusable: there are none for this process.
    """
    count = os.environ.get("LISTEN_FDS", "")
    if os.environ.get("LISTEN_PID") != str(os.getpid()) or not count.isdecimal() or int(count) < 1:
        raise AddressUnusable("systemd handed no socket over: start the .socket unit or leave the flag out")
    descriptors = range(_FIRST_DESCRIPTOR, _FIRST_DESCRIPTOR + int(count))
    for descriptor in descriptors:
        os.set_inheritable(descriptor, False)
    return [socket.socket(fileno=descriptor) for descriptor in descriptors]
