from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.checks.outcome import CheckFailed
from exporter.checks.resp import MAX_BYTES, MAX_ITEMS, RedisSession, Reply, ReplyError, command
from tests.exporter.peers import Canned


def reply(text: bytes) -> Reply:
    """What a session makes of *text*."""
    return RedisSession(Canned(text)).ask("PING")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"+PONG\r\n", "PONG"),
        (b":-3\r\n", -3),
        (b"$5\r\na\r\nbc\r\n", b"a\r\nbc"),
        (b"$0\r\n\r\n", b""),
        (b"$-1\r\n", None),
        (b"*-1\r\n", None),
        (b"*0\r\n", []),
        (b"*2\r\n$1\r\na\r\n*1\r\n:1\r\n", [b"a", [1]]),
    ],
)
def test_ask_reads_every_kind_of_reply(text: bytes, expected: Reply) -> None:
    """Texts, numbers, nothing and lists, also in lists."""
    assert reply(text) == expected


def test_ask_raises_errors_with_their_code() -> None:
    """The first word tells what kind of error it is."""
    with pytest.raises(ReplyError, match="NOAUTH Authentication required") as error:
        reply(b"-NOAUTH Authentication required.\r\n")
    assert error.value.code == "NOAUTH"


@pytest.mark.parametrize(
    "text",
    [
        b"HTTP/1.1 400 Bad Request\r\n",
        b"\r\n",
        b":\r\n",
        b":1e3\r\n",
        b"$-2\r\n",
        b"$%d\r\n" % (MAX_BYTES + 1),
        b"*%d\r\n" % (MAX_ITEMS + 1),
        b"$99999999999999999999999999\r\n",
        b"*1\r\n" * 6 + b":1\r\n",
        b"x" * (MAX_BYTES + 10),
    ],
)
def test_ask_refuses_what_is_no_redis(text: bytes) -> None:
    """Other protocols, huge lengths and deep nesting are refused at once."""
    with pytest.raises(CheckFailed) as failure:
        reply(text)
    assert failure.value.reason == "protocol"


def test_number_refuses_other_answers() -> None:
    """A list where a number is due is no answer."""
    with pytest.raises(CheckFailed, match="where a number is expected"):
        RedisSession(Canned(b"*0\r\n")).number("LLEN", "q")


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=200) | st.text("+-:$*0123456789\r\nax", max_size=60).map(str.encode))
def test_ask_survives_anything(text: bytes) -> None:
    """Whatever comes is a reply, an error of the server, or a failed check."""
    with suppress(ReplyError, CheckFailed):
        reply(text)


def test_command_counts_bytes() -> None:
    """Lengths are those of the bytes, not of the characters."""
    assert command("SET", "\u00e9", b"\xff\r\n") == b"*3\r\n$3\r\nSET\r\n$2\r\n\xc3\xa9\r\n$3\r\n\xff\r\n\r\n"
