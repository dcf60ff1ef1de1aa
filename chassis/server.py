"""A WSGI application under waitress, with the manners of a Prometheus daemon.

SIGTERM and SIGINT stop taking requests, finish what runs and return; SIGHUP asks the owner to reload. Overload
queues and is never answered by closing (ADR 0002): Alertmanager opens one connection per group without limit.
"""

import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Self

from waitress.server import create_server

from chassis.logs import event

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

log = logging.getLogger(__name__)

#: Alertmanager was measured to hold 2,199 connections for 5,000 groups.
CONNECTION_LIMIT = 4000
BACKLOG = 2048
#: Idle keep-alive connections hold slots of the limit.
CHANNEL_TIMEOUT_SECONDS = 60
#: How long a stop waits for requests that are being answered.
DRAIN_SECONDS = 10.0


class AddressUnusable(Exception):
    """A listen address that cannot be parsed or bound; the message says which and why."""


class Server(AbstractContextManager["Server"]):
    """Serves *application* on *addresses* (`HOST:PORT`, `[::1]:PORT`, `:PORT` for every interface).

    Raises:
        AddressUnusable: an address is malformed, taken or not ours.
    """

    def __init__(
        self,
        application: "WSGIApplication",
        addresses: Iterable[str],
        *,
        threads: int = 8,
        max_body_bytes: int = 32 * 1024 * 1024,
    ) -> None:
        self._stopping = threading.Event()
        self._sockets = [_bind(address) for address in addresses]
        self._waitress = create_server(
            application,
            sockets=self._sockets,
            threads=threads,
            connection_limit=CONNECTION_LIMIT,
            backlog=BACKLOG,
            channel_timeout=CHANNEL_TIMEOUT_SECONDS,
            cleanup_interval=10,
            max_request_body_size=max_body_bytes,
            max_request_header_size=64 * 1024,
            asyncore_use_poll=True,
            ident="nightshift",
            clear_untrusted_proxy_headers=True,
        )
        self._thread = threading.Thread(target=self._serve, name="web", daemon=True)

    @property
    def addresses(self) -> list[str]:
        """Where it listens, with the ports that the kernel chose."""
        return [_show(bound) for bound in self._sockets]

    def __enter__(self) -> Self:
        """Start serving in a thread of its own."""
        self._thread.start()
        for address in self.addresses:
            event(log, logging.INFO, "listening", address=address)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop listening and finish the requests that are being answered."""
        self._stopping.set()
        self._waitress.close()
        self._waitress.task_dispatcher.shutdown(cancel_pending=False, timeout=DRAIN_SECONDS)
        self._thread.join(timeout=1.0)

    def _serve(self) -> None:
        try:
            self._waitress.run()
        except OSError:
            # The sockets are closed under the loop when the server stops; at any other time it is a fault.
            if not self._stopping.is_set():
                raise


def until_stopped(on_reload: Callable[[], object]) -> None:
    """Wait for SIGTERM or SIGINT, calling *on_reload* for each SIGHUP. To be called from the main thread."""
    signals: list[int] = []
    wake = threading.Event()

    def receive(number: int, _frame: FrameType | None) -> None:
        signals.append(number)
        wake.set()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, receive)
    while True:
        wake.wait()
        wake.clear()
        while signals:
            if signals.pop(0) == signal.SIGHUP:
                on_reload()
            else:
                return


def _bind(address: str) -> socket.socket:
    host, port = parse_address(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
    except (OSError, OverflowError) as error:
        bound.close()
        raise AddressUnusable(f"cannot listen on {address}: {error}") from error
    return bound


def parse_address(address: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`; an empty host means every interface.

    Raises:
        AddressUnusable: *address* has no port, or one outside 0 to 65535.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:
        raise AddressUnusable(f"cannot listen on {address!r}: write HOST:PORT, e.g. 127.0.0.1:19093")
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 -- asked for by leaving the host out


def _show(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
