"""The demo service's worker: a process that does nothing but live, with a pid file.

    python -m demo.worker --pid-file worker.pid              # in the foreground
    python -m demo.worker --pid-file worker.pid --detach     # starts it, and returns when it is up

`--ledger` appends one line per start to a file, `--linger` keeps the starting command alive for some seconds
after that: the acceptance tests kill the alert handler in that moment.
"""

import argparse
import os
import signal
import sys
import time
from pathlib import Path


def main(argv: list[str] | None = None) -> int:
    """Starts the worker; returns when it was told to stop, or at once after `--detach`."""
    parser = argparse.ArgumentParser(prog="python -m demo.worker", description=__doc__)
    parser.add_argument("--pid-file", type=Path, required=True, help="where the process id is written")
    parser.add_argument("--detach", action="store_true", help="run in the background, return when it is up")
    parser.add_argument("--ledger", type=Path, help="append a line per start to this file")
    parser.add_argument(
        "--linger", type=float, default=0.0, metavar="SECONDS", help="wait before starting (default: 0)"
    )
    args = parser.parse_args(argv)
    if args.ledger:
        _append(args.ledger, f"{time.time():.3f} {os.getpid()}\n")
    time.sleep(args.linger)
    if not args.detach:
        _announce(args.pid_file)
    elif _detach(args.pid_file):
        return 0
    _work(args.pid_file)
    return 0


def _append(ledger: Path, line: str) -> None:
    """Adds a line durably: it must be there even when this process is killed in the next instant."""
    with ledger.open("a", encoding="utf-8") as file:
        file.write(line)
        file.flush()
        os.fsync(file.fileno())


def _detach(pid_file: Path) -> bool:
    """Goes into the background as a daemon does: own session, no open file of the starter. True in the starter."""
    ready, tell = os.pipe()
    child = os.fork()
    if child:
        os.close(tell)
        os.waitpid(child, 0)
        # Ends when the worker closes its copy: then its pid file is written.
        os.read(ready, 1)
        return True
    os.setsid()
    if os.fork():
        os._exit(0)
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(null, descriptor)
    _announce(pid_file)
    # With the pipe's end go descriptors inherited from the starter: one could hold a lock of its.
    os.closerange(3, 1024)
    return False


def _announce(pid_file: Path) -> None:
    """Writes the pid file, whole or not at all; from now on SIGTERM and SIGINT wait for `_work`."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    new = pid_file.with_name(f".{pid_file.name}.{os.getpid()}")
    new.write_text(f"{os.getpid()}\n", encoding="ascii")
    new.replace(pid_file)


def _work(pid_file: Path) -> None:
    """Waits for SIGTERM or SIGINT and removes the pid file."""
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    pid_file.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main())
