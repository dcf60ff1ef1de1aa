"""A small web shop that can be broken: the demo's and the acceptance tests' target.

    python -m demo.service serve --logs DIR --cache DIR --pid-file FILE
    python -m demo.service break disk|memory|worker|errors|latency [--url http://127.0.0.1:19180]

It answers `/`, `/products`, `/cart`, `/checkout`, `/health/resources` and `/health/system`, writes an access log
(combined format, then the request time in seconds) and is broken by POST /break/<way> from the same machine.
"""

import argparse
import http.client
import http.server
import ipaddress
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from demo.breakage import Breakage, UnknownBreakageError
from demo.vitals import MIB, Place, Vitals

DEFAULT_ADDRESS = "127.0.0.1:19180"
# A page in a browser cannot send this header to another origin unasked, so it cannot break anything.
BREAK_HEADER = "X-Demo-Break"
PAGES: Mapping[str, str] = {"/": "the shop", "/products": "three products", "/cart": "an empty cart"}
WORKER = str(Path(__file__).resolve().with_name("worker.py"))
REQUEST_TIMEOUT_SECONDS = 30.0


@dataclass
class Shop:
    """The service's state: its readings, what is broken, and its access log."""

    vitals: Vitals
    breakage: Breakage
    access_log: TextIO
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def log(self, line: str) -> None:
        """Appends one line to the access log."""
        with self._lock:
            self.access_log.write(line + "\n")
            self.access_log.flush()


class Answer(http.server.BaseHTTPRequestHandler):
    """Answers one connection's requests; `shop` is set by `serve`."""

    shop: Shop
    protocol_version = "HTTP/1.1"
    timeout = REQUEST_TIMEOUT_SECONDS
    _began: float = 0.0

    def do_GET(self) -> None:
        """Answers pages and health documents."""
        self._began = time.perf_counter()
        path = urllib.parse.urlsplit(self.path).path
        if path == "/health/resources":
            self._reply(200, self.shop.vitals.resources())
        elif path == "/health/system":
            self._reply(200, self.shop.vitals.system())
        elif path in PAGES:
            self._page({"page": PAGES[path]})
        else:
            self._reply(404, {"error": "no such page"})

    def do_POST(self) -> None:
        """Answers the checkout, and breaks the service when asked from this machine."""
        self._began = time.perf_counter()
        path = urllib.parse.urlsplit(self.path).path
        # The body is read in full: on a kept connection its rest would be taken for the next request.
        self.rfile.read(min(int(self.headers.get("Content-Length") or 0), MIB))
        if path == "/checkout":
            self._page({"order": random.randrange(10**6)})  # noqa: S311 -- a made-up order number
        elif path.startswith("/break/"):
            self._break(path.removeprefix("/break/"))
        else:
            self._reply(404, {"error": "no such page"})

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Writes the access log's line."""
        seconds = time.perf_counter() - self._began
        when = time.strftime("%d/%b/%Y:%H:%M:%S +0000", time.gmtime())
        agent = self.headers.get("User-Agent", "-").replace('"', "'") if hasattr(self, "headers") else "-"
        request = self.requestline.replace('"', "'")
        self.shop.log(
            f'{self.client_address[0]} - - [{when}] "{request}" {int(code)} {size} "-" "{agent}" {seconds:.3f}'
        )

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class's name
        """Says nothing: the access log has it all."""

    def _page(self, document: Mapping[str, object]) -> None:
        """Answers a page, slowly or with an error when that is broken."""
        threading.Event().wait(self.shop.breakage.delay_seconds())
        if self.shop.breakage.fails(random.random()):  # noqa: S311 -- a share, no secret
            self._reply(500, {"error": "broken on purpose"})
        else:
            self._reply(200, document)

    def _break(self, name: str) -> None:
        """Breaks the service; refuses strangers."""
        if not ipaddress.ip_address(self.client_address[0]).is_loopback or BREAK_HEADER not in self.headers:
            self._reply(403, {"error": f"only from this machine, with the header {BREAK_HEADER}"})
            return
        try:
            text = self.shop.breakage.do(name)
        except UnknownBreakageError as error:
            self._reply(404, {"error": str(error)})
            return
        self._reply(200, {"broken": name, "at": time.time(), "text": text})

    def _reply(self, code: int, document: Mapping[str, object]) -> None:
        """Sends one JSON document."""
        body = json.dumps(document).encode()
        self.send_response_only(code)
        self.log_request(code, len(body))
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


class Server(http.server.ThreadingHTTPServer):
    """The HTTP server: daemon threads, a real backlog."""

    daemon_threads = True
    request_queue_size = 128


