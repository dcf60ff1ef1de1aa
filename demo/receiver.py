"""The demo's people: takes webhook messages and appends each, with its time, to a file of JSON lines.

python -m demo.receiver --listen 127.0.0.1:PORT --file messages.jsonl
"""

import argparse
import http.server
import json
import signal
import sys
import threading
import time
from pathlib import Path

MAX_BODY_BYTES = 1024 * 1024


class Take(http.server.BaseHTTPRequestHandler):
    """Takes one connection's messages; `file` is set by `main`."""

    file: Path
    timeout = 30

    def do_POST(self) -> None:
        """Appends the message, then answers 200; anything but JSON gets 400."""
        body = self.rfile.read(min(int(self.headers.get("Content-Length") or 0), MAX_BODY_BYTES))
        try:
            line = json.dumps({"at": time.time(), "message": json.loads(body)})
        except ValueError:
            self.send_error(400, "not JSON")
            return
        with self.file.open("a", encoding="utf-8") as file:
            file.write(line + "\n")
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class's name
        """Says nothing: the file has it all."""


def messages(file: Path) -> list[dict[str, object]]:
    """Reads what was taken so far: a list of {at, message}."""
    if not file.exists():
        return []
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def main(argv: list[str] | None = None) -> int:
    """Serves until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m demo.receiver", description=__doc__.splitlines()[0])
    parser.add_argument("--listen", default="127.0.0.1:19190", metavar="HOST:PORT", help="(default: %(default)s)")
    parser.add_argument("--file", type=Path, required=True, help="file of JSON lines to append to")
    args = parser.parse_args(argv)
    Take.file = args.file
    host, _, port = args.listen.rpartition(":")
    signals = {signal.SIGTERM, signal.SIGINT}
    signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    with http.server.ThreadingHTTPServer((host, int(port)), Take) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        signal.sigwait(signals)
        server.shutdown()
    return 0


if __name__ == "__main__":
    sys.exit(main())
