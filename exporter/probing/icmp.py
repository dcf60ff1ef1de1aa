"""The ICMP prober: one echo request, as far as the system lets this process send it."""

import os
import socket
import struct
from dataclasses import dataclass
from typing import Annotated, Literal

import msgspec

from exporter.families import Family, Metric
from exporter.probing.attempt import Attempt
from exporter.probing.blackbox_metrics import phases
from exporter.probing.engine import Task
from exporter.probing.resolving import Wish, socket_address
from exporter.probing.run import Prober, Run
from exporter.probing.streams import Stream

PHASES = ("resolve", "setup", "rtt")
_GRANT = (
    "this process may not send pings: give it CAP_NET_RAW (systemd: AmbientCapabilities=CAP_NET_RAW), "
    "or its group to the kernel (sysctl net.ipv4.ping_group_range)"
)
_HEADER = struct.Struct("!BBHHH")
_TOKEN_BYTES = 16

SECONDS = Metric("probe_icmp_duration_seconds", "gauge", "Seconds of the ping by phase.", ["phase"])
HOP_LIMIT = Metric("probe_icmp_reply_hop_limit", "gauge", "Hop limit (time to live) that the reply had left.")


@dataclass(frozen=True, slots=True)
class Dialect:
    """What ICMP is called in a version of IP: protocol, types of messages, the options for the hop limit."""

    protocol: int
    request: int
    reply: int
    level: int
    hops: int
    receive_hops: int


_DIALECTS = {
    socket.AF_INET: Dialect(socket.IPPROTO_ICMP, 8, 0, socket.IPPROTO_IP, socket.IP_TTL, 12),  # 12: IP_RECVTTL
    socket.AF_INET6: Dialect(
        socket.IPPROTO_ICMPV6, 128, 129, socket.IPPROTO_IPV6, socket.IPV6_UNICAST_HOPS, socket.IPV6_RECVHOPLIMIT
    ),
}


class IcmpOptions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The options of the ICMP prober; the keys are blackbox_exporter's.

    Attributes:
        payload_size: bytes of payload.
        ttl: hop limit of the request; 0 for the system's.
        preferred_ip_protocol: whose addresses are tried.
        ip_protocol_fallback: whether the other one's will do.
    """

    payload_size: Annotated[int, msgspec.Meta(ge=_TOKEN_BYTES, le=65_000)] = 36
    ttl: Annotated[int, msgspec.Meta(ge=0, le=255)] = 0
    preferred_ip_protocol: Literal["ip4", "ip6"] = "ip6"
    ip_protocol_fallback: bool = True


class IcmpPlan:
    """One host under one module's *options*.

    Raises:
        ValueError: the target is empty.
    """

    def __init__(self, target: str, options: IcmpOptions) -> None:
        if not target or len(target) > 255:
            raise ValueError("a ping needs a host")
        self._host = target
        self._options = options
        self._wish = Wish(options.preferred_ip_protocol, options.ip_protocol_fallback)

    def __call__(self, run: Run) -> Task[None]:
        """Ask for an echo and wait for it.

        Raises:
            ProbeFailed, OSError: the probe failed.
        """
        family, address = yield from run.resolve(self._host, self._wish)
        dialect = _DIALECTS[socket.AddressFamily(family)]
        began = run.enter("setup")
        with _opened(run, family, dialect) as stream:
            stream.socket.setsockopt(dialect.level, dialect.receive_hops, 1)
            if self._options.ttl:
                stream.socket.setsockopt(dialect.level, dialect.hops, self._options.ttl)
            yield from stream.connect(socket_address(family, address, 0))
            now = run.enter("rtt")
            run.attempt.spend("setup", now - began)
            try:
                run.attempt.facts = yield from self._ping(stream, dialect)
            finally:
                run.attempt.spend("rtt", run.loop.now() - now)

    def _ping(self, stream: Stream, dialect: Dialect) -> Task[int]:
        """Send the request; the hop limit of its reply."""
        token = os.urandom(_TOKEN_BYTES)
        yield from stream.send(request(dialect, token.ljust(self._options.payload_size, b"n")))
        while True:
            data, hops = yield from stream.receive_packet(dialect.hops)
            if is_reply(data, dialect, token):
                return hops


def _opened(run: Run, family: int, dialect: Dialect) -> Stream:
    """A ping socket, or a raw one where the group is not let have that.

    Raises:
        ProbeFailed: neither is allowed (`permission`).
    """
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            return Stream(run.loop, family, kind, dialect.protocol)
        except PermissionError:
            continue
    raise run.fail("permission", _GRANT)


def request(dialect: Dialect, payload: bytes) -> bytes:
    """An echo request; a ping socket sets number and checksum by itself, a raw one needs the checksum (not in IPv6)."""
    number = int.from_bytes(payload[:2], "big")
    header = _HEADER.pack(dialect.request, 0, 0, number, 1)
    return _HEADER.pack(dialect.request, 0, checksum(header + payload), number, 1) + payload


def is_reply(data: bytes, dialect: Dialect, token: bytes) -> bool:
    """Whether *data* is the reply that has *token*; a raw socket of IPv4 gives the IP header too."""
    if dialect.protocol == socket.IPPROTO_ICMP and data[:1] and data[0] >> 4 == 4:
        data = data[(data[0] & 0xF) * 4 :]
    return data[:1] == bytes([dialect.reply]) and data[_HEADER.size :].startswith(token)


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    padded = data + b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(padded) // 2}H", padded))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def families(attempt: Attempt) -> list[Family]:
    """What only a ping has to say."""
    times = phases(SECONDS, attempt, PHASES)
    return [times, Family(HOP_LIMIT, attempt.facts)] if isinstance(attempt.facts, int) else [times]


PROBER = Prober(IcmpPlan, families, PHASES)
