"""Names to addresses without blocking: /etc/hosts, then the name servers of /etc/resolv.conf by UDP, TCP if cut off.

`getaddrinfo` blocks its thread for as long as name servers are silent (5 s a try and more), so 1,000 targets with a
silent name server would need hundreds of threads, or would delay each other. So the engine asks by itself, as Go's
resolver does; what other nsswitch modules know (LDAP, mDNS) is not seen. Nothing is cached: the time that resolving
takes is a part of what a probe measures.
"""

import ipaddress
import secrets
import socket
import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Generic, TypeVar

from exporter.probing import dns_messages
from exporter.probing.attempt import ProbeFailed
from exporter.probing.dns_messages import DnsMalformed, Message
from exporter.probing.engine import Loop, Task
from exporter.probing.streams import Address, Stream

Value = TypeVar("Value")

#: The families by the words of the configuration, the preferred one first, and the records that have their addresses.
_WISHES: Mapping[str, tuple[int, int]] = {
    "ip4": (socket.AF_INET, socket.AF_INET6),
    "ip6": (socket.AF_INET6, socket.AF_INET),
}
_KINDS: Mapping[int, str] = {socket.AF_INET: "A", socket.AF_INET6: "AAAA"}
_MAX_FILE_BYTES = 1024 * 1024
_MAX_SERVERS = 3
_MAX_ALIASES = 16
DNS_PORT = 53


@dataclass(frozen=True, slots=True)
class ResolverConfig:
    """What /etc/resolv.conf says: servers with their ports, search domains, dots that make a name absolute, tries."""

    servers: tuple[tuple[str, int], ...] = (("127.0.0.1", DNS_PORT),)
    search: tuple[str, ...] = ()
    ndots: int = 1
    timeout: float = 5.0
    attempts: int = 2


@dataclass(frozen=True, slots=True)
class Wish:
    """Which addresses are wanted: the preferred family's, and whether the other one's will do."""

    preferred: str = "ip6"
    fallback: bool = True

    def families(self) -> tuple[int, ...]:
        """The families that may be used, the preferred one first."""
        return _WISHES[self.preferred][: 2 if self.fallback else 1]


@dataclass(frozen=True, slots=True)
class Question:
    """Which records are asked for, and whether the server is to ask others."""

    name: str
    kind: str
    recurse: bool = True

    def message(self, number: int) -> bytes:
        """The question as message *number*.

        Raises:
            DnsMalformed: the name cannot be asked for, or the type is not known.
        """
        return dns_messages.query(number, self.name, self.kind, recurse=self.recurse)

    def key(self) -> tuple[str, int]:
        """What an answer repeats of it."""
        return dns_messages.normal(self.name), dns_messages.TYPES[self.kind]


class Kept(Generic[Value]):
    """A file as its parsed content, read again when it has changed; a missing file is an empty one."""

    def __init__(self, path: str, parse: Callable[[str], Value]) -> None:
        self._path = Path(path)
        self._parse = parse
        self._seen: tuple[int, int, int] | None = None
        self._value = parse("")

    def __call__(self) -> Value:
        """The content as it is now."""
        try:
            found = self._path.stat()
            seen = (found.st_mtime_ns, found.st_size, found.st_ino)
            if seen != self._seen:
                with self._path.open("rb") as file:
                    self._value = self._parse(file.read(_MAX_FILE_BYTES).decode("utf-8", "replace"))
                self._seen = seen
        except OSError:
            self._seen, self._value = None, self._parse("")
        return self._value


