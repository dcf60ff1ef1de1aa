"""DNS answers as a test wants them."""

import struct

from exporter.probing.dns_messages import TYPES, encode_name


def rr(name: str, kind: str, data: bytes) -> bytes:
    """A resource record that lives 300 s."""
    return encode_name(name) + struct.pack("!HHIH", TYPES[kind], 1, 300, len(data)) + data


def reply(asked: bytes, *answers: bytes, rcode: int = 0, truncated: bool = False) -> bytes:
    """The answer to the question *asked*."""
    flags = 0x8180 | (0x0200 if truncated else 0) | rcode
    end = asked.index(b"\0", 12) + 5
    edns = b"\0" + struct.pack("!HHIH", 41, 1232, 0, 0)
    header = struct.pack("!6H", int.from_bytes(asked[:2], "big"), flags, 1, len(answers), 0, 1)
    return header + asked[12:end] + b"".join(answers) + edns


def kind_of(asked: bytes) -> str:
    """The type that is asked for."""
    end = asked.index(b"\0", 12)
    number = int.from_bytes(asked[end + 1 : end + 3], "big")
    return next(name for name, value in TYPES.items() if value == number)
