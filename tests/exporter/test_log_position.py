import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.sources.log_position import Mark, Position, PositionInvalid, checksums, resumed

NUMBERS = st.integers(0, 2**63 - 1)
MARKS = st.builds(Mark, NUMBERS, NUMBERS, NUMBERS, NUMBERS, NUMBERS, NUMBERS, st.text(max_size=9))
POSITIONS = st.builds(
    Position,
    st.lists(st.text(max_size=9)).map(tuple),
    st.dictionaries(st.text(max_size=9), st.lists(MARKS, max_size=3).map(tuple), max_size=3),
)


@settings(deadline=None, max_examples=50)
@given(POSITIONS)
def test_position_survives_its_encoding(position: Position) -> None:
    """What is kept is what is read again."""
    assert Position.decode(position.encode()) == position


@settings(deadline=None, max_examples=200)
@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_decode_garbage_is_one_error(kept: bytes) -> None:
    """Whatever a damaged file holds, the error is the one that callers know."""
    with contextlib.suppress(PositionInvalid):
        assert Position.decode(kept).version == 1


@pytest.mark.parametrize(
    "kept",
    [
        b"",
        b"{",
        b"[1]",
        b'{"version": 2}',
        b'{"logs": {"a": [[1, 2, -1]]}}',
        b'{"logs": {"a": [["x", 2]]}}',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
)
def test_resumed_damaged_position_is_logged_and_none(kept: bytes, caplog: pytest.LogCaptureFixture) -> None:
    """A position that cannot be read, or is of a later version, is as good as none, and that is said."""
    assert resumed(kept, service="shop") is None
    assert "as if for the first time" in caplog.text


def test_resumed_nothing_kept_is_no_fault(caplog: pytest.LogCaptureFixture) -> None:
    """The first start of all is silent."""
    assert resumed(None) is None
    assert not caplog.records


def test_checksums_compare_what_was_given_only() -> None:
    """What comes after the offset changes nothing, what comes before it does."""
    assert checksums(b"abcdef", b"ab", 2) == checksums(b"abxyz", b"ab", 2)
    assert checksums(b"abcdef", b"ab", 2) != checksums(b"aXcdef", b"aX", 2)