def serve(place: Place, address: tuple[str, int], visitors_per_second: float) -> None:
    """Serves until SIGTERM or SIGINT; starts the worker, and visitors when asked for."""
    # From the first moment on: a signal that came between the worker's start and the wait would leave it behind.
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    for folder in (place.logs, place.cache, place.pid_file.parent):
        folder.mkdir(parents=True, exist_ok=True)
    vitals = Vitals(place)
    with place.access_log.open("a", encoding="utf-8") as log, Server(address, Answer) as server:
        Answer.shop = Shop(vitals, Breakage(vitals), log)
        if vitals.worker_pid() is None:
            start = [sys.executable, "-I", WORKER, "--detach", "--pid-file", str(place.pid_file)]
            subprocess.run(start, check=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        host, port = server.server_address[:2]
        print(f"listening on {host!s}:{port}", flush=True)
        if visitors_per_second > 0:
            visit = threading.Thread(target=_visit, args=(address, visitors_per_second), daemon=True)
            visit.start()
        signal.sigwait(signals)
        server.shutdown()
    _stop_worker(vitals)


def _stop_worker(vitals: Vitals) -> None:
    """Ends the worker, whoever started it: the service's life bounds its worker's."""
    pid = vitals.worker_pid()
    if pid is not None:
        os.kill(pid, signal.SIGTERM)


def _visit(address: tuple[str, int], per_second: float) -> None:
    """Makes requests as visitors would, for ever."""
    draw, pause = random.Random(), threading.Event()  # noqa: S311 -- traffic, no secret
    connection = http.client.HTTPConnection(*address, timeout=REQUEST_TIMEOUT_SECONDS)
    while True:
        path = draw.choice(("/", "/", "/products", "/products", "/cart", "/checkout"))
        try:
            connection.request("POST" if path == "/checkout" else "GET", path, headers={"User-Agent": "visitor"})
            connection.getresponse().read()
        except (OSError, http.client.HTTPException):
            connection.close()
        pause.wait(draw.expovariate(per_second))


def break_it(url: str, way: str, timeout_seconds: float = 30.0) -> Mapping[str, object]:
    """Asks a running service to break; gives its answer: `broken`, `at` (Unix seconds), `text`.

    Raises:
        RuntimeError: the service refuses; the text is its answer.
        OSError: the service cannot be reached.
    """
    address = urllib.parse.urlsplit(url)
    connection = http.client.HTTPConnection(address.hostname or "127.0.0.1", address.port, timeout=timeout_seconds)
    try:
        connection.request("POST", f"/break/{way}", headers={BREAK_HEADER: "1"})
        response = connection.getresponse()
        answer: dict[str, object] = json.loads(response.read())
    finally:
        connection.close()
    if response.status != 200:
        raise RuntimeError(f"{url} did not break {way}: {answer.get('error', response.status)}")
    return answer


def _arguments() -> argparse.ArgumentParser:
    """Describes the command line."""
    parser = argparse.ArgumentParser(prog="python -m demo.service", description=__doc__.splitlines()[0])
    verbs = parser.add_subparsers(dest="verb", required=True)
    serving = verbs.add_parser("serve", help="run the service")
    serving.add_argument("--listen", default=DEFAULT_ADDRESS, metavar="HOST:PORT", help="(default: %(default)s)")
    serving.add_argument("--logs", type=Path, required=True, help="log folder, counts against the quota")
    serving.add_argument("--cache", type=Path, required=True, help="cache folder, counts as memory")
    serving.add_argument("--pid-file", type=Path, required=True, help="the worker's pid file")
    serving.add_argument("--log-quota-mib", type=int, default=32, help="(default: %(default)s)")
    serving.add_argument("--memory-mib", type=int, default=64, help="(default: %(default)s)")
    serving.add_argument("--visitors-per-second", type=float, default=0.0, help="(default: %(default)s)")
    breaking = verbs.add_parser("break", help="break a running service")
    breaking.add_argument("way", help="disk, memory, worker, errors or latency")
    breaking.add_argument("--url", default=f"http://{DEFAULT_ADDRESS}", help="(default: %(default)s)")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Runs one verb; 1 when the service refuses or cannot be reached."""
    args = _arguments().parse_args(argv)
    if args.verb == "break":
        try:
            print(break_it(args.url, args.way)["text"])
        except (OSError, RuntimeError) as error:
            print(error, file=sys.stderr)
            return 1
        return 0
    host, _, port = args.listen.rpartition(":")
    place = Place(args.logs, args.cache, args.pid_file, args.log_quota_mib * MIB, args.memory_mib * MIB)
    serve(place, (host, int(port)), args.visitors_per_second)
    return 0


if __name__ == "__main__":
    sys.exit(main())
