"""A WSGI application under waitress, with the manners of a Prometheus daemon.

SIGTERM and SIGINT stop taking requests, finish what runs and return; SIGHUP asks the owner to reload. Overload
queues and is never answered by closing (ADR 0002): Alertmanager opens one connection per group without limit.
"""

import logging
import os
import resource
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, ExitStack
from types import FrameType, TracebackType
from typing import TYPE_CHECKING, Any, Self

from waitress import wasyncore
from waitress.server import BaseWSGIServer, create_server
from waitress.trigger import trigger

from chassis.channel import HIGH_WATERMARK, Channel, Dispatcher
from chassis.logs import event

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

log = logging.getLogger(__name__)

#: Alertmanager was measured to hold 2,199 connections for 5,000 groups.
CONNECTION_LIMIT = 4000
BACKLOG = 2048
#: Idle keep-alive connections hold slots of the limit.
CHANNEL_TIMEOUT_SECONDS = 60
#: A storm's largest webhook was measured at 5 MB.
MAX_BODY_BYTES = 32 * 1024 * 1024
#: How long a stop waits for requests that are being answered.
DRAIN_SECONDS = 10.0
#: File descriptors that are no connections: the store's, logs', children's pipes.
OTHER_DESCRIPTORS = 200
_POLL_SECONDS = 1.0
_DRAIN_POLL_SECONDS = 0.05


class AddressUnusable(Exception):
    """A listen address that cannot be parsed or bound; the message says which and why."""


class Server(AbstractContextManager["Server"]):
    """Serves *application* on *addresses* (`HOST:PORT`, `[::1]:PORT`, `:PORT` for every interface).

    An address may be a socket that listens already. *channels* makes the connections where they are not plain HTTP
    (`chassis.web_security`). An application with a method `at_once(path)` says so which paths it answers from memory,
    in less than a millisecond: the loop answers them itself.

    Raises:
        AddressUnusable: an address is malformed, taken or not ours.
    """

    def __init__(
        self,
        application: "WSGIApplication",
        addresses: Iterable[str | socket.socket],
        *,
        threads: int = 8,
        max_body_bytes: int = MAX_BODY_BYTES,
        channels: Callable[..., object] | None = None,
    ) -> None:
        self._stopping = threading.Event()
        self._sockets = _bind_all(addresses)
        #: waitress' own: every listener, wake-up pipe and connection by descriptor.
        self._map: dict[int, Any] = {}
        self._dispatcher = Dispatcher(getattr(application, "at_once", _never))
        self._dispatcher.set_thread_count(threads)
        self._waitress = create_server(
            application,
            map=self._map,
            _dispatcher=self._dispatcher,
            sockets=self._sockets,
            threads=threads,
            connection_limit=connection_limit(),
            backlog=BACKLOG,
            channel_timeout=CHANNEL_TIMEOUT_SECONDS,
            outbuf_high_watermark=HIGH_WATERMARK,
            cleanup_interval=10,
            max_request_body_size=max_body_bytes,
            max_request_header_size=64 * 1024,
            asyncore_use_poll=True,
            ident="nightshift",
            clear_untrusted_proxy_headers=True,
            url_scheme="https" if channels else "http",
        )
        for listener in self._of(BaseWSGIServer):
            listener.channel_class = channels or Channel
        self._swept = time.monotonic()
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
        """Stop listening and finish the requests that came before, for `DRAIN_SECONDS` at the most."""
        self._stopping.set()
        for pipe in self._of(trigger):
            pipe.pull_trigger()
        self._thread.join()
        if not self._dispatcher.threads:
            # Closed only now, when nobody can write to them any more: whoever wakes the loop, a thread that answers
            # late or this one above, must never write into a descriptor that is a database by then.
            wasyncore.close_all(self._map)

    def _of(self, kind: type[Any]) -> list[Any]:
        return [each for each in list(self._map.values()) if isinstance(each, kind)]

    def _serve(self) -> None:
        """The loop over all sockets; it alone opens and closes them, the wake-up pipes excepted."""
        self._dispatcher.loop = threading.get_ident()
        while not self._stopping.is_set():
            self._poll(_POLL_SECONDS)
        for listener in self._of(BaseWSGIServer):
            wasyncore.dispatcher.close(listener)
        deadline = time.monotonic() + DRAIN_SECONDS
        while self._busy() and time.monotonic() < deadline:
            self._poll(_DRAIN_POLL_SECONDS)
        self._dispatcher.shutdown(timeout=0.5)
        for channel in self._of(Channel):
            channel.handle_close()

    def _poll(self, seconds: float) -> None:
        wasyncore.loop(timeout=seconds, use_poll=True, map=self._map, count=1)
        now = time.monotonic()
        if now - self._swept >= _POLL_SECONDS:
            self._swept = now
            # No poll tells of a client that does not read, so waitress' own timeout never comes to it.
            for channel in [each for each in self._of(Channel) if each.stalled()]:
                channel.handle_close()

    def _busy(self) -> bool:
        """Whether a request is being answered or an answer is on its way; idle connections are closed."""
        busy = False
        for channel in self._of(Channel):
            if channel.requests or channel.total_outbufs_len:
                busy = True
            else:
                channel.will_close = True
        return busy