class Resolver:
    """Resolves names inside *loop*; the paths are those of the system."""

    def __init__(self, hosts: str = "/etc/hosts", resolv_conf: str = "/etc/resolv.conf") -> None:
        self._hosts = Kept(hosts, parse_hosts)
        self._config = Kept(resolv_conf, parse_resolv_conf)

    def resolve(self, loop: Loop, name: str, wish: Wish) -> Task[tuple[int, str]]:
        """Family and address of *name*, which may be an address itself.

        Raises:
            ProbeFailed: there is none that is wanted (`resolve`).
        """
        literal = address_family(name)
        if literal:
            if literal not in wish.families():
                raise ProbeFailed("resolve", f"{name} is no {wish.preferred} address, and no other is wanted")
            return literal, name
        wanted = wish.families()
        known = self._from_hosts(name)
        for family in wanted:
            if family in known:
                return family, known[family]
        return (yield from self._ask(loop, name, wanted))

    def _from_hosts(self, name: str) -> Mapping[int, str]:
        return self._hosts().get(name.rstrip(".").lower(), {})

    def _ask(self, loop: Loop, name: str, families: Sequence[int]) -> Task[tuple[int, str]]:
        config = self._config()
        problem = f"{name} has no address"
        for full in candidates(name, config):
            refused = None
            for family in families:
                try:
                    message = yield from exchange_with_retries(loop, config, Question(full, _KINDS[family]))
                    found = _judged(message, _KINDS[family])
                except (ProbeFailed, DnsMalformed) as error:
                    refused = error  # some servers know no AAAA, and fail where they should say that there is none
                    continue
                if found:
                    return family, found
                problem = f"{name} has no address ({message.rcode})"
            if refused is not None:
                raise ProbeFailed("resolve", f"{name}: {refused}") from refused
        raise ProbeFailed("resolve", problem)


def _judged(message: Message, kind: str) -> str:
    """The address of *kind* in an answer; empty where there is none.

    Raises:
        ProbeFailed: the server could not tell (`resolve`).
    """
    found = address_in(message, kind)
    if not found and message.rcode not in ("NOERROR", "NXDOMAIN"):
        raise ProbeFailed("resolve", f"the name server answers {message.rcode}")
    return found


@lru_cache(maxsize=2048)
def address_family(name: str) -> int:
    """The family of a literal address; 0 for a name."""
    if not name or not (name[-1].isdigit() or ":" in name):
        return 0
    try:
        return socket.AF_INET if ipaddress.ip_address(name).version == 4 else socket.AF_INET6
    except ValueError:
        return 0


def socket_address(family: int, address: str, port: int) -> Address:
    """What `connect` takes."""
    if family == socket.AF_INET:
        return family, (address, port)
    bare, _, zone = address.partition("%")
    return family, (bare, port, 0, _zone_number(zone))


def _zone_number(zone: str) -> int:
    """The number of a network device, 0 where there is none of that name."""
    if not zone:
        return 0
    try:
        return int(zone) if zone.isdecimal() else socket.if_nametoindex(zone)
    except OSError:
        return 0


def candidates(name: str, config: ResolverConfig) -> list[str]:
    """The full names to ask for, in the order of resolv.conf(5)."""
    if name.endswith("."):
        return [name]
    searched = [f"{name}.{domain}" for domain in config.search]
    return [name, *searched] if name.count(".") >= config.ndots else [*searched, name]


def exchange_with_retries(loop: Loop, config: ResolverConfig, question: Question) -> Task[Message]:
    """The answer of the first name server that answers.

    Raises:
        ProbeFailed: none answers (`resolve`).
        DnsMalformed: the name cannot be asked for.
    """
    for _ in range(config.attempts):
        for server in config.servers:
            family = address_family(server[0])
            address = socket_address(family, *server)
            until = loop.now() + config.timeout
            try:
                message = yield from ask_by_udp(loop, address, question, until)
                if message is not None and message.truncated:
                    message = yield from ask_by_tcp(loop, address, question)
            except OSError:
                continue  # this server is not there; the next one may be
            if message is not None and message.rcode != "SERVFAIL":
                return message
    raise ProbeFailed("resolve", f"no name server of resolv.conf answers for {question.name}")


