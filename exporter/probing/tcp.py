"""The TCP prober: connect, TLS if wanted, then a conversation of lines expected and sent."""

import re
from dataclasses import dataclass
from typing import Literal

import msgspec

from exporter.families import Family
from exporter.probing.attempt import Attempt
from exporter.probing.blackbox_metrics import BY_PATTERN
from exporter.probing.engine import Task
from exporter.probing.resolving import Wish
from exporter.probing.run import Prober, Run
from exporter.probing.settings import check_patterns, compiled, host_and_port, matches
from exporter.probing.streams import Stream
from exporter.probing.tls import TlsConfig

PHASES = ("resolve", "connect", "tls", "processing")
_GROUP = re.compile(r"\$\{(\w+)\}|\$(\w+)")
#: A conversation is made of lines; a server that sends more than this without the expected one has failed.
_MAX_RECEIVED = 1024 * 1024
_MAX_LINE = 64 * 1024
_SNIPPET_BYTES = 1024


class Exchange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One step of a conversation.

    Attributes:
        expect: a regular expression; lines are read until one matches.
        send: a line to send then; ${1} stands for the first group of *expect*.
        starttls: speak TLS from here on.
    """

    expect: str = ""
    send: str = ""
    starttls: bool = False

    def __post_init__(self) -> None:
        check_patterns(self.expect)
        if not (self.expect or self.send or self.starttls):
            raise ValueError("give at least one of expect, send, starttls")


class TcpOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The options of the TCP prober; the keys are blackbox_exporter's.

    Attributes:
        query_response: the conversation; empty to connect only.
        tls: speak TLS from the beginning.
        tls_config: how TLS is spoken.
        preferred_ip_protocol: whose addresses are tried.
        ip_protocol_fallback: whether the other one's will do.
    """

    query_response: tuple[Exchange, ...] = ()
    tls: bool = False
    tls_config: TlsConfig = TlsConfig()
    preferred_ip_protocol: Literal["ip4", "ip6"] = "ip6"
    ip_protocol_fallback: bool = True


@dataclass(slots=True)
class _Lines:
    """Lines out of a stream, and what is left of the last piece."""

    stream: Stream
    received: int = 0
    rest: bytes = b""
    groups: re.Match[str] | None = None

    def next(self, run: Run) -> Task[str]:
        """The next line without its end; the last one may have none.

        Raises:
            ProbeFailed: too much came, or no more comes.
        """
        while b"\n" not in self.rest:
            data = yield from self.stream.receive()
            if not data:
                if not self.rest:
                    raise run.fail("answer", "the connection ended before the expected line came", by_pattern=True)
                data = b"\n"
            run.attempt.snippet = (run.attempt.snippet + data)[:_SNIPPET_BYTES]
            self.rest += data
            self.received += len(data)
            if self.received > _MAX_RECEIVED or len(self.rest) > _MAX_LINE + len(data):
                raise run.fail("too_large", f"{self.received} bytes came without the expected line")
        line, _, self.rest = self.rest.partition(b"\n")
        return line.rstrip(b"\r").decode("utf-8", "replace")


class TcpPlan:
    """One target, `HOST:PORT`, under one module's *options*.

    Raises:
        ValueError: the target is no host and port.
    """

    def __init__(self, target: str, options: TcpOptions) -> None:
        self._host, self._port = host_and_port(target)
        self._options = options
        self._server_name = options.tls_config.server_name or self._host
        self._wish = Wish(options.preferred_ip_protocol, options.ip_protocol_fallback)

    def __call__(self, run: Run) -> Task[None]:
        """Connect and talk.

        Raises:
            ProbeFailed, OSError: the probe failed.
        """
        family, address = yield from run.resolve(self._host, self._wish)
        with Stream(run.loop, family) as stream:
            yield from run.connect(stream, address, self._port)
            if self._options.tls:
                yield from run.secure(stream, self._options.tls_config, self._server_name)
            lines = _Lines(stream)
            for number, exchange in enumerate(self._options.query_response, 1):
                began = run.enter(f"query_response {number}")
                try:
                    yield from self._talk(run, lines, exchange)
                finally:
                    run.attempt.spend("processing", run.loop.now() - began)

    def _talk(self, run: Run, lines: _Lines, exchange: Exchange) -> Task[None]:
        if exchange.expect:
            pattern = compiled(exchange.expect)
            lines.groups = None
            while lines.groups is None:
                line = yield from lines.next(run)
                lines.groups = pattern.search(line) if matches(exchange.expect, line) else None
            run.note("matched {!r}", exchange.expect)
        if exchange.send:
            yield from lines.stream.send(_filled(exchange.send, lines.groups).encode() + b"\n")
            run.note("sent {} characters", len(exchange.send))
        if exchange.starttls:
            # What came before the handshake was not encrypted: who sent it may not be who shows the certificate.
            if lines.rest:
                raise run.fail("protocol", "the server sent more text before TLS began")
            yield from run.secure(lines.stream, self._options.tls_config, self._server_name)


def _filled(template: str, found: re.Match[str] | None) -> str:
    """*template* with the groups of the last match for `${1}` and `$name`; unknown ones are empty, as in Go."""

    def group(place: re.Match[str]) -> str:
        key = place[1] or place[2]
        try:
            return (found[int(key) if key.isdecimal() else key] or "") if found else ""
        except IndexError:
            return ""

    return _GROUP.sub(group, template)


def families(attempt: Attempt) -> list[Family]:
    """What only a TCP probe has to say."""
    return [Family(BY_PATTERN, attempt.by_pattern)]


PROBER = Prober(TcpPlan, families, PHASES)