def _never(_path: str) -> bool:
    """An application that says nothing may take its time for every path."""
    return False


def connection_limit() -> int:
    """`CONNECTION_LIMIT`, or as many as the process may have descriptors for; the soft limit is raised for it.

    Many systems start a process with 1,024 descriptors, of which a storm of alerts would take even the store's.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTION_LIMIT + OTHER_DESCRIPTORS
    if soft != resource.RLIM_INFINITY and soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    if soft == resource.RLIM_INFINITY:
        return CONNECTION_LIMIT
    return max(1, min(CONNECTION_LIMIT, soft - OTHER_DESCRIPTORS))


class Signals:
    """SIGTERM, SIGINT and SIGHUP as a queue, from the moment it is made; to be made in the main thread.

    Make it before the first request is taken: an uncaught SIGHUP ends a process.
    """

    def __init__(self) -> None:
        # The interpreter's own C handler writes the number into a pipe. Python's handlers are not enough: an Event
        # deadlocks when a signal comes while its lock is held, and a signal just before a wait does not end the wait.
        self._pipe, woken = os.pipe()
        os.set_blocking(woken, False)
        signal.set_wakeup_fd(woken, warn_on_full_buffer=False)
        self._seen: set[int] = set()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._receive)

    def until_stopped(self, on_reload: Callable[[], object]) -> None:
        """Wait for SIGTERM or SIGINT, calling *on_reload* when a SIGHUP came; a reload that raises is logged."""
        while True:
            self._seen.update(os.read(self._pipe, 65536))
            if self._seen & {signal.SIGTERM, signal.SIGINT}:
                return
            if signal.SIGHUP in self._seen:
                self._seen.discard(signal.SIGHUP)
                _reload(on_reload)

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        """Note the number here too: a full pipe wakes the reader but has no room for it."""
        self._seen.add(number)


def _reload(on_reload: Callable[[], object]) -> None:
    try:
        on_reload()
    except Exception:  # one request, made by a signal: a configuration that cannot be used ends no daemon
        log.exception("the reload failed; what runs goes on")


def until_stopped(on_reload: Callable[[], object]) -> None:
    """Wait for SIGTERM or SIGINT, calling *on_reload* when a SIGHUP came. To be called from the main thread."""
    Signals().until_stopped(on_reload)


def _bind_all(addresses: Iterable[str | socket.socket]) -> list[socket.socket]:
    """A listening socket for each address, or none at all."""
    with ExitStack() as undo:
        bound = [undo.enter_context(_bind(it) if isinstance(it, str) else it) for it in addresses]
        undo.pop_all()
    return bound


def _bind(address: str) -> socket.socket:
    host, port = parse_address(address)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    bound = socket.socket(family, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        bound.bind((host, port))
        # Listening now, not later, shows at once that an address is given twice or taken by a program just starting.
        bound.listen(BACKLOG)
    except (OSError, OverflowError) as error:
        bound.close()
        why = getattr(error, "strerror", None) or error
        raise AddressUnusable(f"cannot listen on {address}: {why}; free it or give another address") from error
    return bound


def parse_address(address: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`; an empty host means every interface.

    Raises:
        AddressUnusable: *address* has no port, or one outside 0 to 65535.
    """
    host, colon, port = address.rpartition(":")
    if not colon or not port.isdecimal() or len(port) > 5 or int(port) > 65535:
        raise AddressUnusable(f"cannot listen on {address!r}: write HOST:PORT, e.g. 127.0.0.1:19093")
    return host.strip("[]") or "0.0.0.0", int(port)  # noqa: S104 -- asked for by leaving the host out


def _show(bound: socket.socket) -> str:
    host, port = bound.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
