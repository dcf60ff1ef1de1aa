from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.analysis.fingerprint import fingerprint


def test_fingerprint_is_the_same_in_every_version() -> None:
    """A fingerprint is written into dashboards and silences: it must not change with a release."""
    assert fingerprint("") == "9ce48422e8d7"
    assert fingerprint("connection from \0 refused") == "217e8d61b8c7"


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=50))
def test_fingerprint_is_twelve_hex_digits(text: str) -> None:
    """Whatever the text, lone surrogates included, its name fits a label of 12 characters."""
    assert len(fingerprint(text)) == 12
    assert int(fingerprint(text), 16) < 1 << 48


def test_fingerprint_tells_similar_texts_apart() -> None:
    """Ten thousand texts that differ in one number have ten thousand names."""
    assert len({fingerprint(f"text {number}") for number in range(10_000)}) == 10_000
