"""DNS messages (RFC 1035): questions written, answers read strictly and within bounds.

Names are compared and shown in lower case with a dot at the end. A record is shown as zone files write it:
`shop.example.<tab>300<tab>IN<tab>A<tab>192.0.2.7`, which is what regular expressions for records are written against.
"""

import ipaddress
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from exporter.errors import ExporterError

TYPES: Final = {
    "A": 1,
    "NS": 2,
    "CNAME": 5,
    "SOA": 6,
    "PTR": 12,
    "MX": 15,
    "TXT": 16,
    "AAAA": 28,
    "SRV": 33,
    "DS": 43,
    "DNSKEY": 48,
    "CAA": 257,
    "ANY": 255,
}
RCODES: Final = {
    0: "NOERROR",
    1: "FORMERR",
    2: "SERVFAIL",
    3: "NXDOMAIN",
    4: "NOTIMP",
    5: "REFUSED",
    6: "YXDOMAIN",
    7: "YXRRSET",
    8: "NXRRSET",
    9: "NOTAUTH",
    10: "NOTZONE",
}
_TYPE_NAMES = {number: name for name, number in TYPES.items()}
_CLASS_IN = 1
_OPT = 41
_HEADER = struct.Struct("!6H")
_RECORD = struct.Struct("!HHIH")
_POINTER = 0xC0
#: Size of an answer by UDP that is offered (EDNS); fits into one frame.
UDP_BYTES = 1232
_MAX_RECORDS = 2000


class DnsMalformed(ExporterError, ValueError):
    """A message that breaks RFC 1035, or a name that cannot be asked for; the message says where."""


@dataclass(frozen=True, slots=True)
class Record:
    """A resource record: its owner, type and time to live in seconds, and its data as zone files write it."""

    name: str
    kind: str
    ttl: int
    data: str

    def __str__(self) -> str:
        return f"{self.name}\t{self.ttl}\tIN\t{self.kind}\t{self.data}"


@dataclass(frozen=True, slots=True)
class Message:
    """An answer of a name server."""

    number: int
    rcode: str
    truncated: bool
    authoritative: bool
    question: tuple[str, int]
    answers: tuple[Record, ...]
    authorities: tuple[Record, ...]
    additional: tuple[Record, ...]


def normal(name: str) -> str:
    """*name* in lower case, with its dot at the end; international names in their ASCII form.

    Raises:
        DnsMalformed: it is no name.
    """
    try:
        text = name if name.isascii() else name.encode("idna").decode()
    except UnicodeError:
        raise DnsMalformed(f"{name!r} is no name that DNS knows") from None
    return text.rstrip(".").lower() + "."


def query(number: int, name: str, kind: str, *, recurse: bool = True) -> bytes:
    """The question for the records of type *kind* of *name*, as message *number* (0 to 65535).

    Raises:
        DnsMalformed: *name* cannot be asked for, or *kind* is not known.
    """
    if kind not in TYPES:
        raise DnsMalformed(f"the record type {kind} is not known: {', '.join(TYPES)}")
    flags = 0x0100 if recurse else 0
    edns = b"\0" + struct.pack("!HHIH", _OPT, UDP_BYTES, 0, 0)
    question = encode_name(name) + struct.pack("!HH", TYPES[kind], _CLASS_IN)
    return _HEADER.pack(number, flags, 1, 0, 0, 1) + question + edns


def encode_name(name: str) -> bytes:
    """*name* as labels with their lengths.

    Raises:
        DnsMalformed: a label is empty or over 63 bytes, or the name over 255.
    """
    text = normal(name).rstrip(".")
    labels = [label.encode() for label in text.split(".")] if text else []
    if any(not 0 < len(label) < 64 for label in labels) or sum(map(len, labels)) + len(labels) > 254:
        raise DnsMalformed(f"{name!r} is no name that DNS knows")
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"


def read(data: bytes) -> Message:
    """The answer in *data*.

    Raises:
        DnsMalformed: it is none.
    """
    try:
        return _read(data)
    except (struct.error, IndexError):
        raise DnsMalformed("the message is cut off") from None