def ask_by_udp(loop: Loop, address: Address, question: Question, until: float | None = None) -> Task[Message | None]:
    """One question by UDP; None where no answer has come *until* then (monotonic seconds).

    Raises:
        OSError: the server's port is closed, or there is no way to it.
        DnsMalformed: the name cannot be asked for.
    """
    number = secrets.randbelow(65536)
    asked = question.message(number)
    with Stream(loop, address[0], socket.SOCK_DGRAM) as stream:
        yield from stream.connect(address)
        yield from stream.send(asked)
        while True:
            data = yield from stream.receive(until)
            if data is None:
                return None
            message = answer_to(data, number, question)
            if message is not None:
                return message


def ask_by_tcp(loop: Loop, address: Address, question: Question) -> Task[Message]:
    """One question by TCP.

    Raises:
        OSError: the connection fails.
        DnsMalformed: the name cannot be asked for, or what comes is no answer.
    """
    with Stream(loop, address[0]) as stream:
        yield from stream.connect(address)
        return (yield from ask_on(stream, question))


def ask_on(stream: Stream, question: Question) -> Task[Message]:
    """One question over a connected stream (RFC 7766).

    Raises:
        OSError: the connection fails.
        DnsMalformed: the name cannot be asked for, or what comes is no answer.
    """
    number = secrets.randbelow(65536)
    asked = question.message(number)
    yield from stream.send(struct.pack("!H", len(asked)) + asked)
    data = b""
    while len(data) < 2 or len(data) < 2 + int.from_bytes(data[:2], "big"):
        piece = yield from stream.receive()
        if not piece:
            raise DnsMalformed("the connection ended before the answer did")
        data += piece
    message = answer_to(data[2 : 2 + int.from_bytes(data[:2], "big")], number, question)
    if message is None:
        raise DnsMalformed("the answer is to another question")
    return message


def answer_to(data: bytes, number: int, question: Question) -> Message | None:
    """The message in *data* if it answers this question; None for anything else (late, forged)."""
    try:
        message = dns_messages.read(data)
    except DnsMalformed:
        return None
    return message if message.number == number and message.question == question.key() else None


def address_in(message: Message, kind: str) -> str:
    """The first address of *kind* that the question's name leads to, through its aliases; empty where there is none."""
    name = message.question[0]
    for _ in range(_MAX_ALIASES):
        for record in message.answers:
            if record.name == name and record.kind == kind:
                return record.data
        alias = next((each.data for each in message.answers if each.name == name and each.kind == "CNAME"), "")
        if not alias:
            return ""
        name = alias
    return ""


def parse_hosts(text: str) -> dict[str, dict[int, str]]:
    """Name -> family -> address, from the text of /etc/hosts; the first line for a name and family counts."""
    found: dict[str, dict[int, str]] = {}
    for line in text.splitlines():
        words = line.partition("#")[0].split()
        family = address_family(words[0]) if words else 0
        for name in words[1:] if family else ():
            found.setdefault(name.lower().rstrip("."), {}).setdefault(family, words[0])
    return found


def parse_resolv_conf(text: str) -> ResolverConfig:
    """What the text of /etc/resolv.conf says; lines that cannot be read are left out, as the C library does."""
    servers: list[tuple[str, int]] = []
    search: tuple[str, ...] = ()
    options: dict[str, int] = {}
    for line in text.splitlines():
        words = line.split()
        if len(words) < 2 or words[0][0] in "#;":
            continue
        if words[0] == "nameserver" and address_family(words[1]):
            servers.append((words[1], DNS_PORT))
        elif words[0] in ("search", "domain"):
            search = tuple(words[1:7])
        elif words[0] == "options":
            pairs = [option.partition(":") for option in words[1:]]
            options |= {name: int(value) for name, _, value in pairs if value.isdecimal() and len(value) < 4}
    return ResolverConfig(
        servers=tuple(servers[:_MAX_SERVERS]) or ResolverConfig().servers,
        search=search,
        ndots=min(15, options.get("ndots", 1)),
        timeout=float(min(30, max(1, options.get("timeout", 5)))),
        attempts=min(5, max(1, options.get("attempts", 2))),
    )
