import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.probing.dns_messages import DnsMalformed, encode_name, normal, query, read
from tests.exporter.probing.answers import reply, rr

ADDRESS = rr("shop.example", "A", bytes([192, 0, 2, 7]))


def test_query_is_one_question_with_edns() -> None:
    """Header, name, type, class, and an OPT record that offers a larger answer."""
    asked = query(0x1234, "Shop.Example", "AAAA")
    assert asked[:12] == struct.pack("!6H", 0x1234, 0x0100, 1, 0, 0, 1)
    assert asked[12:30] == b"\x04shop\x07example\x00\x00\x1c\x00\x01"


@pytest.mark.parametrize("name", ["a..b", "x" * 64, ".".join(["abcdefgh"] * 40), "\udc80"])
def test_encode_name_refuses_what_is_no_name(name: str) -> None:
    """Empty and overlong labels, overlong names."""
    with pytest.raises(DnsMalformed):
        encode_name(name)


def test_query_of_an_unknown_type_is_refused() -> None:
    """The message names the known types."""
    with pytest.raises(DnsMalformed, match="AAAA"):
        query(1, "a", "AAA")


def test_normal_writes_names_one_way() -> None:
    """Lower case, a dot at the end, international names in ASCII."""
    assert normal("Bücher.Example") == normal("xn--bcher-kva.example.") == "xn--bcher-kva.example."


@pytest.mark.parametrize(
    ("kind", "data", "shown"),
    [
        ("A", bytes([192, 0, 2, 7]), "192.0.2.7"),
        ("AAAA", bytes(15) + b"\x01", "::1"),
        ("MX", b"\x00\x0a\x04mail\xc0\x0c", "10 mail.shop.example."),
        ("TXT", b'\x03a"b\x01c', '"a\\"b" "c"'),
        ("TXT", b"\x07\x1b[2J\xff\xc2\x85", '"\\027[2J\\255\\194\\133"'),
        ("SRV", b"\x00\x01\x00\x02\x00\x50\x00", "1 2 80 ."),
        ("SOA", b"\xc0\x0c\xc0\x0c" + struct.pack("!5I", 7, 1, 2, 3, 4), "shop.example. shop.example. 7 1 2 3 4"),
        ("DS", b"\x01\x02", "\\# 2 0102"),
    ],
)
def test_read_shows_records_as_zone_files_write_them(kind: str, data: bytes, shown: str) -> None:
    """The text that regular expressions are written against."""
    message = read(reply(query(7, "shop.example", kind), rr("shop.example", kind, data)))
    assert [str(record) for record in message.answers] == [f"shop.example.\t300\tIN\t{kind}\t{shown}"]


def test_read_gives_code_and_flags() -> None:
    """The code's high bits come from EDNS, which is no record."""
    message = read(reply(query(7, "shop.example", "A"), rcode=3, truncated=True))
    assert (message.number, message.rcode, message.truncated) == (7, "NXDOMAIN", True)
    assert message.question == ("shop.example.", 1)
    assert message.additional == ()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        query(1, "a", "A"),
        reply(query(1, "a", "A"), ADDRESS)[:-1],
        reply(query(1, "a", "A"), rr("a", "A", b"123")),
        reply(query(1, "a", "A"), b"\xc0\x1f" + ADDRESS[14:]),
        struct.pack("!6H", 1, 0x8000, 1, 65535, 65535, 0),
    ],
)
def test_read_refuses_what_breaks_the_protocol(data: bytes) -> None:
    """Cut off, no answer, wrong lengths, a pointer to itself, a crowd of records."""
    with pytest.raises(DnsMalformed):
        read(data)


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=80), st.integers(0, 50))
def test_read_of_any_bytes_ends(noise: bytes, at: int) -> None:
    """No bytes make it hang or raise anything else."""
    whole = reply(query(1, "shop.example", "A"), ADDRESS)
    try:
        read(whole[:at] + noise + whole[at + len(noise) :])
    except DnsMalformed as error:
        assert str(error)  # noqa: PT017 -- that it may raise is the point
