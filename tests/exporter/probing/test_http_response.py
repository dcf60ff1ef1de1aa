import gzip
import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.probing.attempt import ProbeFailed
from exporter.probing.http_response import MAX_HEAD_BYTES, Response

HEAD = b"HTTP/1.1 200 OK\r\n"


def read(*pieces: bytes, method: str = "GET", limit: int = 10_000, decompress: bool = False) -> Response:
    """The response in *pieces*, the connection ended after them."""
    response = Response(method, limit, limit, decompress=decompress)
    for piece in pieces:
        if response.feed(piece):
            return response
    response.end()
    return response


def chunked(*chunks: bytes) -> bytes:
    """A body in chunks."""
    return b"".join(b"%x\r\n%s\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"


CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(b"hello ", b"world")


@pytest.mark.parametrize(
    ("data", "body"),
    [
        (HEAD + b"Content-Length: 5\r\n\r\nhello", b"hello"),
        (HEAD + b"\r\nuntil the end", b"until the end"),
        (HEAD + b"Content-Length: 5\r\ncontent-length: 5\r\n\r\nhello", b"hello"),
        (CHUNKED, b"hello world"),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\nTrailer: 1\r\n\r\n", b"hello"),
        (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + HEAD + b"Content-Length: 1\r\n\r\nx", b"x"),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", b""),
        (b"HTTP/1.0 200\r\n\r\nx", b"x"),
    ],
)
def test_response_body_ends_where_its_framing_says(data: bytes, body: bytes) -> None:
    """By length, by chunks, by the connection's end, or with the headers."""
    response = read(data)
    assert response.complete
    assert bytes(response.body) == body


def test_response_to_head_has_no_body() -> None:
    """The length in an answer to HEAD announces nothing that comes."""
    response = read(HEAD + b"Content-Length: 999\r\n\r\n", method="HEAD")
    assert (response.complete, response.length) == (True, 999)


@pytest.mark.parametrize(
    "data",
    [
        b"SMTP ready\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\n\n" + b"x" * 10,
        HEAD + b"Name : x\r\n\r\n",
        HEAD + b"Folded: a\r\n b\r\n\r\n",
        HEAD + b"Nul: \x00\r\n\r\n",
        HEAD + b"No colon\r\n\r\n",
        HEAD + b"Content-Length: -1\r\n\r\n",
        HEAD + b"Content-Length: 1, 1\r\n\r\nx",
        HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nxx",
        HEAD + b"Content-Length: \xb2\r\n\r\nxx",
        HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
        HEAD + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nxyz\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nxx\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + b"1" * 2000,
        HEAD + b"Content-Length: 5\r\n\r\nhell",
        CHUNKED[:-3],
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 20,
        b"",
    ],
)
def test_response_malformed_is_refused(data: bytes) -> None:
    """What another reader might understand in another way is an error of the protocol."""
    with pytest.raises(ProbeFailed) as failed:
        read(data)
    assert failed.value.reason == "protocol"


@pytest.mark.parametrize(
    "data",
    [
        HEAD + b"X: " + b"x" * MAX_HEAD_BYTES,
        HEAD + b"Content-Length: 20000\r\n\r\n",
        HEAD + b"\r\n" + b"x" * 20_000,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + chunked(b"x" * 20_000),
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n0\r\n" + b"T: xxxx\r\n" * 20_000,
    ],
)
def test_response_too_large_is_refused(data: bytes) -> None:
    """Headers, body and trailers have bounds."""
    with pytest.raises(ProbeFailed) as failed:
        read(data)
    assert failed.value.reason == "too_large"


@pytest.mark.parametrize(
    ("name", "packed"), [(b"gzip", gzip.compress(b"hello", mtime=0)), (b"deflate", zlib.compress(b"hello"))]
)
def test_response_compressed_is_decompressed_on_demand(name: bytes, packed: bytes) -> None:
    """The body is decompressed only where that was asked for; what came is counted as it came."""
    data = HEAD + b"Content-Encoding: %s\r\n\r\n%s" % (name, packed)
    asked, plain = read(data, decompress=True), read(data)
    assert (bytes(asked.body), asked.decoded, asked.received) == (b"hello", 5, len(packed))
    assert bytes(plain.body) == packed


def test_response_broken_compression_is_refused() -> None:
    """A body that is not what its encoding says breaks the protocol."""
    with pytest.raises(ProbeFailed, match="decompressed"):
        read(HEAD + b"Content-Encoding: gzip\r\n\r\nno gzip at all", decompress=True)


@pytest.mark.parametrize("framing", [b"", b"Content-Length: 20\r\n"])
def test_response_whose_compressed_body_is_cut_off_is_refused(framing: bytes) -> None:
    """A page that ends in its middle is none, though what there is of it can be read."""
    with pytest.raises(ProbeFailed, match="ends too early"):
        read(HEAD + framing + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"hello" * 9)[:20], decompress=True)


@settings(deadline=None, max_examples=200)
@given(st.lists(st.integers(1, 40), max_size=30))
def test_response_in_any_pieces_is_the_same(cuts: list[int]) -> None:
    """How the network cuts a response changes nothing."""
    pieces, at = [], 0
    for cut in cuts:
        pieces.append(CHUNKED[at : at + cut])
        at += cut
    response = read(*filter(None, [*pieces, CHUNKED[at:]]))
    assert bytes(response.body) == b"hello world"


@settings(deadline=None, max_examples=300)
@given(st.lists(st.binary(max_size=60) | st.sampled_from([HEAD, b"\r\n", b"Transfer-Encoding: chunked\r\n", b"5\r\n"])))
def test_response_of_any_bytes_is_read_or_refused(pieces: list[bytes]) -> None:
    """No bytes raise anything but a failure of the probe, and no more is kept than the limit."""
    response = Response("GET", 100, 100, decompress=True)
    reason = "protocol"
    try:
        for piece in pieces:
            if response.feed(piece):
                break
        response.end()
    except ProbeFailed as failed:
        reason = failed.reason
    assert reason in ("protocol", "too_large")
    assert len(response.body) <= 100