def _read(data: bytes) -> Message:
    number, flags, questions, *counts = _HEADER.unpack_from(data)
    if not flags & 0x8000 or questions != 1:
        raise DnsMalformed("the message is no answer to one question")
    if sum(counts) > _MAX_RECORDS:
        raise DnsMalformed(f"the message announces {sum(counts)} records")
    name, at = _name(data, _HEADER.size)
    kind, _ = struct.unpack_from("!HH", data, at)
    at += 4
    sections = []
    extended = 0
    for amount in counts:
        records = []
        for _ in range(amount):
            record, at, high = _record(data, at)
            extended |= high
            records += [record] if record else []
        sections.append(tuple(records))
    code = flags & 0xF | extended << 4
    return Message(
        number=number,
        rcode=RCODES.get(code, str(code)),
        truncated=bool(flags & 0x0200),
        authoritative=bool(flags & 0x0400),
        question=(name, kind),
        answers=sections[0],
        authorities=sections[1],
        additional=sections[2],
    )


def _record(data: bytes, at: int) -> tuple[Record | None, int, int]:
    """The record at *at*, where the next begins, and the high bits of the code that EDNS adds; OPT is no record."""
    name, at = _name(data, at)
    kind, _, ttl, length = _RECORD.unpack_from(data, at)
    at += _RECORD.size
    end = at + length
    if end > len(data):
        raise DnsMalformed(f"the record at byte {at} is longer than the message")
    if kind == _OPT:
        return None, end, ttl >> 24
    shown = _TYPE_NAMES.get(kind, f"TYPE{kind}")
    return Record(name, shown, ttl, _DATA.get(shown, _unknown)(data, at, end)), end, 0


def _name(data: bytes, at: int) -> tuple[str, int]:
    """The name at *at* and where it ends; pointers lead backwards only, so this comes to an end."""
    labels: list[str] = []
    after = None
    lowest = at
    while length := data[at]:
        if length & _POINTER == _POINTER:
            after = at + 2 if after is None else after
            at = (length & 0x3F) << 8 | data[at + 1]
            if at >= lowest:
                raise DnsMalformed(f"the pointer to byte {at} does not lead backwards")
            lowest = at
            continue
        if length & _POINTER:
            raise DnsMalformed(f"the label at byte {at} is of no known kind")
        label = data[at + 1 : at + 1 + length]
        labels.append(_label(label))
        at += 1 + length
        if len(labels) > 127:
            raise DnsMalformed("a name has more than 127 labels")
    return ".".join(labels) + ".", (at + 1 if after is None else after)


def _label(label: bytes) -> str:
    r"""A label as zone files write it: what is not printable or has a meaning there as `\` and its number."""
    if label.isalnum():
        return label.decode().lower()
    return "".join(chr(c) if 33 <= c < 127 and chr(c) not in r'."\();@$' else f"\\{c:03d}" for c in label.lower())


def _address(data: bytes, at: int, end: int) -> str:
    try:
        return str(ipaddress.ip_address(data[at:end]))
    except ValueError:
        raise DnsMalformed(f"the address at byte {at} has {end - at} bytes") from None


def _host(data: bytes, at: int, _: int) -> str:
    return _name(data, at)[0]


def _mail(data: bytes, at: int, _: int) -> str:
    return f"{int.from_bytes(data[at : at + 2], 'big')} {_name(data, at + 2)[0]}"


def _service(data: bytes, at: int, _: int) -> str:
    priority, weight, port = struct.unpack_from("!3H", data, at)
    return f"{priority} {weight} {port} {_name(data, at + 6)[0]}"


def _authority(data: bytes, at: int, _: int) -> str:
    server, at = _name(data, at)
    mailbox, at = _name(data, at)
    return " ".join([server, mailbox, *map(str, struct.unpack_from("!5I", data, at))])


def _strings(data: bytes, at: int, end: int) -> str:
    found = []
    while at < end:
        length = data[at]
        text = data[at + 1 : min(end, at + 1 + length)].decode("utf-8", "surrogateescape")
        found.append('"' + "".join(map(_letter, text)) + '"')
        at += 1 + length
    return " ".join(found)


def _letter(letter: str) -> str:
    """A letter of a text as zone files write it: bytes that cannot be shown as a backslash and their number."""
    if letter in '"\\':
        return f"\\{letter}"
    return letter if letter.isprintable() else "".join(f"\\{c:03d}" for c in letter.encode("utf-8", "surrogateescape"))


def _unknown(data: bytes, at: int, end: int) -> str:
    """RFC 3597."""
    return f"\\# {end - at} {data[at:end].hex()}"


_DATA: dict[str, Callable[[bytes, int, int], str]] = {
    "A": _address,
    "AAAA": _address,
    "NS": _host,
    "CNAME": _host,
    "PTR": _host,
    "MX": _mail,
    "SRV": _service,
    "SOA": _authority,
    "TXT": _strings,
}
