"""The few fields of an X.509 certificate that a probe shows, read from DER without a library.

Python has no public reader for a certificate that was not verified; `cryptography` would cost 9 MB. This reads what is
needed (RFC 5280), bounded by the bytes that are there, and keeps the last certificates, as a chain changes rarely.
"""

import calendar
import hashlib
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from exporter.errors import ExporterError

_SEQUENCE, _SET, _INTEGER, _CONTEXT_0, _CONTEXT_3 = 0x30, 0x31, 0x02, 0xA0, 0xA3
_OCTETS, _OBJECT_ID, _UTC_TIME, _GENERALIZED_TIME, _BMP_STRING = 0x04, 0x06, 0x17, 0x18, 0x1E
_SUBJECT_ALT_NAME = bytes.fromhex("551d11")
_DNS_NAME = 0x82
_ATTRIBUTES = {
    bytes.fromhex("550403"): "CN",
    bytes.fromhex("550406"): "C",
    bytes.fromhex("550407"): "L",
    bytes.fromhex("550408"): "ST",
    bytes.fromhex("55040a"): "O",
    bytes.fromhex("55040b"): "OU",
    bytes.fromhex("550405"): "SERIALNUMBER",
}
_TIME = re.compile(rb"(\d{12,14})Z")
#: Names shown of one certificate; some carry hundreds.
_MAX_NAMES = 20


class CertificateUnreadable(ExporterError):
    """Bytes that are no certificate; the message says where."""


@dataclass(frozen=True, slots=True)
class Certificate:
    """What is shown of a certificate; times are Unix seconds, the serial number and fingerprint are hexadecimal."""

    subject: str
    issuer: str
    serial: str
    not_before: float
    not_after: float
    names: tuple[str, ...]
    fingerprint: str


@lru_cache(maxsize=512)
def read(der: bytes) -> Certificate:
    """The certificate in *der*.

    Raises:
        CertificateUnreadable: *der* is no certificate.
    """
    fields = list(_items(_content(_content(der, _SEQUENCE), _SEQUENCE)))
    if fields and fields[0][0] == _CONTEXT_0:
        del fields[0]  # the version
    if [tag for tag, _ in fields[:5]] != [_INTEGER, *[_SEQUENCE] * 4]:
        raise CertificateUnreadable("the certificate's fields are not those of RFC 5280")
    times = [_time(tag, value) for tag, value in _items(fields[3][1])]
    if len(times) != 2:
        raise CertificateUnreadable("a validity has two times")
    extensions = next((value for tag, value in fields[5:] if tag == _CONTEXT_3), b"")
    return Certificate(
        subject=_name(fields[4][1]),
        issuer=_name(fields[2][1]),
        serial=fields[0][1].hex(),
        not_before=times[0],
        not_after=times[1],
        names=tuple(_alternative_names(extensions)),
        fingerprint=hashlib.sha256(der).hexdigest(),
    )


def _items(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of every element of *data*."""
    at = 0
    while at < len(data):
        tag, start, end = _element(data, at)
        yield tag, data[start:end]
        at = end


def _element(data: bytes, at: int) -> tuple[int, int, int]:
    """Tag, first byte and end of the content of the element at *at*."""
    if at + 2 > len(data):
        raise CertificateUnreadable(f"cut off at byte {at}")
    tag, length, start = data[at], data[at + 1], at + 2
    if length & 0x80:
        size = length & 0x7F
        length = int.from_bytes(data[start : start + size], "big") if 0 < size <= 4 else len(data) + 1
        start += size
    if start + length > len(data):
        raise CertificateUnreadable(f"the element at byte {at} is longer than what is there")
    return tag, start, start + length


def _content(data: bytes, wanted: int) -> bytes:
    """The content of the first element of *data*, which must have the tag *wanted*."""
    tag, start, end = _element(data, 0)
    if tag != wanted:
        raise CertificateUnreadable(f"tag {tag:#x} where {wanted:#x} must stand")
    return data[start:end]


def _time(tag: int, value: bytes) -> float:
    """A time as Unix seconds; two digits of a year mean 1950 to 2049."""
    match = _TIME.fullmatch(value)
    if match is None or tag not in (_UTC_TIME, _GENERALIZED_TIME):
        raise CertificateUnreadable("a time is not written as RFC 5280 wants it")
    text = match[1].decode()
    if tag == _UTC_TIME:
        text = ("19" if text[:2] >= "50" else "20") + text
    try:
        return float(calendar.timegm(time.strptime(text, "%Y%m%d%H%M%S")))
    except ValueError:
        raise CertificateUnreadable(f"{text} is no time") from None


def _name(data: bytes) -> str:
    """A distinguished name, most general part last: `CN=shop.example,O=Example`."""
    parts = []
    for _, relative in _items(data):
        for _, pair in _items(relative):
            elements = list(_items(pair))
            if len(elements) == 2 and elements[0][0] == _OBJECT_ID:
                key = _ATTRIBUTES.get(elements[0][1])
                parts += [f"{key}={_text(*elements[1])}"] if key else []
    return ",".join(reversed(parts))


def _text(tag: int, value: bytes) -> str:
    return value.decode("utf-16-be" if tag == _BMP_STRING else "utf-8", "replace")


def _alternative_names(extensions: bytes) -> Iterator[str]:
    """The DNS names of the subjectAltName extension, `_MAX_NAMES` at the most."""
    if not extensions:
        return
    for _, extension in _items(_content(extensions, _SEQUENCE)):
        elements = list(_items(extension))
        if elements and elements[0] == (_OBJECT_ID, _SUBJECT_ALT_NAME) and elements[-1][0] == _OCTETS:
            found = [value for tag, value in _items(_content(elements[-1][1], _SEQUENCE)) if tag == _DNS_NAME]
            yield from (value.decode("ascii", "replace") for value in found[:_MAX_NAMES])
