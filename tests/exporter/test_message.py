import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.walks.message import Deadline, Reply, StepFailed, origin_of, split_url
from tests.exporter.doubles import Clock


def test_left_counts_down_and_ends(clock: Clock) -> None:
    """What is left shrinks with the clock; nothing left is an error, not a zero that means for ever."""
    deadline = Deadline(5, clock)
    clock.now += 4
    assert deadline.left() == 1
    clock.now += 1
    with pytest.raises(TimeoutError):
        deadline.left()


def test_within_is_never_longer(clock: Clock) -> None:
    """A step's deadline ends with the run's."""
    deadline = Deadline(5, clock)
    assert deadline.within(2).left() == 2
    assert deadline.within(60).left() == 5


@pytest.mark.parametrize(
    ("charset", "body", "text"),
    [
        ("", b"caf\xc3\xa9", "café"),
        ("; charset=ISO-8859-1", b"caf\xe9", "café"),
        ('; charset="utf-8"', b"caf\xe9", "caf\ufffd"),
        ("; charset=rot13", b"abc", "abc"),
        ("; charset=zlib", b"abc", "abc"),
    ],
)
def test_text_is_decoded_by_known_charsets(charset: str, body: bytes, text: str) -> None:
    """Only charsets are taken for charsets; what is not in them is replaced."""
    assert Reply("http://h/", 200, (("content-type", f"text/html{charset}"),), body).text == text


@pytest.mark.parametrize(
    "url", ["", "h/x", "ftp://h/", "http:///x", "http://joe:pw@h/", "http://h:0/", "http://h:99999/", "http://[::1/"]
)
def test_split_url_refuses_what_is_no_target(url: str) -> None:
    """No scheme, no host, credentials, an impossible port."""
    with pytest.raises(ValueError, match=r".+"):
        split_url(url)


def test_origin_of_knows_default_ports() -> None:
    """The same server, written in two ways, is one origin."""
    assert origin_of("HTTP://Shop.Example/x") == origin_of("http://shop.example.:80/y")
    assert origin_of("https://shop.example/") != origin_of("http://shop.example/")


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=100))
def test_document_is_json_or_refused(body: bytes) -> None:
    """No body raises anything but a failed step."""
    try:
        document = Reply("http://h/", 200, (), body).document
    except StepFailed:
        document = None
    assert isinstance(document, object)
