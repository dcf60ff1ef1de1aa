"""Is it up? By a TCP port that accepts connections."""

import socket

from exporter.checks.outcome import Check, Outcome

REASONS = ("refused", "timeout", "error")


def port_check(address: tuple[str, int], timeout: float) -> Check:
    """A check that something accepts TCP connections at *address* within *timeout* seconds."""

    def check() -> Outcome:
        try:
            socket.create_connection(address, timeout).close()
        except TimeoutError:
            return Outcome("timeout", f"{address[0]}:{address[1]}: no answer within {timeout:g} s")
        except ConnectionRefusedError:
            return Outcome("refused", f"{address[0]}:{address[1]}: connection refused")
        except OSError as error:
            return Outcome("error", f"{address[0]}:{address[1]}: {error.strerror or error}")
        return Outcome()

    return check


def parse_port(given: str | int) -> tuple[str, int]:
    """`HOST:PORT` (or a bare port of this machine) as host and port.

    Raises:
        ValueError: it is neither.
    """
    text = str(given)
    host, _, port = text.rpartition(":")
    if not port.isdecimal() or len(port) > 5 or not 0 < int(port) < 65536:
        raise ValueError(f"{text!r} is no port: write HOST:PORT, e.g. 127.0.0.1:6379")
    return host.strip("[]") or "127.0.0.1", int(port)
